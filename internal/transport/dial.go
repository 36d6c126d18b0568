package transport

import "net/http"

// Base returns what clients send their requests with, to be wrapped. Proxies are those
// of the environment.
func Base() *http.Transport {
	t := &http.Transport{ForceAttemptHTTP2: true}
	if d, ok := http.DefaultTransport.(*http.Transport); ok {
		t = d.Clone()
	}
	Proxied(t, http.ProxyFromEnvironment)
	return t
}
