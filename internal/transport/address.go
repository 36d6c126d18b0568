package transport

import (
	"fmt"
	"net"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"
)

// AddressError is the error of an address that secretctl does not connect to.
type AddressError struct {
	What, Reason string
	hint         string
}

func (e *AddressError) Error() string { return e.What + ": " + e.Reason }

// Hint says what to do.
func (e *AddressError) Hint() string { return e.hint }

// Usage says that it is a mistake of usage: nothing was attempted.
func (*AddressError) Usage() bool { return true }

// Named names a server in an error: what it is, its address, and where that was set.
func Named(what, address, from string) string {
	name := what + " " + strings.TrimRight(address, "/")
	if from != "" {
		name += " (" + from + ")"
	}
	return name
}

// CheckAddress refuses an address that no secret may go to: one that is not an http or
// https URL, one with credentials, a query or a fragment, one whose path contains what
// clients add to it (without), and, unless allowHTTP, plain http to another host. what
// names the setting of the address. The error is an [*AddressError] and never quotes
// credentials.
func CheckAddress(what, address string, allowHTTP bool, without ...string) error {
	u, err := url.Parse(address)
	switch {
	case err != nil || u.Hostname() == "" || (u.Scheme != "http" && u.Scheme != "https"):
		return &AddressError{what, "must be an http or https URL", "write it as https://host:port"}
	case u.User != nil:
		return &AddressError{what, "has credentials in the address", "leave them out: credentials have settings of their own"}
	case strings.ContainsAny(address, "?#"): // even an empty one would swallow the path that clients add
		return &AddressError{what, "has a query or fragment in the address", "write it as https://host:port"}
	case slices.ContainsFunc(without, func(part string) bool { return strings.Contains(path.Clean(u.Path)+"/", part+"/") }):
		return &AddressError{what, "has " + without[0] + " in the address, which secretctl adds itself", "leave out " + without[0] + " and what follows"}
	case u.Scheme == "http" && !allowHTTP && !thisMachine(u.Hostname()):
		return &AddressError{
			what, fmt.Sprintf("%s://%s would carry secrets over plain http to another host", u.Scheme, u.Host),
			"use https, or --allow-http where the network in between is trusted",
		}
	}
	return nil
}

// CheckProxy refuses a proxy that would receive requests to a plain http address of this
// machine, which [CheckAddress] allows because they do not leave it.
func CheckProxy(what, address string, proxy func(*http.Request) (*url.URL, error), allowHTTP bool) error {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "http" || allowHTTP || proxy == nil {
		return nil //nolint:nilerr // CheckAddress reports it
	}
	if by, err := proxy(&http.Request{URL: u}); by == nil || err != nil {
		return nil //nolint:nilerr // the request reports it
	}
	return &AddressError{
		what, fmt.Sprintf("a proxy would receive requests to http://%s in plain text", u.Host),
		"exclude this machine from the proxy (NO_PROXY), or use --allow-http where the network in between is trusted",
	}
}

// Loopback reports whether an address is that of the machine itself, so that a pod that
// connects to it connects to itself.
func Loopback(address string) bool {
	u, err := url.Parse(address)
	if err != nil {
		return false
	}
	ip := net.ParseIP(u.Hostname())
	return thisMachine(u.Hostname()) || strings.HasSuffix(bareName(u.Hostname()), ".localhost") || ip != nil && ip.IsUnspecified()
}

// thisMachine reports whether what is sent to a host stays here, whatever a name server says:
// a name such as vault.localhost can lead anywhere.
func thisMachine(host string) bool {
	ip := net.ParseIP(host)
	return bareName(host) == "localhost" || ip != nil && ip.IsLoopback()
}

func bareName(host string) string { return strings.ToLower(strings.TrimSuffix(host, ".")) }

// SameHost returns a RoundTripper that sends requests only to the host of address. Those
// to others come from redirects, and would carry the token and values there.
func SameHost(next http.RoundTripper, address string) http.RoundTripper {
	u, err := url.Parse(address)
	if err != nil {
		u = &url.URL{}
	}
	return sameHost{next, strings.ToLower(u.Scheme), strings.ToLower(u.Host)}
}

type sameHost struct {
	next         http.RoundTripper
	scheme, host string
}

// CloseIdleConnections is what [http.Client] calls.
func (s sameHost) CloseIdleConnections() { CloseIdle(s.next) }

func (s sameHost) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.URL.Scheme != s.scheme || strings.ToLower(req.URL.Host) != s.host {
		return nil, &RedirectError{Target: bare(req.URL)}
	}
	resp, err := s.next.RoundTrip(req)
	if err != nil || !unfollowed[resp.StatusCode] {
		return resp, err
	}
	defer func() { _ = resp.Body.Close() }()
	redirect := &RedirectError{Status: resp.StatusCode}
	if to, err := resp.Location(); err == nil {
		redirect.Target = bare(to)
	}
	return nil, redirect
}

// unfollowed are the redirects that Vault's client takes for responses.
var unfollowed = map[int]bool{http.StatusMultipleChoices: true, http.StatusSeeOther: true, http.StatusPermanentRedirect: true}

// bare returns the scheme and host of an address.
func bare(u *url.URL) string { return u.Scheme + "://" + u.Host }
