package sandbox

import (
	"context"
	"crypto/rand"
	"fmt"
	"net"
	"net/http"
	"time"
)

// server is an HTTP server on a loopback port.
type server struct {
	url   string
	http  *http.Server
	ended chan struct{}
}

// loopback is any free port.
const loopback = "127.0.0.1:0"

func listen(h http.HandlerFunc) (*server, error) { return listenAt(loopback, h) }

func listenAt(address string, h http.HandlerFunc) (*server, error) {
	listener, err := new(net.ListenConfig).Listen(context.Background(), "tcp", address)
	if err != nil {
		return nil, err
	}
	s := &server{
		url:   "http://" + listener.Addr().String(),
		http:  &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second},
		ended: make(chan struct{}),
	}
	go func() {
		defer close(s.ended)
		_ = s.http.Serve(listener) // always http.ErrServerClosed: it ends when close is called
	}()
	return s, nil
}

// close frees the port and drops the connections, which ends the contexts of
// the requests on them. It can be called again.
func (s *server) close() {
	_ = s.http.Close()
	<-s.ended
}

// uuid returns a random identifier in the usual shape.
func uuid() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails, by its documentation
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
