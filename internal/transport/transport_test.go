package transport

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/secretctl/secretctl/internal/hint"
)

func TestCheckAddressRefusesWhereNoSecretMayGo(t *testing.T) {
	const (
		noURL = "must be an http or https URL"
		creds = "has credentials in the address"
		query = "has a query or fragment in the address"
		plain = "would carry secrets over plain http to another host"
	)
	for address, want := range map[string]string{
		"https://vault.example":           "",
		"https://vault.example:8200/base": "",
		"HTTPS://vault.example":           "",
		"https://[2001:db8::1]:8200":      "",
		"http://localhost:8200":           "",
		"http://LOCALHOST":                "",
		"http://127.0.0.1:8200":           "",
		"http://127.9.9.9":                "",
		"http://[::1]:8200/":              "",
		"http://[::ffff:127.0.0.1]":       "",

		"":                           noURL,
		"vault.example":              noURL,
		"vault.example:8200":         noURL,
		"localhost:8200":             noURL,
		"//vault.example":            noURL,
		"https://":                   noURL,
		"https://:8200":              noURL,
		"https:vault.example":        noURL,
		"ftp://vault.example":        noURL,
		"unix:///run/vault.sock":     noURL,
		"https://vault example":      noURL,
		"https://vault.example ":     noURL,
		" https://vault.example":     noURL,
		"https://vault.example:port": noURL,
		"https://vault\n.example":    noURL,
		"https://u:canary@/":         noURL,
		"https://u:can ary@x":        noURL,
		"https://u:canary@x:port":    noURL,

		"https://root:canary@vault.example": creds,
		"https://canary@vault.example":      creds,
		"http://root:canary@localhost":      creds,
		"https://vault.example\\@canary":    noURL,

		"https://vault.example?token=canary": query,
		"https://vault.example?":             query,
		"https://vault.example/#canary":      query,
		"https://vault.example#":             query,

		"http://vault.example:8200":  plain,
		"http://10.0.0.1":            plain,
		"http://0.0.0.0:8200":        plain,
		"http://localhost.example":   plain,
		"http://vault.localhost":     plain,
		"http://127.0.0.1.example":   plain,
		"http://127.1":               plain,
		"http://[2001:db8::1]:8200":  plain,
		"http://[::ffff:10.0.0.1]/x": plain,
	} {
		err := CheckAddress("aidbox.url", address, false)
		if want == "" {
			if err != nil {
				t.Errorf("%q: %v", address, err)
			}
			continue
		}
		if _, ok := errors.AsType[*AddressError](err); !ok {
			t.Errorf("%q: error is %#v, want one with %q", address, err, want)
			continue
		}
		if got := err.Error(); !strings.HasPrefix(got, "aidbox.url: ") || !strings.HasSuffix(got, want) || strings.Contains(got, "canary") || strings.Contains(got, "\n") {
			t.Errorf("%q: error is %q, want %q", address, got, want)
		}
		if hint.Of(err) == "" {
			t.Errorf("%q: no hint", address)
		}
		if allowed := CheckAddress("aidbox.url", address, true); (allowed == nil) != (want == plain) {
			t.Errorf("%q with allowHTTP: %v", address, allowed)
		}
	}
}

func TestCheckRetryTriesOnlyWhatIsTransient(t *testing.T) {
	for status, want := range map[int]bool{
		200: false, 204: false, 301: false, 400: false, 401: false, 403: false, 404: false, 409: false, 412: false, 422: false,
		429: true, 500: true, 501: false, 502: true, 503: true, 504: true, 505: false,
	} {
		if got, err := CheckRetry(t.Context(), &http.Response{StatusCode: status}, nil); got != want || err != nil {
			t.Errorf("%d: %v, %v", status, got, err)
		}
	}
	for _, tt := range []struct {
		err  error
		want bool
	}{
		{&net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}, true},
		{fmt.Errorf("read: %w", syscall.ECONNRESET), true},
		{fmt.Errorf("write: %w", syscall.EPIPE), true},
		{fmt.Errorf("get: %w", io.EOF), true},
		{fmt.Errorf("get: %w", io.ErrUnexpectedEOF), true},
		{&net.DNSError{IsNotFound: true}, false},
		{x509.UnknownAuthorityError{}, false},
		{context.DeadlineExceeded, false},
		{errors.New("connection refused"), false},
	} {
		if got, err := CheckRetry(t.Context(), nil, tt.err); got != tt.want || err != nil {
			t.Errorf("%v: %v, %v", tt.err, got, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, resp := range []*http.Response{nil, {StatusCode: 503}} {
		if got, err := CheckRetry(ctx, resp, syscall.ECONNREFUSED); got || !errors.Is(err, context.Canceled) {
			t.Errorf("after the context: %v, %v", got, err)
		}
	}
}

func TestBackoffGrowsAndRespectsRetryAfter(t *testing.T) {
	for attempt, least := range []time.Duration{250 * time.Millisecond, 500 * time.Millisecond, time.Second, 2 * time.Second, 2 * time.Second} {
		for range 100 {
			if got := Backoff(MinRetryWait, MaxRetryWait, attempt, nil); got < least || got > least*5/4 {
				t.Fatalf("attempt %d waits %s, want %s and up to a quarter more", attempt, got, least)
			}
		}
	}
	for header, least := range map[string]time.Duration{
		"7": 7 * time.Second, "0": 0, "-1": MinRetryWait, "soon": MinRetryWait, "Mon, 01 Jan 2001 00:00:00 GMT": 0,
		"9223372036854775807": 0,
	} {
		resp := &http.Response{StatusCode: 429, Header: http.Header{"Retry-After": {header}}}
		if got := Backoff(MinRetryWait, MaxRetryWait, 0, resp); got < least || got > least*5/4 {
			t.Errorf("Retry-After %s waits %s, want %s", header, got, least)
		}
	}
}

// explanation sends a request and returns the explanation of its error.
func explanation(t *testing.T, client *http.Client, address string) error {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := client.Do(req)
	if err == nil {
		_ = resp.Body.Close()
		t.Fatal("there was an answer")
	}
	return Explain(t.Context(), err)
}

func TestExplainSaysWhyThereIsNoAnswer(t *testing.T) {
	silent := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, req *http.Request) { <-req.Context().Done() }))
	t.Cleanup(silent.Close)
	secure := httptest.NewUnstartedServer(http.NotFoundHandler())
	secure.Config.ErrorLog = log.New(io.Discard, "", 0)
	secure.StartTLS()
	t.Cleanup(secure.Close)
	strict := httptest.NewUnstartedServer(http.NotFoundHandler())
	strict.TLS = &tls.Config{ClientAuth: tls.RequireAnyClientCert}
	strict.Config.ErrorLog = log.New(io.Discard, "", 0)
	strict.StartTLS()
	t.Cleanup(strict.Close)
	closing := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }))
	t.Cleanup(closing.Close)
	gone, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = gone.Close()
	lookup := func(dnsErr *net.DNSError) *http.Client {
		return &http.Client{Transport: &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) {
			return nil, &net.OpError{Op: "dial", Err: dnsErr}
		}}}
	}
	pool := x509.NewCertPool()
	pool.AddCert(secure.Certificate())
	otherName := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, ServerName: "other.test"}}}

	for name, tt := range map[string]struct {
		client     *http.Client
		address    string
		want, hint string // hint: a part of it
	}{
		"refused":           {new(http.Client), "http://" + gone.Addr().String(), "connection refused", "running"},
		"unknown host":      {lookup(&net.DNSError{Name: "vault.test", IsNotFound: true}), "http://vault.test", "host vault.test is not known", "resolves"},
		"no name server":    {lookup(&net.DNSError{Name: "vault.test", Err: "server misbehaving", IsTemporary: true}), "http://vault.test", "host vault.test could not be looked up", "name server"},
		"slow name server":  {lookup(&net.DNSError{Name: "vault.test", IsTimeout: true}), "http://vault.test", "host vault.test could not be looked up", "name server"},
		"silent":            {&http.Client{Timeout: 20 * time.Millisecond}, silent.URL, "no answer in time", "firewall"},
		"closed":            {new(http.Client), closing.URL, "the connection broke", "https"},
		"unknown authority": {new(http.Client), secure.URL, "TLS: the server's certificate is signed by an unknown authority", "CA"},
		"other name":        {otherName, secure.URL, "TLS: the server's certificate is not for other.test", "name"},
		"wants a certificate": {
			&http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}, strict.URL,
			"tls: certificate required", "client certificate",
		},
		"plain http": {new(http.Client), strings.Replace(silent.URL, "http:", "https:", 1), "answered plain http", "http://"},
	} {
		t.Run(name, func(t *testing.T) {
			err := explanation(t, tt.client, tt.address)
			if err == nil || err.Error() != tt.want {
				t.Errorf("error is %q, want %q", err, tt.want)
			}
			if got := hint.Of(err); !strings.Contains(got, tt.hint) {
				t.Errorf("hint is %q, want %q in it", got, tt.hint)
			}
			if errors.Is(err, context.DeadlineExceeded) {
				t.Error("looks like the caller's deadline")
			}
		})
	}
}

func TestExplainReturnsTheContextsErrorFirst(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	if err := Explain(ctx, nil); err != nil {
		t.Errorf("no error is explained as %v", err)
	}
	cancel()
	if err := Explain(ctx, syscall.ECONNREFUSED); !errors.Is(err, context.Canceled) {
		t.Errorf("error is %v", err)
	}
	past, cancel := context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
	defer cancel()
	if err := Explain(past, errors.New("x")); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error is %v", err)
	}
}

func TestExplainGivesTheOperatingSystemsWords(t *testing.T) {
	err := Explain(t.Context(), fmt.Errorf("get: %w", fmt.Errorf("dial: %w", syscall.ENETUNREACH)))
	if err.Error() != syscall.ENETUNREACH.Error() || !errors.Is(err, syscall.ENETUNREACH) {
		t.Errorf("error is %v", err)
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

func TestErrorsOfWindowsSocketsAreTransient(t *testing.T) {
	for number, text := range map[syscall.Errno]string{
		10061: "connection refused", 10054: "the connection broke", 10053: "the connection broke", 10060: "",
	} {
		err := &net.OpError{Op: "dial", Err: os.NewSyscallError("connectex", number)}
		if got, _ := words(err); Transient(nil, err) != (text != "") || text != "" && got != text {
			t.Errorf("%d: transient %t, %q", number, Transient(nil, err), got)
		}
	}
}

func TestWaitingKnowsTheHostOfTheOldestRequest(t *testing.T) {
	var w Waiting
	ctx := w.Context(t.Context())
	waiting := ""
	next := roundTrip(func(*http.Request) (*http.Response, error) {
		waiting = w.Host()
		return nil, io.EOF
	})
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://vault.test:8200/x", nil)
	if err != nil {
		t.Fatal(err)
	}
	done := WaitFor(ctx, "older.test")
	_, _ = Wrap(next, nil).RoundTrip(req)
	if waiting != "older.test" {
		t.Errorf("waits for %q", waiting)
	}
	done()
	_, _ = Wrap(next, nil).RoundTrip(req)
	if waiting != "vault.test:8200" || w.Host() != "" {
		t.Errorf("waits for %q, and then for %q", waiting, w.Host())
	}
}
