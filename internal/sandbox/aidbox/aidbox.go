// Package aidbox stands in for an Aidbox server.
package aidbox

import (
	"crypto/rand"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/secretctl/secretctl/internal/sandbox/loopback"
)

// Options describes an Aidbox. The zero value is one without external
// secrets.
type Options struct {
	Listen     string // address; default a free port of 127.0.0.1
	RootClient string // may do everything; default "root"
	RootSecret string // default: random

	// VaultConfig is the path of the vault config as Aidbox sees it, "" for
	// none. It and the paths in it are below Root, which stands for the root of
	// the container's file system.
	VaultConfig string
	Root        string

	CacheTTL time.Duration // how long a secret's content is used without a look at the file; default 1s
	Version  string        // default "2602"
}

// Server stands in for an Aidbox server: resources with masked secrets, Basic and
// client_credentials authentication, AccessPolicies of the engine allow, and
// secrets that come from files by way of a vault config. It does not validate
// resources, and searches find all of a type.
type Server struct {
	URL        string
	RootClient string
	RootSecret string

	options Options
	address string

	mu        sync.Mutex // guards all below
	server    *loopback.Server
	faults    Faults
	secrets   *secretFiles
	resources map[string]resource // by "Type/id"
	deleted   map[string]bool
	sessions  map[string]string // Client ids, by access token
	versions  int
	hanging   int // requests that wait for ever
}

// Start starts an Aidbox without resources.
func Start(options Options) (*Server, error) {
	if options.RootClient == "" {
		options.RootClient = "root"
	}
	if options.RootSecret == "" {
		options.RootSecret = rand.Text()
	}
	if options.CacheTTL == 0 {
		options.CacheTTL = time.Second
	}
	if options.Version == "" {
		options.Version = "2602"
	}
	if options.Listen == "" {
		options.Listen = loopback.FreePort
	}
	a := &Server{
		RootClient: options.RootClient, RootSecret: options.RootSecret, options: options, address: options.Listen,
		resources: map[string]resource{}, deleted: map[string]bool{},
	}
	if err := a.Start(); err != nil {
		return nil, err
	}
	return a, nil
}

// Start brings a stopped Aidbox back at the same address. It has its resources
// still, but no access token and no content of a file; the vault config is read
// again.
func (a *Server) Start() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.server != nil {
		return nil
	}
	server, err := loopback.ListenAt(a.address, a.serve)
	if err != nil {
		return err
	}
	a.server, a.address, a.URL = server, strings.TrimPrefix(server.URL, "http://"), server.URL
	a.sessions = map[string]string{}
	a.secrets = openSecretFiles(a.options)
	return nil
}

// Close stops the server: connections are refused until it is started again.
func (a *Server) Close() {
	a.mu.Lock()
	server := a.server
	a.server = nil
	a.mu.Unlock()
	if server != nil {
		server.Close()
	}
}

func (a *Server) serve(w http.ResponseWriter, r *http.Request) {
	body, ok := readBody(w, r)
	if !ok {
		return
	}
	a.mu.Lock()
	faults := a.faults
	a.mu.Unlock()
	if faults.Hang {
		a.hang(r)
		return
	}
	if faults.spoil(w, r, body) {
		return
	}
	a.mu.Lock()
	status, document := a.answer(r, body)
	a.mu.Unlock()
	if faults.Echo && status >= http.StatusBadRequest {
		document = echo(r, body)
	}
	if document == nil {
		w.WriteHeader(status)
		return
	}
	loopback.WriteJSON(w, status, document)
}

// answer decides on a request. No document means an empty answer.
func (a *Server) answer(r *http.Request, body []byte) (status int, document any) {
	switch path := r.URL.Path; {
	case path == "/health":
		return http.StatusOK, map[string]any{"status": "pass"}
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
		return http.StatusOK, map[string]any{"version": a.options.Version, "commit": "0000000", "timestamp": "2026-02-01T12:00:00Z"}
	}
	path, found := strings.CutPrefix(r.URL.Path, "/fhir/")
	kind, id, one := strings.Cut(path, "/")
	switch {
	case !found || kind == "" || strings.Contains(id, "/"):
		return outcome(http.StatusNotFound, "not-found", "The server has no such path")
	case one && id != "":
		return a.instance(r, body, kind, id)
	case r.Method == http.MethodGet:
		return a.search(kind)
	case r.Method == http.MethodPost:
		return a.create(body, kind)
	}
	return outcome(http.StatusMethodNotAllowed, "not-supported", "The method is not supported here")
}
