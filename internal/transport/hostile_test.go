package transport

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/secretctl/secretctl/internal/hint"
)

const canary = "c4nary-v4lue\x1b[31m"

// raw starts a server that sends the same bytes in response to any request.
func raw(t *testing.T, answer string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				r := bufio.NewReader(conn)
				for {
					if _, err := http.ReadRequest(r); err != nil {
						return
					}
					first, later, _ := strings.Cut(answer, "|later|")
					_, _ = io.WriteString(conn, first)
					if later != "" {
						<-time.After(20 * time.Millisecond)
						_, _ = io.WriteString(conn, later)
					}
				}
			}()
			t.Cleanup(func() { _ = conn.Close() })
		}
	}()
	return "http://" + l.Addr().String()
}

func TestNothingThatAServerSaidIsInAnError(t *testing.T) {
	for name, answer := range map[string]string{
		"status line":        "HTTP/1.1 4oo " + canary + "\r\n\r\n",
		"version":            canary + " 200 OK\r\n\r\n",
		"one word":           canary + "\r\n\r\n",
		"no colon":           "HTTP/1.1 200 OK\r\nX-Echo " + canary + "\r\n\r\n",
		"name of a header":   "HTTP/1.1 200 OK\r\nX Echo " + canary + ": x\r\n\r\n",
		"length":             "HTTP/1.1 200 OK\r\nContent-Length: " + canary + "\r\n\r\n",
		"two lengths":        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: " + canary + "\r\n\r\n",
		"encoding":           "HTTP/1.1 200 OK\r\nTransfer-Encoding: " + canary + "\r\n\r\n",
		"chunk":              "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + canary + "\r\n",
		"trailer":            "HTTP/1.1 200 OK\r\nTrailer: " + canary + "\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n" + canary + "\r\n\r\n",
		"location":           "HTTP/1.1 307 x\r\nLocation: http://%zz" + canary + "\r\nContent-Length: 0\r\n\r\n",
		"host of a redirect": "HTTP/1.1 307 x\r\nLocation: http://c4nary-v4lue.invalid/\r\nContent-Length: 0\r\n\r\n",
		"gzip":               "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 12\r\n\r\nc4nary-v4lue",
		"other protocol":     "HTTP/1.1 101 " + canary + "\r\nUpgrade: " + canary + "\r\nConnection: upgrade\r\n\r\n",
		"HTTP/2":             "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + canary,
		"SSH":                "SSH-2.0-" + canary + "\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			address := raw(t, answer)
			client := &http.Client{Transport: Wrap(SameHost(Base(), address), nil), Timeout: 5 * time.Second}
			resp, err := client.Get(address)
			if err == nil {
				_, err = io.ReadAll(resp.Body)
				_ = resp.Body.Close()
			}
			err = Explain(t.Context(), err)
			if err == nil {
				t.Fatal("no error")
			}
			if shown := err.Error() + hint.Of(err) + fmt.Sprintf("%+v %#v", err, errors.Unwrap(err)); strings.Contains(shown, "c4nary") || strings.Contains(shown, "\x1b") {
				t.Errorf("error is %q, hint %q", err, hint.Of(err))
			}
		})
	}
}

func TestWhatAServerSendsUnaskedIsNotLogged(t *testing.T) {
	var logged bytes.Buffer
	was := log.Writer()
	log.SetOutput(&logged)
	t.Cleanup(func() { log.SetOutput(was) })
	address := raw(t, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n|later|debug: "+canary+"\r\n")
	resp, err := (&http.Client{Transport: Wrap(Base(), nil)}).Get(address)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	<-time.After(100 * time.Millisecond)
	if logged.Len() > 0 {
		t.Errorf("logged: %q", logged.String())
	}
}

func TestOnlyARequestForAnotherProtocolGetsOne(t *testing.T) {
	address := raw(t, "HTTP/1.1 101 x\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n")
	for _, name := range []string{"Upgrade", "X-Stream-Protocol-Version", "Sec-Websocket-Protocol"} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set(name, "x")
		resp, err := Wrap(takesHeaders{Base()}, nil).RoundTrip(req)
		if err != nil || resp.StatusCode != http.StatusSwitchingProtocols {
			t.Errorf("%s: %v", name, err)
			continue
		}
		_ = resp.Body.Close()
	}
}

// takesHeaders removes the headers from a request, as client-go does.
type takesHeaders struct{ next http.RoundTripper }

func (r takesHeaders) RoundTrip(req *http.Request) (*http.Response, error) {
	defer clear(req.Header)
	return r.next.RoundTrip(req)
}

func TestASlowResponseEndsWithTheTimeout(t *testing.T) {
	slow := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		for req.Context().Err() == nil {
			_, _ = w.Write([]byte("x"))
			_ = http.NewResponseController(w).Flush()
			<-time.After(10 * time.Millisecond)
		}
	}))
	t.Cleanup(slow.Close)
	start := time.Now()
	resp, err := (&http.Client{Transport: Wrap(Base(), nil), Timeout: 100 * time.Millisecond}).Get(slow.URL)
	if err != nil {
		t.Fatal(err)
	}
	_, err = io.ReadAll(resp.Body)
	_ = resp.Body.Close()
	if err = Explain(t.Context(), err); err == nil || err.Error() != "no answer in time" || time.Since(start) > 5*time.Second {
		t.Errorf("%v after %s", err, time.Since(start))
	}
}

func TestSameHostSendsNothingElsewhere(t *testing.T) {
	sent := 0
	next := roundTrip(func(*http.Request) (*http.Response, error) {
		sent++
		return &http.Response{StatusCode: 204, Body: http.NoBody}, nil
	})
	for address, want := range map[string]bool{
		"https://vault.example:8200/v1/x": true, "https://VAULT.example:8200": true,
		"http://vault.example:8200": false, "https://vault.example": false, "https://vault.example:8201": false,
		"https://evil.example:8200": false, "https://vault.example.evil.example:8200": false,
	} {
		sent = 0
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := SameHost(next, "https://vault.example:8200/base").RoundTrip(req)
		if resp != nil {
			_ = resp.Body.Close()
		}
		if (err == nil) != want || (sent == 1) != want {
			t.Errorf("%s: %v, sent %d", address, err, sent)
		}
		if err != nil && (strings.Contains(err.Error(), "evil") || hint.Of(err) == "") {
			t.Errorf("%s: %v", address, err)
		}
	}
}

func TestALogShowsNoPathThatAServerChose(t *testing.T) {
	server := httptest.NewServer(nil)
	server.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if req.URL.Path == "/v1/a" {
			http.Redirect(w, req, "/login/c4nary?token=c4nary", http.StatusTemporaryRedirect)
		}
	})
	t.Cleanup(server.Close)
	var lines bytes.Buffer
	resp, err := (&http.Client{Transport: Wrap(Base(), &lines)}).Get(server.URL + "/v1/a?x=c4nary")
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if got := lines.String(); strings.Contains(got, "c4nary") || !strings.Contains(got, "GET "+server.URL+"/v1/a 307 ") || !strings.Contains(got, "GET "+server.URL+"/... 200 ") {
		t.Errorf("log is %q", got)
	}
}

func TestAProxyIsNamedWithoutItsCredentials(t *testing.T) {
	refusing := strings.TrimPrefix(raw(t, "HTTP/1.1 407 "+canary+"\r\nContent-Length: 0\r\n\r\n"), "http://")
	forbidding := strings.TrimPrefix(raw(t, "HTTP/1.1 403 "+canary+"\r\nContent-Length: 0\r\n\r\n"), "http://")
	at := func(host string) func(*http.Request) (*url.URL, error) {
		return http.ProxyURL(&url.URL{Scheme: "http", User: url.UserPassword("user", "c4nary"), Host: host})
	}
	for name, tt := range map[string]struct {
		proxy        func(*http.Request) (*url.URL, error)
		to, want, do string
	}{
		"not valid": {func(*http.Request) (*url.URL, error) {
			return nil, errors.New("invalid proxy address http://user:c4nary%zz@h")
		}, "https://vault.example", "the address of the proxy is not valid", "HTTPS_PROXY"},
		"refused":            {at("127.0.0.1:1"), "https://vault.example", "the proxy 127.0.0.1:1 does not answer: connection refused", "HTTPS_PROXY"},
		"refused, http":      {at("127.0.0.1:1"), "http://vault.example", "the proxy 127.0.0.1:1 does not answer: connection refused", "HTTPS_PROXY"},
		"407":                {at(refusing), "https://vault.example", "the proxy " + refusing + " answered 407", "http://USER:PASSWORD@HOST:PORT"},
		"407, http":          {at(refusing), "http://vault.example", "the proxy " + refusing + " answered 407", "http://USER:PASSWORD@HOST:PORT"},
		"403":                {at(forbidding), "https://vault.example", "the proxy " + forbidding + " answered 403", "NO_PROXY"},
		"407, asked of none": {func(*http.Request) (*url.URL, error) { return nil, nil }, "http://" + refusing, "the proxy answered 407", "http://USER:PASSWORD@HOST:PORT"},
	} {
		base := Base()
		Proxied(base, tt.proxy)
		err := explanation(t, &http.Client{Transport: Wrap(base, nil)}, tt.to)
		if err.Error() != tt.want || !strings.Contains(hint.Of(err), tt.do) || strings.Contains(hint.Of(err), "c4nary") {
			t.Errorf("%s: %v, hint %q", name, err, hint.Of(err))
		}
	}
}

func TestAProxyDoesNotReceiveRequestsToThisMachine(t *testing.T) {
	by := http.ProxyURL(&url.URL{Scheme: "http", User: url.UserPassword("user", "c4nary"), Host: "proxy.example"})
	for _, tt := range []struct {
		address string
		proxy   func(*http.Request) (*url.URL, error)
		allow   bool
		refused bool
	}{
		{"http://127.0.0.1:8200", by, false, true},
		{"http://127.0.0.1:8200", by, true, false},
		{"https://127.0.0.1:8200", by, false, false},
		{"http://127.0.0.1:8200", http.ProxyFromEnvironment, false, false},
		{"http://127.0.0.1:8200", nil, false, false},
	} {
		err := CheckProxy("vault.address", tt.address, tt.proxy, tt.allow)
		if (err != nil) != tt.refused || err != nil && (strings.Contains(err.Error(), "c4nary") || hint.Of(err) == "") {
			t.Errorf("%s, allowed %t: %v", tt.address, tt.allow, err)
		}
	}
}

func TestACredentialThatNoHeaderCanCarryHasAnErrorOfItsOwn(t *testing.T) {
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://127.0.0.1:1", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-Vault-Token", "c4nary\n")
	_, err = (&http.Client{Transport: Wrap(Base(), nil)}).Do(req)
	if err = Explain(t.Context(), err); err == nil || !strings.Contains(err.Error(), "line break") || strings.Contains(err.Error(), "c4nary") {
		t.Errorf("%v", err)
	}
}

func TestExplainKeepsErrorsThatAreSafeToShow(t *testing.T) {
	own := hint.Wrap(fmt.Errorf("port 8080 of pod a/b: %w", syscall.ECONNREFUSED), "does it listen?")
	err := Explain(t.Context(), fmt.Errorf("Get: %w", Explained(own)))
	if err.Error() != own.Error() || hint.Of(err) != "does it listen?" || !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("%v", err)
	}
	if err := Answered(503, ""); Explain(t.Context(), err) != err { //nolint:errorlint // the same
		t.Errorf("%v", err)
	}
	if _, err := CheckRetry(t.Context(), nil, context.DeadlineExceeded); err != nil {
		t.Error(err)
	}
}
