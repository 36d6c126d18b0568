// Package loopback serves HTTP on a port of this machine, with or without TLS.
package loopback

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"path/filepath"
	"strings"
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

	http  *http.Server
	ended chan struct{}
}

// ListenTLS serves at any free port, with an [Identity] for the hosts.
func ListenTLS(h http.HandlerFunc, hosts ...string) (*Server, error) {
	identity, err := NewIdentity(hosts...)
	if err != nil {
		return nil, err
	}
	return Listen(FreePort, h, identity)
}

// Listen serves at an address, which may be [FreePort]; without an identity, plain HTTP.
func Listen(address string, h http.HandlerFunc, identity *Identity) (*Server, error) {
	listener, err := new(net.ListenConfig).Listen(context.Background(), "tcp", address)
	if err != nil {
		return nil, err
	}
	s := &Server{URL: "http://" + listener.Addr().String(), ended: make(chan struct{})}
	if identity != nil {
		s.URL, s.CA, listener = "https://"+listener.Addr().String(), identity.PEM, tls.NewListener(listener, identity.TLS())
	}
	s.http = &http.Server{
		Handler: h, ReadHeaderTimeout: headerTimeout,
		ErrorLog: log.New(io.Discard, "", 0), // a client that distrusts the certificate would be reported on stderr
	}
	go func() {
		defer close(s.ended)
		_ = s.http.Serve(listener) // until Close, with http.ErrServerClosed
	}()
	return s, nil
}

// Client returns a client that trusts the server's certificate and reaches the server under
// every host name, so that nothing it sends leaves this machine.
func (s *Server) Client() *http.Client {
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(s.CA)
	dial := func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, strings.TrimPrefix(s.URL, "https://"))
	}
	return &http.Client{Transport: &http.Transport{
		DialContext:         dial,
		MaxIdleConnsPerHost: idleConnections,
		TLSClientConfig:     &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12},
	}}
}

// Close frees the port and drops the connections, which cancels the requests on them. It
// can be called again.
func (s *Server) Close() {
	_ = s.http.Close()
	<-s.ended
}

// WriteJSON answers with a document.
func WriteJSON(w http.ResponseWriter, status int, document any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(document) // fails only if the client is gone
}

// Client opens a connection for each request, so that none outlives a server.
var Client = &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}

// Ask makes a request, a POST if there is a body, and decodes the answer. The error quotes
// a refusal.
func Ask(ctx context.Context, client *http.Client, url string, header http.Header, body, answer any) error {
	method, content := http.MethodGet, []byte(nil)
	if body != nil {
		var err error
		if content, err = json.Marshal(body); err != nil {
			return err
		}
		method = http.MethodPost
	}
	req, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(content))
	if err != nil {
		return err
	}
	req.Header = header
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	said, err := io.ReadAll(io.LimitReader(resp.Body, MaxRequest))
	if err != nil {
		return err
	}
	if resp.StatusCode >= http.StatusMultipleChoices {
		return fmt.Errorf("%s %s: %s: %s", method, url, resp.Status, bytes.TrimSpace(said))
	}
	return json.Unmarshal(said, answer)
}

// UUID returns a random identifier in the usual shape.
func UUID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails, by its documentation
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// Below returns where a container's path is below root; it never leads out of root.
func Below(root, path string) string { return filepath.Join(root, filepath.Join("/", path)) }

// Identity is a self-signed certificate with its key.
type Identity struct {
	PEM []byte // of the certificate alone

	certificate tls.Certificate
}

// NewIdentity makes an identity for 127.0.0.1 and the hosts, for one year.
func NewIdentity(hosts ...string) (*Identity, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber:          big.NewInt(now.UnixNano()),
		Subject:               pkix.Name{CommonName: "secretctl sandbox"},
		NotBefore:             now.Add(-time.Hour),
		NotAfter:              now.AddDate(1, 0, 0),
		IPAddresses:           []net.IP{net.IPv4(127, 0, 0, 1)},
		DNSNames:              hosts,
		KeyUsage:              x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true,
		IsCA:                  true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	return &Identity{
		PEM:         pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		certificate: tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key},
	}, nil
}

// TLS returns the config of a server with this identity.
func (i *Identity) TLS() *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{i.certificate}}
}
