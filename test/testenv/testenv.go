// Package testenv keeps the tests of a package to themselves: whatever runs or is
// configured on the machine, no test reads it and none reaches it. Every package
// with tests has a TestMain that calls it.
package testenv

import (
	"context"
	"go/build"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// DefaultPorts are those of Vault, Aidbox, the API server of a cluster, and of
// Azure: what a developer runs on the machine listens there.
var DefaultPorts = []string{"8200", "8888", "6443", "443", "80"}

// kept are the variables that a test inherits, or what their names begin with: what
// it takes to run a program and Go's own, and what chooses real servers for tests.
var kept = []string{
	"PATH=", "TMPDIR=", "SECRETCTL_TEST_", "SECRETCTL_REQUIRE_",
	"GOCACHE=", "GOCOVERDIR=", "GODEBUG=", "GOENV=", "GOFLAGS=", "GOMAXPROCS=", "GOMODCACHE=", "GOPATH=", "GOPROXY=", "GORACE=", "GOSUMDB=", "GOTRACEBACK=",
}

// homeVariable is set in a process that was isolated.
const homeVariable = "SECRETCTL_TEST_HOME"

const homePrefix = "secretctl-test-home-"

// Main runs the tests of a package.
func Main(m *testing.M) { os.Exit(Isolate(m).Run()) }

// Isolate closes the way to everything but the ports that tests listen on, and
// starts the process over with an environment and a home of its own: some packages
// read them before any test begins. A process that goes by the name of one of the
// commands is run by a test, which has said what its environment is. Where the tests
// are of a real cluster, everything stays as it is.
func Isolate(m *testing.M, commands ...string) *Tests {
	if os.Getenv("SECRETCTL_TEST_CLUSTER") != "" {
		return &Tests{m}
	}
	if network, ok := http.DefaultTransport.(*http.Transport); ok {
		network.DialContext = dial
	}
	if os.Getenv(homeVariable) == "" && !slices.Contains(commands, filepath.Base(os.Args[0])) {
		panic(startOver()) // which returns only an error
	}
	return &Tests{m}
}

func startOver() error {
	home, err := os.MkdirTemp("", homePrefix)
	if err != nil {
		return err
	}
	environment := slices.DeleteFunc(os.Environ(), func(entry string) bool {
		return !slices.ContainsFunc(kept, func(name string) bool { return strings.HasPrefix(entry, name) })
	})
	self, err := os.Executable()
	if err != nil {
		return err
	}
	if os.Getenv("GOPATH") == "" { // which Go looks for at home, as it does for what it has built
		environment = append(environment, "GOPATH="+build.Default.GOPATH)
	}
	if cache, err := os.UserCacheDir(); err == nil && os.Getenv("GOCACHE") == "" {
		environment = append(environment, "GOCACHE="+filepath.Join(cache, "go-build"))
	}
	return syscall.Exec(self, os.Args, append(environment, "HOME="+home, homeVariable+"="+home))
}

// Tests are those of a package.
type Tests struct{ m *testing.M }

// Run runs them and returns the exit code.
func (t *Tests) Run() int {
	if home := os.Getenv(homeVariable); strings.HasPrefix(filepath.Base(home), homePrefix) {
		defer func() { _ = os.RemoveAll(home) }()
	}
	return t.m.Run()
}

// dial connects to this machine alone, and not to a default port: there, nobody
// listens. Other hosts do not exist.
func dial(ctx context.Context, network, address string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	ip := net.ParseIP(host)
	switch {
	case ip == nil && host != "localhost":
		return nil, &net.OpError{Op: "dial", Net: network, Err: &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}}
	case ip != nil && !ip.IsLoopback(), slices.Contains(DefaultPorts, port):
		return nil, &net.OpError{Op: "dial", Net: network, Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}
	}
	return new(net.Dialer).DialContext(ctx, network, address)
}
