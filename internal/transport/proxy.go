package transport

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
)

const proxyHint = "check HTTPS_PROXY, HTTP_PROXY and NO_PROXY; for Vault also VAULT_PROXY_ADDR, for Kubernetes proxy-url in the kubeconfig"

var errProxyURL = &Error{text: "the address of the proxy is not valid", hint: proxyHint, byProxy: true}

// proxyKey is the key of the **url.URL in the context of a request that gets the address
// of its proxy.
type proxyKey struct{}

// Base returns the transport that clients wrap. Its proxies are those of the environment.
func Base() *http.Transport {
	t := &http.Transport{ForceAttemptHTTP2: true}
	if d, ok := http.DefaultTransport.(*http.Transport); ok {
		t = d.Clone()
	}
	Proxied(t, http.ProxyFromEnvironment)
	return t
}

// Proxied gives a transport a proxy whose errors do not repeat the credentials in its address.
func Proxied(t *http.Transport, proxy func(*http.Request) (*url.URL, error)) {
	t.Proxy = func(req *http.Request) (*url.URL, error) {
		u, err := proxy(req)
		if err != nil {
			return nil, errProxyURL
		}
		if by, ok := req.Context().Value(proxyKey{}).(**url.URL); ok {
			*by = u
		}
		return u, nil
	}
	t.OnProxyConnectResponse = func(_ context.Context, by *url.URL, _ *http.Request, resp *http.Response) error {
		if resp.StatusCode == http.StatusOK {
			return nil
		}
		return proxyAnswered(by, resp.StatusCode)
	}
}

func proxyAnswered(by *url.URL, status int) error {
	e := &Error{text: fmt.Sprintf("the proxy%s answered %d", proxyName(by), status), hint: proxyHint, byProxy: true}
	if status == http.StatusProxyAuthRequired {
		e.hint = "it requires credentials: write its address as http://USER:PASSWORD@HOST:PORT; " + proxyHint
	}
	return e
}

// proxyFailure returns the error of a request that failed at the proxy, else nil.
func proxyFailure(by *url.URL, resp *http.Response, err error) error {
	op, failed := errors.AsType[*net.OpError](err)
	switch {
	case failed && (op.Op == "proxyconnect" || op.Op == "socks connect"):
		text, _ := words(op.Err)
		return &Error{fmt.Sprintf("the proxy%s does not answer: %s", proxyName(by), text), proxyHint, err, true}
	case err == nil && resp.StatusCode == http.StatusProxyAuthRequired:
		_ = resp.Body.Close()
		return proxyAnswered(by, resp.StatusCode)
	}
	return nil
}

func proxyName(by *url.URL) string {
	if by == nil {
		return ""
	}
	return " " + by.Host
}
