package transport

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
)

// Base returns what clients send their requests with, to be wrapped. Proxies are those
// of the environment, and their failures are told without their address.
func Base() *http.Transport {
	t := &http.Transport{ForceAttemptHTTP2: true}
	if d, ok := http.DefaultTransport.(*http.Transport); ok {
		t = d.Clone()
	}
	Proxied(t, http.ProxyFromEnvironment)
	return t
}

// Proxied gives a transport a proxy whose failures are told without its address.
func Proxied(t *http.Transport, proxy func(*http.Request) (*url.URL, error)) {
	t.Proxy = func(req *http.Request) (*url.URL, error) {
		u, err := proxy(req)
		if err != nil {
			return nil, errProxyURL
		}
		return u, nil
	}
	t.OnProxyConnectResponse = func(_ context.Context, _ *url.URL, _ *http.Request, resp *http.Response) error {
		if resp.StatusCode == http.StatusOK {
			return nil
		}
		return &Error{text: fmt.Sprintf("the proxy answered %d", resp.StatusCode), hint: proxyHint}
	}
}
