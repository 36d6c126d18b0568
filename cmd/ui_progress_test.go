package cmd

import (
	"errors"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/secretctl/secretctl/internal/transport"
)

func TestPlainProgressNamesEveryRunningDelivery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, stderr := fleetOf(3)
		b := f.startDisplay("verify", 3)
		first, second := b.start("berlin"), b.start("paris")
		first.set("waiting for rotation/mounted", 4*time.Minute)
		<-time.After(16 * time.Second)
		first.end()
		<-time.After(15 * time.Second)
		second.end()
		b.start("rome").end()
		want := `verify: 0 of 3 done, 2 running
berlin: waiting for rotation/mounted: 15s of at most 4m0s
paris: 15s
verify: 1 of 3 done, 1 running
paris: 30s
`
		if diff := cmp.Diff(want, stderr.String()); diff != "" {
			t.Errorf("(-want +got)\n%s", diff)
		}
	})
}

func TestProgressOnATerminalIsOneLineBelowTheOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, stderr := fleetOf(2)
		f.ErrTerminal = true
		b := f.startDisplay("verify", 2)
		first, second := b.start("berlin"), b.start("paris")
		<-time.After(redrawEvery + time.Millisecond)
		f.narrate("note: something")
		first.end()
		<-time.After(redrawEvery)
		second.end()
		const on, off, gone = "\x1b[?7l", "\x1b[?7h", "\r\x1b[K"
		want := on + "⠙ 0s verify: 0 of 2 done, 2 running; berlin" + off +
			gone + "note: something\n" +
			on + "⠹ 0s verify: 1 of 2 done, 1 running; paris" + off + gone
		if diff := cmp.Diff(want, stderr.String()); diff != "" {
			t.Errorf("(-want +got)\n%s", diff)
		}
	})
}

func TestProgressOfOneDeliveryNamesIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, stderr := fleetOf(1)
		p := f.startDisplay("verify", 1).start("berlin")
		<-time.After(16 * time.Second)
		p.set("waiting for auth/token", 0)
		defer transport.WaitFor(p.hosts.Context(t.Context()), "aidbox.test:8080")()
		<-time.After(15 * time.Second)
		p.end()
		if diff := cmp.Diff("verify berlin: 15s\nverify berlin: waiting for auth/token (aidbox.test:8080): 14s\n", stderr.String()); diff != "" {
			t.Errorf("(-want +got)\n%s", diff)
		}
	})
}

func TestProgressSaysWhyARequestIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, stderr := fleetOf(1)
		p := f.startDisplay("provision", 1).start("berlin")
		ask := func(err error) {
			req, _ := http.NewRequestWithContext(p.hosts.Context(t.Context()), http.MethodGet, "http://127.0.0.1:8200", http.NoBody)
			_, _ = transport.Wrap(failing{err}, nil).RoundTrip(req)
		}
		ask(syscall.ECONNREFUSED)
		<-time.After(16 * time.Second)
		ask(errors.New("no reason to try again"))
		<-time.After(15 * time.Second)
		p.end()
		want := "provision berlin: trying again: connection refused (127.0.0.1:8200): 15s\nprovision berlin: 30s\n"
		if diff := cmp.Diff(want, stderr.String()); diff != "" {
			t.Errorf("(-want +got)\n%s", diff)
		}
	})
}

func TestProgressShowsNoControlCharactersOfNames(t *testing.T) {
	for _, terminal := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			f, stderr := fleetOf(2)
			f.ErrTerminal = terminal
			b := f.startDisplay("verify", 2)
			for range 2 {
				p := b.start("a\x1b]52;c;eA==\ab\u009b2J\u202ec\nforged")
				p.set("waiting for d\x1b[2Je\rforged", 0)
				defer p.end()
				defer transport.WaitFor(p.hosts.Context(t.Context()), "f\u2028\x9bforged")()
			}
			<-time.After(16 * time.Second)
			synctest.Wait() // until nobody writes
			shown := strings.NewReplacer("\x1b[?7l", "", "\x1b[?7h", "", "\r\x1b[K", "").Replace(stderr.String())
			const want = "a ]52;c;eA== b c forged: waiting for de forged (f \uFFFDforged)"
			if !strings.Contains(shown, want) || strings.ContainsAny(shown, "\x1b\a\r\u009b\u202e\u2028") || strings.Contains(shown, "\nforged") {
				t.Errorf("on a terminal: %t, shows %q", terminal, shown)
			}
		})
	}
}

// failing is a transport on which every request fails.
type failing struct{ err error }

func (a failing) RoundTrip(*http.Request) (*http.Response, error) { return nil, a.err }
