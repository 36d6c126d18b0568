package testenv

import (
	"bufio"
	"net"
	"strings"
	"sync"
	"testing"
	"time"
)

// Traps listen where a developer's own servers would, and note which of a test's
// processes come.
type Traps struct {
	addresses []string

	mu    sync.Mutex
	noted []string
}

// Trap listens on the default ports that are free and that this user may listen on.
// Where somebody listens already, a test that reached it would find out.
func Trap(t testing.TB) *Traps {
	t.Helper()
	return trap(t, DefaultPorts...)
}

func trap(t testing.TB, ports ...string) *Traps {
	t.Helper()
	traps := &Traps{}
	for _, port := range ports {
		listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:"+port)
		if err != nil {
			t.Logf("port %s is left out: %v", port, err)
			continue
		}
		t.Cleanup(func() { _ = listener.Close() })
		traps.addresses = append(traps.addresses, listener.Addr().String())
		go traps.serve(listener)
	}
	return traps
}

func (tr *Traps) serve(listener net.Listener) {
	for {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		go func() {
			defer func() { _ = conn.Close() }()
			if !isOwn(conn) { // somebody else may well look for a server of theirs
				return
			}
			_ = conn.SetDeadline(time.Now().Add(time.Second))
			line, _ := bufio.NewReader(conn).ReadString('\n')
			tr.mu.Lock()
			defer tr.mu.Unlock()
			tr.noted = append(tr.noted, conn.LocalAddr().String()+": "+strings.TrimSpace(line))
		}()
	}
}

// Noted returns the requests that have come, by their first line.
func (tr *Traps) Noted() []string {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	return tr.noted
}
