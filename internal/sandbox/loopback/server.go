// Package loopback serves HTTP on a port of this machine, with or without TLS.
package loopback

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"path/filepath"
	"time"
)

// FreePort is any free port of this machine.
const FreePort = "127.0.0.1:0"

// MaxRequest is the largest body that a stand-in reads.
const MaxRequest = 32 << 20

const (
	headerTimeout   = 10 * time.Second
	idleConnections = 64 // a handshake takes longer than a request, so connections are kept
)

// Server is an HTTP server on a loopback port.
type Server struct {
	URL string
	CA  []byte // the certificate of a server with TLS, in PEM

	address string
	http    *http.Server
	ended   chan struct{}
}

// Listen serves at any free port.
func Listen(h http.HandlerFunc) (*Server, error) { return ListenAt(FreePort, h) }

// ListenAt serves at an address, which may be [FreePort].
func ListenAt(address string, h http.HandlerFunc) (*Server, error) {
	s := &Server{address: address, http: &http.Server{Handler: h, ReadHeaderTimeout: headerTimeout}}
	return s.listen("http://", s.http.Serve)
}

// ListenTLS serves at any free port, with an [Identity] for the hosts.
func ListenTLS(h http.HandlerFunc, hosts ...string) (*Server, error) {
	identity, err := NewIdentity(hosts...)
	if err != nil {
		return nil, err
	}
	s := &Server{address: FreePort, CA: identity.PEM, http: &http.Server{
		Handler: h, ReadHeaderTimeout: headerTimeout, TLSConfig: identity.TLS(),
	}}
	return s.listen("https://", func(l net.Listener) error { return s.http.ServeTLS(l, "", "") })
}

func (s *Server) listen(scheme string, serve func(net.Listener) error) (*Server, error) {
	listener, err := new(net.ListenConfig).Listen(context.Background(), "tcp", s.address)
	if err != nil {
		return nil, err
	}
	s.address, s.ended = listener.Addr().String(), make(chan struct{})
	s.URL = scheme + s.address
	s.http.ErrorLog = log.New(io.Discard, "", 0) // else a client that distrusts the certificate is shown on stderr
	go func() {
		defer close(s.ended)
		_ = serve(listener) // always http.ErrServerClosed: it ends when Close is called
	}()
	return s, nil
}

// Client returns a client that trusts the server's certificate and takes every host
// for the server, so that nothing it sends leaves this machine.
func (s *Server) Client() *http.Client {
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(s.CA)
	dial := func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, s.address)
	}
	return &http.Client{Transport: &http.Transport{
		DialContext:         dial,
		MaxIdleConnsPerHost: idleConnections,
		TLSClientConfig:     &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12},
	}}
}

// Close frees the port and drops the connections, which ends the contexts of
// the requests on them. It can be called again.
func (s *Server) Close() {
	_ = s.http.Close()
	<-s.ended
}

// WriteJSON answers with a document.
func WriteJSON(w http.ResponseWriter, status int, document any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(document) // fails only where the client has gone
}

// UUID returns a random identifier in the usual shape.
func UUID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails, by its documentation
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// Below returns where a container's path is under root, and never leads out of it.
func Below(root, path string) string { return filepath.Join(root, filepath.Join("/", path)) }
