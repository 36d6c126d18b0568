package cmd_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// with writes a config that has n secrets, whose values are generated, and returns
// the word that stands for it in a talker.
func (s *fixture) with(provider string, n int) string {
	s.t.Helper()
	text, err := os.ReadFile(filepath.Join(s.dir, provider+".yaml"))
	if err != nil {
		s.t.Fatal(err)
	}
	text, _, _ = bytes.Cut(text, []byte("resources: "))
	text = append(text, "secrets:\n"...)
	for i := range n {
		text = fmt.Appendf(text, "  - {name: s%d, scope: [Client], value: {generate: {}}}\n", i)
	}
	word := fmt.Sprintf("%s-%d", provider, n)
	if err := os.WriteFile(filepath.Join(s.dir, word+".yaml"), text, 0o600); err != nil {
		s.t.Fatal(err)
	}
	return word
}

// plan is what "provision -o json" prints.
type plan struct {
	Deliveries []struct {
		Changes []struct{ Phase, Object, Action, Detail string }
	}
}

// unsettled returns what a plan says of objects that are not as they should be.
func unsettled(t *testing.T, out string) (all int, left []string) {
	t.Helper()
	var p plan
	if err := json.Unmarshal([]byte(out), &p); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for _, c := range p.Deliveries[0].Changes {
		if c.Action != "unchanged" {
			left = append(left, fmt.Sprint(c))
		}
		all++
	}
	return all, left
}

// victim is a process that is killed when a server has done its nth write, before
// it hears of that.
type victim struct {
	kill   context.CancelFunc
	n      int64
	writes atomic.Int64
}

// note takes down each write that a server has done.
func (s *fixture) note(r *http.Response) error {
	if r.Request.Method == http.MethodGet || r.StatusCode >= 300 {
		return nil
	}
	times, _ := s.written.LoadOrStore(r.Request.URL.Path, new(atomic.Int64))
	times.(*atomic.Int64).Add(1)
	if v := s.victim.Load(); v != nil && v.writes.Add(1) >= v.n {
		v.kill()
		return errors.New("nobody is there to answer")
	}
	return nil
}

var thorough = flag.Bool("thorough", false, "kill at each write, provision 10,000 secrets, and verify 500 deliveries")

// A process is killed when the store has done the nth write and before it hears of
// it. The next run does the rest, and nothing a second time.
func TestProvisionGoesOnAfterAKill(t *testing.T) {
	t.Parallel()
	const secrets = 50
	for provider, try := range map[string]struct {
		secretPath string
		writes     []int64 // the first, one in the middle, and those about the pod's access
	}{
		"vault": {"/v1/secret/data/", []int64{1, 26, 51, 53}},
		"azure": {"/secrets/", []int64{1, 50}},
	} {
		t.Run(provider, func(t *testing.T) {
			t.Parallel()
			if *thorough {
				try.writes = nil
				for n := range int64(secrets + 3) {
					try.writes = append(try.writes, n+1)
				}
			}
			for _, n := range try.writes {
				s := newFixture(t)
				talker := s.with(provider, secrets) + " provision -o json"
				killed := s.killed(talker, n)
				if code, _, narration := s.at(talker, "1m"); code != 0 {
					t.Fatalf("write %d: exit code %d: %s", n, code, narration)
				}
				_, out, _ := s.at(talker+" --dry-run", "1m")
				if all, left := unsettled(t, out); len(left) > 0 || all < secrets {
					t.Fatalf("write %d: %d objects, of which are left: %s", n, all, left)
				}
				s.written.Range(func(path, times any) bool {
					if strings.HasPrefix(path.(string), try.secretPath) && times.(*atomic.Int64).Load() != 1 {
						t.Errorf("write %d: %s was written %d times", n, path, times.(*atomic.Int64).Load())
					}
					return true
				})
				if !killed && !*thorough {
					t.Errorf("there is no write %d", n)
				}
			}
		})
	}
}

// killed runs one of the talkers as a process that is killed at its nth write, and
// says whether it did that many.
func (s *fixture) killed(talker string, n int64) bool {
	ctx, kill := context.WithCancel(s.t.Context())
	defer kill()
	v := &victim{kill: kill, n: n}
	s.victim.Store(v)
	process := s.process(ctx, talker)
	text, err := process.CombinedOutput()
	for _, server := range s.front { // what was under way is not to come late
		server.CloseClientConnections()
	}
	s.underWay.Lock()
	defer s.underWay.Unlock()
	s.victim.Store(nil)
	status := process.ProcessState.Sys().(syscall.WaitStatus)
	if v.writes.Load() >= n && !status.Signaled() {
		s.t.Fatalf("was not killed at write %d: %v: %s", n, err, text)
	}
	return status.Signaled()
}

// A signal ends what waits for a server that does not answer a write, at once and in
// order. The run after that does what is left.
func TestASignalEndsACommandInOrder(t *testing.T) {
	t.Parallel()
	var all sync.WaitGroup
	for talker, sent := range map[string]os.Signal{
		"vault provision":                        syscall.SIGTERM,
		"vault rotate client-secret --no-verify": syscall.SIGINT,
		"vault client apply":                     syscall.SIGTERM,
		"azure provision":                        syscall.SIGINT,
	} {
		all.Go(func() {
			s := newFixture(t)
			hint := "hint: run it again"
			if strings.Contains(talker, "rotate") { // which would write one more version
				s.at("vault provision", "1m")
				hint = "secretctl rotate -c " + filepath.Join(s.dir, "vault.yaml") + " client-secret --follow"
			}
			hangs := make(chan struct{}, 64)
			s.trouble.Store(&trouble{writes: true, spoil: func(_ http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body)
				hangs <- struct{}{}
				<-r.Context().Done()
			}})
			process := s.process(t.Context(), talker)
			var narration lockedBuffer
			process.Stderr = &narration
			if err := process.Start(); err != nil {
				t.Error(err)
				return
			}
			<-hangs
			began := time.Now()
			_ = process.Process.Signal(sent)
			_ = process.Wait()
			if code := process.ProcessState.ExitCode(); code != 130 || !strings.Contains(narration.String(), "error: interrupted") ||
				!strings.Contains(narration.String(), hint) || time.Since(began) > 3*time.Second {
				t.Errorf("%s: exit code %d after %s: %s", talker, code, time.Since(began), narration.String())
			}
			s.trouble.Store(nil)
			if code, _, narration := s.at(talker, "1m"); code != 0 {
				t.Errorf("%s again: exit code %d: %s", talker, code, narration)
			}
		})
	}
	all.Wait()
}

// All of them come to the same end, and the value that one of them generates is
// everybody's.
func TestParallelProvisionsAgree(t *testing.T) {
	t.Parallel()
	const runs, secrets = 64, 5
	s := newFixture(t)
	talker := s.with("vault", secrets) + " provision -o json"
	var all sync.WaitGroup
	for range runs {
		all.Go(func() {
			if code, _, narration := s.at(talker, "1m"); code != 0 {
				t.Errorf("exit code %d: %s", code, narration)
			}
		})
	}
	all.Wait()
	_, out, _ := s.at(talker+" --dry-run", "1m")
	if _, left := unsettled(t, out); len(left) > 0 || strings.Count(out, `"version 1"`) != secrets {
		t.Errorf("left are %s in\n%s", left, out)
	}
}

// The vault config of so many is just short of what a ConfigMap can hold.
func TestTenThousandSecretsAreRendered(t *testing.T) {
	const secrets, limit = 10_000, 512 // MiB, of all that is allocated in the course
	s := newFixture(t)
	talkers := []string{" render"}
	if *thorough {
		talkers = append(talkers, " provision", " provision --dry-run")
	}
	for _, talker := range talkers {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		began := time.Now()
		code, out, narration := s.at(s.with("vault", secrets)+talker, "2m")
		runtime.ReadMemStats(&after)
		allocated := (after.TotalAlloc - before.TotalAlloc) >> 20
		t.Logf("%s: %s, %d MiB allocated", talker, time.Since(began), allocated)
		if code != 0 || strings.Count(out, "s9999") == 0 || talker == " render" && allocated > limit {
			t.Errorf("exit code %d, %d bytes, %d MiB allocated: %s", code, len(out), allocated, narration)
		}
	}
}
