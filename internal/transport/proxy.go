package transport

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
)

const proxyHint = "check HTTPS_PROXY, HTTP_PROXY and NO_PROXY; for Vault also VAULT_PROXY_ADDR, for Kubernetes proxy-url in the kubeconfig"

var errProxyURL = &Error{text: "the address of the proxy is not valid", hint: proxyHint, byProxy: true}

// proxyKey is where the context of a request has a **url.URL for the proxy that it goes
// through.
type proxyKey struct{}

// Proxied gives a transport a proxy whose failures are told without the credentials in
// its address.
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
		e.hint = "it wants credentials: write its address as http://USER:PASSWORD@HOST:PORT; " + proxyHint
	}
	return e
}

// byProxy says whether a request failed at the proxy, in an error of its own.
func byProxy(by *url.URL, resp *http.Response, err error) error {
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

// proxyName returns " host:port (VARIABLE)", with the variable that the address is from.
func proxyName(by *url.URL) string {
	if by == nil {
		return ""
	}
	for _, name := range []string{"VAULT_PROXY_ADDR", "VAULT_HTTP_PROXY", "HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"} {
		value := os.Getenv(name) //nolint:forbidigo // as net/http and the vault library do
		if u, err := url.Parse(value); err == nil && cmp.Or(u.Host, value) == by.Host || strings.HasSuffix(value, "@"+by.Host) {
			return fmt.Sprintf(" %s (%s)", by.Host, name)
		}
	}
	return " " + by.Host
}
