package loopback

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"time"
)

// idleConnections is how many are kept for the next requests: a handshake takes
// longer than a request.
const idleConnections = 64

// Identity is a certificate that signs itself, with its key.
type Identity struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
	PEM         []byte // of the certificate alone
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
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	return &Identity{certificate, key, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})}, nil
}

// Client makes a client that trusts the identity and takes every host for the
// server, so that nothing it sends leaves this machine.
func (i *Identity) Client(s *Server) *http.Client {
	roots := x509.NewCertPool()
	roots.AddCert(i.certificate)
	dial := func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, s.http.Addr)
	}
	return &http.Client{Transport: &http.Transport{
		DialContext:         dial,
		MaxIdleConnsPerHost: idleConnections,
		TLSClientConfig:     &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
	}}
}

// ListenTLS is Listen for https.
func ListenTLS(h http.HandlerFunc, i *Identity) (*Server, error) {
	listener, err := new(net.ListenConfig).Listen(context.Background(), "tcp", FreePort)
	if err != nil {
		return nil, err
	}
	address := listener.Addr().String()
	s := &Server{
		URL: "https://" + address,
		http: &http.Server{
			Addr:              address,
			Handler:           h,
			ReadHeaderTimeout: 10 * time.Second,
			ErrorLog:          log.New(io.Discard, "", 0), // else a client that distrusts the certificate is shown on stderr
			TLSConfig: &tls.Config{
				MinVersion:   tls.VersionTLS12,
				Certificates: []tls.Certificate{{Certificate: [][]byte{i.certificate.Raw}, PrivateKey: i.key}},
			},
		},
		ended: make(chan struct{}),
	}
	go func() {
		defer close(s.ended)
		_ = s.http.ServeTLS(listener, "", "") // always http.ErrServerClosed: it ends when close is called
	}()
	return s, nil
}
