// Package realvault starts a real HashiCorp Vault for a test and stops it with the
// test. It compiles nothing: SECRETCTL_TEST_VAULT_BIN names the binary, of version
// 1.21 or close to it. If that is not set, the test is skipped, or fails if
// SECRETCTL_REQUIRE_VAULT is set.
package realvault

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// How long a server may take to answer, and how many ports to try: another process may
// take a free port first.
const (
	startLimit = 30 * time.Second
	portTries  = 3
)

const fileConfig = `
storage "file" { path = %q }
listener "tcp" {
  address     = %q
  tls_disable = true
}
disable_mlock = true
api_addr = "http://%[2]s"
`

// Server is an unsealed Vault with a KV version 2 engine at secret/ that listens on
// 127.0.0.1.
type Server struct {
	Address   string // with scheme and port
	RootToken string
	CACert    string // file with the CA of a TLS server
	UnsealKey string // of a File server

	tls, file bool
	binary    string
	dir       string
	port      int
	cmd       *exec.Cmd
	log       *buffer
	ended     chan struct{}
}

// Option changes the kind of server, which is dev mode by default.
type Option func(*Server)

// TLS makes a dev server that serves https with its own CA.
func TLS() Option { return func(s *Server) { s.tls = true } }

// File makes a server that stores in files, so that its data survives Restart and
// Unseal.
func File() Option { return func(s *Server) { s.file = true } }

// Start starts a server.
func Start(t testing.TB, options ...Option) *Server {
	t.Helper()
	s := &Server{binary: os.Getenv("SECRETCTL_TEST_VAULT_BIN"), RootToken: "root"}
	for _, o := range options {
		o(s)
	}
	switch {
	case !strings.Contains(t.Name(), "RealVault"):
		t.Fatal("make test-vault runs the tests that have RealVault in their names")
	case s.binary == "" && os.Getenv("SECRETCTL_REQUIRE_VAULT") != "":
		t.Fatal("SECRETCTL_REQUIRE_VAULT is set, and SECRETCTL_TEST_VAULT_BIN does not name a vault binary")
	case s.binary == "":
		t.Skip("SECRETCTL_TEST_VAULT_BIN does not name a vault binary")
	}
	s.dir = t.TempDir()
	t.Cleanup(s.Stop)
	var err error
	for range portTries {
		if s.port, err = freePort(); err != nil {
			break
		}
		if err = s.run(); err == nil {
			break
		}
	}
	if err == nil && s.file {
		err = s.initialize()
	}
	if err != nil {
		t.Fatalf("vault: %v", err)
	}
	return s
}

// Stop kills the process, as a crash would. It may be called twice.
func (s *Server) Stop() {
	if s.cmd == nil {
		return
	}
	_ = s.cmd.Process.Kill() // fails only if the process has ended
	<-s.ended
	s.cmd = nil
}

// Restart kills the process and starts it again on the same port. A dev server loses
// its data, and a File server comes back sealed.
func (s *Server) Restart(t testing.TB) {
	t.Helper()
	s.Stop()
	if err := s.run(); err != nil {
		t.Fatalf("vault: %v", err)
	}
}

// Unseal unseals a File server.
func (s *Server) Unseal(t testing.TB) {
	t.Helper()
	if err := s.unseal(); err != nil {
		t.Fatalf("vault: %v", err)
	}
}

// run starts the process and waits until it answers.
func (s *Server) run() error {
	listen := fmt.Sprintf("127.0.0.1:%d", s.port)
	s.Address = "http://" + listen
	args := []string{"server"}
	if s.file {
		config := filepath.Join(s.dir, "vault.hcl")
		text := fmt.Sprintf(fileConfig, filepath.Join(s.dir, "data"), listen)
		if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
			return err
		}
		args = append(args, "-config="+config)
	} else {
		args = append(args, "-dev", "-dev-root-token-id="+s.RootToken, "-dev-no-store-token", "-dev-listen-address="+listen)
	}
	if s.tls {
		s.Address, s.CACert = "https://"+listen, filepath.Join(s.dir, "vault-ca.pem")
		args = append(args, "-dev-tls", "-dev-tls-cert-dir="+s.dir)
	}
	s.log = &buffer{}
	cmd := exec.Command(s.binary, args...)
	cmd.Env = []string{"HOME=" + s.dir, "PATH=" + os.Getenv("PATH")}
	cmd.Stdout, cmd.Stderr = s.log, s.log
	if err := cmd.Start(); err != nil {
		return err
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = cmd.Wait()
	}()
	s.cmd, s.ended = cmd, ended
	if err := s.wait(); err != nil {
		s.Stop()
		return fmt.Errorf("%w\n%s", err, s.log)
	}
	return nil
}

// wait waits until the server answers and, in dev mode, has made its KV engine.
func (s *Server) wait() error {
	ready := "sys/internal/ui/mounts/secret"
	if s.file {
		ready = "sys/seal-status"
	}
	deadline := time.After(startLimit)
	for {
		err := s.call(http.MethodGet, ready, nil, nil)
		if err == nil {
			return nil
		}
		select {
		case <-s.ended:
			return errors.New("the process ended")
		case <-deadline:
			return err
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// initialize gives a new File server what a dev server has from the start.
func (s *Server) initialize() error {
	var keys struct {
		Keys  []string `json:"keys_base64"`
		Token string   `json:"root_token"`
	}
	if err := s.call(http.MethodPut, "sys/init", map[string]any{"secret_shares": 1, "secret_threshold": 1}, &keys); err != nil {
		return err
	}
	s.RootToken, s.UnsealKey = keys.Token, keys.Keys[0]
	if err := s.unseal(); err != nil {
		return err
	}
	return s.call(http.MethodPut, "sys/mounts/secret", map[string]any{"type": "kv", "options": map[string]any{"version": "2"}}, nil)
}

func (s *Server) unseal() error {
	return s.call(http.MethodPut, "sys/unseal", map[string]any{"key": s.UnsealKey}, nil)
}

// call sends a request as root.
func (s *Server) call(method, path string, body, out any) error {
	content, err := json.Marshal(body)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), startLimit)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, s.Address+"/v1/"+path, bytes.NewReader(content))
	if err != nil {
		return err
	}
	req.Header.Set("X-Vault-Token", s.RootToken)
	client, err := s.client()
	if err != nil {
		return err
	}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	answer, err := io.ReadAll(resp.Body)
	switch {
	case err != nil:
		return err
	case resp.StatusCode >= http.StatusBadRequest:
		return fmt.Errorf("%s %s: %s %s", method, path, resp.Status, answer)
	case out == nil:
		return nil
	}
	return json.Unmarshal(answer, out)
}

// client trusts the CA of a TLS server, which appears when the server starts.
func (s *Server) client() (*http.Client, error) {
	transport := &http.Transport{DisableKeepAlives: true}
	if s.CACert != "" {
		pem, err := os.ReadFile(s.CACert)
		if err != nil {
			return nil, err
		}
		transport.TLSClientConfig = &tls.Config{RootCAs: x509.NewCertPool()}
		transport.TLSClientConfig.RootCAs.AppendCertsFromPEM(pem)
	}
	return &http.Client{Transport: transport}, nil
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer func() { _ = l.Close() }()
	return l.Addr().(*net.TCPAddr).Port, nil
}

// buffer keeps the output of the process, for the error if it does not start.
type buffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

var _ io.Writer = (*buffer)(nil)

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}
