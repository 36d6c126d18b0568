// Package aidbox stands in for an Aidbox server, as far as external secrets go.
package aidbox

import (
	"cmp"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/secretctl/secretctl/internal/sandbox/loopback"
)

const rootClient = "root" // may do everything

// Options describes an Aidbox. The zero value is one without external secrets.
type Options struct {
	Listen     string // address; default a free port of 127.0.0.1
	RootSecret string // of the Client "root"; default: random
	InitBundle string // file URL of a bundle to start with; "" for none

	// VaultConfig is the path of the vault config in the container, "" for none. It and
	// the paths in it are below Root, which stands for the container's file system.
	VaultConfig string
	Root        string

	CacheTTL time.Duration // how long a secret's content is used before the file is read again; default 1s

	// Wrap puts a handler in front of the server's own, with which tests inject faults.
	Wrap func(http.HandlerFunc) http.HandlerFunc
}

// Server is an Aidbox: resources with masked secrets, Basic and client_credentials
// authentication, AccessPolicies of the engine allow, and secrets in files that a vault
// config names. It does not validate resources, and a search returns all of a type.
type Server struct {
	URL        string
	RootSecret string

	options Options
	server  *loopback.Server
	stopped atomic.Bool

	mu        sync.Mutex // guards all below
	secrets   *secretFiles
	resources map[string]resource // by "Type/id"
	sessions  map[string]string   // Client ids, by access token
	versions  int
}

// Start starts an Aidbox without resources.
func Start(options Options) (*Server, error) {
	options.Listen = cmp.Or(options.Listen, loopback.FreePort)
	options.CacheTTL = cmp.Or(options.CacheTTL, time.Second)
	a := &Server{RootSecret: cmp.Or(options.RootSecret, rand.Text()), options: options, resources: map[string]resource{}}
	if err := a.applyBundle(options.InitBundle); err != nil {
		return nil, err
	}
	a.Restart()
	var err error
	if a.server, err = loopback.Listen(options.Listen, a.handle, nil); err != nil {
		return nil, err
	}
	a.URL = a.server.URL
	return a, nil
}

// applyBundle creates the resources of a bundle.
func (a *Server) applyBundle(url string) error {
	if url == "" {
		return nil
	}
	text, err := os.ReadFile(strings.TrimPrefix(url, "file://"))
	if err != nil {
		return err
	}
	var bundle struct {
		Entry []struct {
			Request  struct{ URL string }
			Resource json.RawMessage
		}
	}
	if err := json.Unmarshal(text, &bundle); err != nil {
		return fmt.Errorf("init bundle: %w", err)
	}
	for _, entry := range bundle.Entry {
		if status, _ := a.put(entry.Resource, entry.Request.URL); status >= http.StatusBadRequest {
			return fmt.Errorf("init bundle: %s: refused with %d", entry.Request.URL, status)
		}
	}
	return nil
}

// handle drops the connection of a stopped Aidbox without an answer.
func (a *Server) handle(w http.ResponseWriter, r *http.Request) {
	if a.stopped.Load() {
		panic(http.ErrAbortHandler) //nolint:forbidigo // how net/http drops a connection
	}
	handler := a.serve
	if a.options.Wrap != nil {
		handler = a.options.Wrap(handler)
	}
	handler(w, r)
}

// Restart starts a stopped Aidbox. It keeps its resources, and loses its access tokens and
// its cache.
func (a *Server) Restart() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.sessions, a.secrets = map[string]string{}, openSecretFiles(a.options)
	a.stopped.Store(false)
}

// Stop leaves requests without an answer until Restart. The port stays taken: another
// process could take a free one meanwhile.
func (a *Server) Stop() { a.stopped.Store(true) }

// Close stops the server for good.
func (a *Server) Close() { a.server.Close() }

func (a *Server) serve(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, loopback.MaxRequest))
	status, document := outcome(http.StatusRequestEntityTooLarge, "too-long", "The body is too long")
	if err == nil {
		a.mu.Lock()
		status, document = a.answer(r, body)
		a.mu.Unlock()
	}
	if status == http.StatusNoContent {
		w.WriteHeader(status)
		return
	}
	loopback.WriteJSON(w, status, document)
}

// answer returns the answer to a request.
func (a *Server) answer(r *http.Request, body []byte) (status int, document any) {
	switch path := r.URL.Path; {
	case path == "/health":
		return http.StatusOK, map[string]any{"status": "pass", "description": "health of aidbox"}
	case path == "/auth/token" && r.Method == http.MethodPost:
		return a.grant(r, body)
	}
	client, known := a.authenticate(r)
	if !known {
		return outcome(http.StatusUnauthorized, "login", "Authentication is required, and the credentials were not accepted")
	}
	if !a.mayAll(client) {
		return outcome(http.StatusForbidden, "forbidden", "No access policy allows the request")
	}
	if r.URL.Path == "/$version" {
		return http.StatusOK, map[string]any{"version": "2602"}
	}
	path, found := strings.CutPrefix(r.URL.Path, "/fhir/")
	kind, id, _ := strings.Cut(path, "/")
	switch {
	case !found || kind == "" || strings.Contains(id, "/"):
		return outcome(http.StatusNotFound, "not-found", "The server has no such path")
	case id != "":
		return a.instance(r.Method, body, kind+"/"+id)
	}
	return a.search(kind)
}
