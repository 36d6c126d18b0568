package testenv

import (
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestMain(m *testing.M) { Main(m) }

func TestEnvironmentIsOwn(t *testing.T) {
	home := os.Getenv("HOME")
	if !strings.HasPrefix(filepath.Base(home), homePrefix) {
		t.Errorf("HOME is %s", home)
	}
	for _, entry := range os.Environ() {
		if !slices.ContainsFunc(append(kept, "HOME="), func(name string) bool { return strings.HasPrefix(entry, name) }) {
			t.Errorf("%s is the machine's", entry)
		}
	}
}

func TestDefaultAddressesAndOtherHostsAreNotReached(t *testing.T) {
	traps := Trap(t)
	for _, address := range []string{"127.0.0.1:8200", "localhost:8888", "[::1]:6443", "192.0.2.1:12345", "vault.example:8200"} {
		if resp, err := http.Get("http://" + address); err == nil {
			_ = resp.Body.Close()
			t.Errorf("%s answers", address)
		}
	}
	if noted := traps.Noted(); len(noted) > 0 {
		t.Errorf("reached: %q", noted)
	}
}

func TestTrapNotesWhoComes(t *testing.T) {
	traps := trap(t, "0")
	conn, err := net.Dial("tcp", traps.addresses[0])
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	_, _ = conn.Write([]byte("GET /\n"))
	waitNoted(t, traps)
}

// The port that a connection comes from may have been that of an earlier one, to
// another server, of which the kernel keeps an entry that belongs to no process.
func TestTrapNotesWhoComesFromAPortUsedBefore(t *testing.T) {
	other, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = other.Close() }()
	noted := 0
	for range 10 { // the order of the entries is by chance
		traps := trap(t, "0")
		dialer := net.Dialer{Control: func(_, _ string, conn syscall.RawConn) (err error) {
			return conn.Control(func(fd uintptr) { err = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1) })
		}}
		earlier, err := dialer.DialContext(t.Context(), "tcp", other.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		accepted, err := other.Accept()
		if err != nil {
			t.Fatal(err)
		}
		dialer.LocalAddr = earlier.LocalAddr()
		_, _ = earlier.Close(), accepted.Close()
		conn, err := dialer.DialContext(t.Context(), "tcp", traps.addresses[0])
		if err != nil { // somebody else has the port now
			continue
		}
		defer func() { _ = conn.Close() }()
		_, _ = conn.Write([]byte("GET /\n"))
		waitNoted(t, traps)
		noted++
	}
	if noted == 0 {
		t.Error("no port could be used again")
	}
}

func waitNoted(t *testing.T, traps *Traps) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); len(traps.Noted()) == 0; <-time.After(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the trap has noted nothing")
		}
	}
}

// Whoever adds a package finds out here what its tests need.
func TestEveryPackageIsIsolated(t *testing.T) {
	isolated := map[string]bool{}
	err := filepath.WalkDir("../..", func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if _, err := os.Stat(filepath.Join(path, "go.mod")); entry.IsDir() && err == nil && path != "../.." {
			return filepath.SkipDir // a module of its own
		}
		if strings.HasSuffix(path, "_test.go") {
			content, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			calls, err := regexp.Match(`func TestMain\(m \*testing\.M\) \{\s+(testenv\.|testscript\.Main\(testenv\.)?(Main|Isolate)\(m`, content)
			isolated[filepath.Dir(path)] = isolated[filepath.Dir(path)] || calls
			return err
		}
		return nil
	})
	if err != nil || len(isolated) < 20 {
		t.Fatalf("%d packages, %v", len(isolated), err)
	}
	for folder, is := range isolated {
		if !is {
			t.Errorf("%s needs: func TestMain(m *testing.M) { testenv.Main(m) }", strings.TrimPrefix(folder, "../../"))
		}
	}
}
