// Package loopback serves HTTP, with or without TLS, on a port of this machine.
package loopback

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"time"
)

// Server is an HTTP server on a loopback port.
type Server struct {
	URL   string
	http  *http.Server
	ended chan struct{}
}

// MaxRequest is the largest body that a stand-in reads.
const MaxRequest = 32 << 20

// FreePort is any free port.
const FreePort = "127.0.0.1:0"

func Listen(h http.HandlerFunc) (*Server, error) { return ListenAt(FreePort, h) }

func ListenAt(address string, h http.HandlerFunc) (*Server, error) {
	listener, err := new(net.ListenConfig).Listen(context.Background(), "tcp", address)
	if err != nil {
		return nil, err
	}
	s := &Server{
		URL:   "http://" + listener.Addr().String(),
		http:  &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second},
		ended: make(chan struct{}),
	}
	go func() {
		defer close(s.ended)
		_ = s.http.Serve(listener) // always http.ErrServerClosed: it ends when close is called
	}()
	return s, nil
}

// Close frees the port and drops the connections, which ends the contexts of
// the requests on them. It can be called again.
func (s *Server) Close() {
	_ = s.http.Close()
	<-s.ended
}

// UUID returns a random identifier in the usual shape.
func UUID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails, by its documentation
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// WriteJSON answers with a document.
func WriteJSON(w http.ResponseWriter, status int, document any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(document) // fails only where the client has gone
}

// Below returns where a container's path is under root, and never leads out of it.
func Below(root, path string) string { return filepath.Join(root, filepath.Join("/", path)) }
