package mount_test

import (
	"errors"
	"io/fs"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/secretctl/secretctl/internal/sandbox/mount"
	"github.com/secretctl/secretctl/test/realvault"
	"github.com/secretctl/secretctl/test/sandboxtest"
)

func TestMountRotatesUntilItIsClosed(t *testing.T) {
	s := newFixture(t)
	s.options.Interval = time.Millisecond
	m := s.mount(t)
	s.Store(t, "second")
	sandboxtest.Eventually(t, "the file is new", func() bool { return s.read(t, "client-secret") == "second" })
	m.Close()
	m.Close()
	s.Store(t, "third")
	<-time.After(20 * time.Millisecond)
	if got := s.read(t, "client-secret"); got != "second" {
		t.Errorf("after Close: %q", got)
	}
}

// A reader that has followed ..data may find that folder gone, as with the real
// driver; asking again finds the new one.
func TestReaderNeverSeesAHalfWrittenFileAndMissesNoneTwice(t *testing.T) {
	s := newFixture(t)
	m := s.mount(t)
	values := []string{"first", strings.Repeat("a", 9000), strings.Repeat("b", 20000)}
	stop := make(chan struct{})
	var readers sync.WaitGroup
	var reads int
	readers.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			content, err := os.ReadFile(s.path("client-secret"))
			if errors.Is(err, fs.ErrNotExist) {
				content, err = os.ReadFile(s.path("client-secret"))
			}
			if err != nil || !slices.Contains(values, string(content)) {
				t.Errorf("read %d bytes, %v", len(content), err)
				return
			}
			reads++
		}
	})
	for i := range 60 {
		s.Store(t, values[1+i%2])
		if err := m.Publish(t.Context()); err != nil {
			t.Error(err)
		}
	}
	close(stop)
	readers.Wait()
	if reads < 60 {
		t.Errorf("only %d reads", reads)
	}
}

func TestMountReadsFromARealVault(t *testing.T) {
	server := realvault.Start(t)
	s := fixture{VaultClient: sandboxtest.VaultClient{URL: server.Address, Token: server.RootToken}, cluster: sandboxtest.StartKubernetes(t)}
	s.Deliver(t, s.cluster, "first")
	s.options = mount.Options{Manifests: []byte(podManifests), Root: t.TempDir(), Kubernetes: s.cluster, VaultAddress: s.URL}
	m := s.mount(t)
	s.Store(t, "second")
	if err := m.Publish(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := s.read(t, "client-secret") + " " + s.read(t, "other"); got != "second \x00\xff" {
		t.Errorf("content %q", got)
	}
	s.Must(t, "DELETE auth/kubernetes/role/aidbox", "DELETE sys/policies/acl/aidbox")
	if err := m.Publish(t.Context()); err == nil || !strings.Contains(err.Error(), "invalid role name") {
		t.Errorf("without role and policy: %v", err)
	}
}
