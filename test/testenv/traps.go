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
	mu    sync.Mutex
	noted []string
}

// Trap listens on the default ports that are free and that this user may listen on.
// At least one has to be: another run of the tests may have them for a while.
func Trap(t testing.TB) *Traps {
	t.Helper()
	traps := &Traps{}
	for deadline := time.Now().Add(time.Minute); ; <-time.After(time.Second) {
		listening := false
		for _, port := range DefaultPorts {
			listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:"+port)
			if err != nil {
				t.Logf("port %s is left out: %v", port, err)
				continue
			}
			listening = true
			t.Cleanup(func() { _ = listener.Close() })
			go traps.serve(listener)
		}
		if listening {
			return traps
		}
		if time.Now().After(deadline) {
			t.Fatal("every default port is in use")
		}
	}
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
