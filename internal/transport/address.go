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

// AddressError says that an address is not one that secretctl speaks to.
type AddressError struct {
	What, Reason string
	hint         string
}

func (e *AddressError) Error() string { return e.What + ": " + e.Reason }

// Hint says what to do.
func (e *AddressError) Hint() string { return e.hint }

// Usage says that it is a mistake of usage: nothing was attempted.
func (*AddressError) Usage() bool { return true }

// Named names a server in an error: what it is, where, and where that was set.
func Named(what, address, from string) string {
	name := what + " " + strings.TrimRight(address, "/")
	if from != "" {
		name += " (" + from + ")"
	}
	return name
}

// CheckAddress refuses an address to which no secret may be sent: one that is no
// http or https URL, one with credentials, a query or a fragment in it, one whose path
// has what is added to it (without), and plain http to a host other than this one
// unless allowHTTP. what names the setting that it came from. The error is an
// [*AddressError] and never quotes credentials.
func CheckAddress(what, address string, allowHTTP bool, without ...string) error {
	u, err := url.Parse(address)
	switch {
	case err != nil || u.Hostname() == "" || (u.Scheme != "http" && u.Scheme != "https"):
		return &AddressError{what, "must be an http or https URL", "write it as https://host:port"}
	case u.User != nil:
		return &AddressError{what, "has credentials in the address", "leave them out: credentials have settings of their own"}
	case strings.ContainsAny(address, "?#"): // also an empty one, which would swallow the path that is added
		return &AddressError{what, "has a query or fragment in the address", "write it as https://host:port"}
	case slices.ContainsFunc(without, func(part string) bool { return strings.Contains(path.Clean(u.Path)+"/", part+"/") }):
		return &AddressError{what, "has " + without[0] + " in the address, which secretctl adds itself", "leave out " + without[0] + " and what follows"}
	case u.Scheme == "http" && !allowHTTP && !loopback(u.Hostname()):
		return &AddressError{
			what, fmt.Sprintf("%s://%s would carry secrets over plain http to another host", u.Scheme, u.Host),
			"use https, or --allow-http where the network in between is trusted",
		}
	}
	return nil
}

// CheckProxy refuses a proxy that would be given what is for a plain http address of
// this machine: [CheckAddress] lets that pass because it goes nowhere else.
func CheckProxy(what, address string, proxy func(*http.Request) (*url.URL, error), allowHTTP bool) error {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "http" || allowHTTP || proxy == nil {
		return nil //nolint:nilerr // CheckAddress has the words for it
	}
	if by, err := proxy(&http.Request{URL: u}); by == nil || err != nil {
		return nil //nolint:nilerr // who sends the request says so
	}
	return &AddressError{
		what, fmt.Sprintf("a proxy would be given what is for http://%s in plain text", u.Host),
		"leave this machine out of the proxy, or give --allow-http where the network in between is trusted",
	}
}

// Loopback says whether an address is one of the machine that asks it, so that a pod
// would look for it in itself.
func Loopback(address string) bool {
	u, err := url.Parse(address)
	if err != nil {
		return false
	}
	ip := net.ParseIP(u.Hostname())
	return loopback(u.Hostname()) || ip != nil && ip.IsUnspecified()
}

func loopback(host string) bool {
	if name := strings.ToLower(strings.TrimSuffix(host, ".")); name == "localhost" || strings.HasSuffix(name, ".localhost") {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}

// SameHost returns a RoundTripper that sends requests to the host of address alone.
// Others come from redirects, and would carry token and values there.
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

// unfollowed are the redirects that Vault's client takes for an answer.
var unfollowed = map[int]bool{http.StatusMultipleChoices: true, http.StatusSeeOther: true, http.StatusPermanentRedirect: true}

// bare leaves of an address where a server is.
func bare(u *url.URL) string { return u.Scheme + "://" + u.Host }
