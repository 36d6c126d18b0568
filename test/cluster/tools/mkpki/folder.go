package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// pair is a certificate with its key.
type pair struct {
	cert            *x509.Certificate
	key             *ecdsa.PrivateKey
	certPEM, keyPEM []byte
}

// folder is where the files go. Its first error stays in err, and what is made
// after that is worth nothing.
type folder struct {
	path string
	err  error
}

func (f *folder) fail(err error) {
	if f.err == nil {
		f.err = err
	}
}

func (f *folder) write(name string, content []byte) {
	f.fail(os.WriteFile(filepath.Join(f.path, name), content, 0o600))
}

func (f *folder) pem(name, kind string, der []byte) []byte {
	b := pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
	f.write(name, b)
	return b
}

// key writes NAME.key.
func (f *folder) key(name string) *ecdsa.PrivateKey {
	key, _ := f.newKey(name)
	return key
}

func (f *folder) newKey(name string) (*ecdsa.PrivateKey, []byte) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	f.fail(err)
	der, err := x509.MarshalECPrivateKey(key)
	f.fail(err)
	return key, f.pem(name+".key", "EC PRIVATE KEY", der)
}

// authority writes NAME.crt and NAME.key of a certificate authority.
func (f *folder) authority(name, commonName string) *pair {
	t := template(subject(commonName))
	t.IsCA, t.BasicConstraintsValid = true, true
	t.KeyUsage |= x509.KeyUsageCertSign
	return f.sign(name, nil, t)
}

// issue writes NAME.crt and NAME.key of a client, and of a server as well where
// there are hosts.
func (f *folder) issue(name string, ca *pair, who pkix.Name, hosts ...string) *pair {
	t := template(who)
	t.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	if len(hosts) > 0 {
		t.ExtKeyUsage = append(t.ExtKeyUsage, x509.ExtKeyUsageServerAuth)
	}
	for _, host := range hosts {
		if ip := net.ParseIP(host); ip != nil {
			t.IPAddresses = append(t.IPAddresses, ip)
		} else {
			t.DNSNames = append(t.DNSNames, host)
		}
	}
	return f.sign(name, ca, t)
}

func template(who pkix.Name) *x509.Certificate {
	serial, _ := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	return &x509.Certificate{
		Subject:      who,
		SerialNumber: serial,
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().AddDate(1, 0, 0),
		KeyUsage:     x509.KeyUsageDigitalSignature,
	}
}

// sign has the certificate signed by the authority, or by itself where that is nil.
func (f *folder) sign(name string, ca *pair, t *x509.Certificate) *pair {
	p := &pair{cert: t}
	p.key, p.keyPEM = f.newKey(name)
	if ca == nil {
		ca = p
	}
	der, err := x509.CreateCertificate(rand.Reader, t, ca.cert, &p.key.PublicKey, ca.key)
	if err == nil {
		p.cert, err = x509.ParseCertificate(der)
	}
	f.fail(err)
	p.certPEM = f.pem(name+".crt", "CERTIFICATE", der)
	return p
}
