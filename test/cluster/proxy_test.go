package cluster_test

import (
	"encoding/pem"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// proxied starts a proxy before the API server and returns a kubeconfig that goes through
// it. The proxy may answer by itself. It is there until the test ends or gone is called, and
// takes every connection with it.
func (rc *realCluster) proxied(t *testing.T, kubeconfig string, answers func(http.ResponseWriter, *http.Request) bool) (file string, gone func()) {
	t.Helper()
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	tlsConfig, err := rest.TLSConfigFor(config)
	if err != nil {
		t.Fatal(err)
	}
	server, err := url.Parse(config.Host)
	if err != nil {
		t.Fatal(err)
	}
	forward := &httputil.ReverseProxy{
		Rewrite:   func(r *httputil.ProxyRequest) { r.SetURL(server) },
		Transport: &http.Transport{TLSClientConfig: tlsConfig},
	}
	proxy := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !answers(w, r) {
			forward.ServeHTTP(w, r)
		}
	}))
	all := &connections{Listener: proxy.Listener}
	proxy.Listener = all
	proxy.StartTLS()
	gone = sync.OnceFunc(func() {
		all.close()
		proxy.Close()
	})
	t.Cleanup(gone)
	return rc.kubeconfigFor(t, kubeconfig, proxy.URL, proxy.Certificate().Raw), gone
}

// connections are those that a server has accepted, those of streams too.
type connections struct {
	net.Listener
	mu  sync.Mutex
	all []net.Conn
}

func (c *connections) Accept() (net.Conn, error) {
	conn, err := c.Listener.Accept()
	if err == nil {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.all = append(c.all, conn)
	}
	return conn, err
}

func (c *connections) close() {
	_ = c.Listener.Close()
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, conn := range c.all {
		_ = conn.Close()
	}
}

// kubeconfigFor returns a copy of a kubeconfig with another address of the API server, and
// its certificate.
func (rc *realCluster) kubeconfigFor(t *testing.T, kubeconfig, server string, certificate []byte) string {
	t.Helper()
	file, ca := filepath.Join(t.TempDir(), "kubeconfig"), filepath.Join(t.TempDir(), "ca.pem")
	raw := rc.kubectl(t, "", "--kubeconfig", kubeconfig, "config", "view", "--raw")
	if err := errors.Join(os.WriteFile(file, []byte(raw), 0o600),
		os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate}), 0o600)); err != nil {
		t.Fatal(err)
	}
	cluster := rc.kubectl(t, "", "--kubeconfig", file, "config", "view", "-o", "jsonpath={.clusters[0].name}")
	rc.kubectl(t, "", "--kubeconfig", file, "config", "set-cluster", cluster, "--server="+server, "--certificate-authority="+ca)
	return file
}
