package vault_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/hint"
	"github.com/secretctl/secretctl/internal/provision"
	"github.com/secretctl/secretctl/internal/secret"
	"github.com/secretctl/secretctl/internal/store"
	"github.com/secretctl/secretctl/internal/store/storetest"
	"github.com/secretctl/secretctl/internal/store/vault"
	"github.com/secretctl/secretctl/internal/transport"
)

const fakeToken = "hvs.t0ken-canary"

// fake is a server that answers as no Vault should, at the address of one.
func fake(t *testing.T, h http.HandlerFunc) *backend {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return &backend{url: server.URL, token: fakeToken}
}

// answerMount says that secret/ is a KV engine of version 2, or false.
func answerMount(w http.ResponseWriter, r *http.Request) bool {
	if r.URL.Path != "/v1/sys/internal/ui/mounts/secret" {
		return false
	}
	_, _ = io.WriteString(w, `{"data":{"type":"kv","path":"secret/","options":{"version":"2"}}}`)
	return true
}

func oneSecret(t *testing.T, b *backend) *config.Delivery {
	return b.delivery(t, config.Secret{Name: "password", Value: storetest.FromEnv("P")})
}

func TestDestroyedVersionIsNotUndeleted(t *testing.T) {
	destroyed := true
	b := fake(t, func(w http.ResponseWriter, r *http.Request) {
		if !answerMount(w, r) {
			w.WriteHeader(http.StatusNotFound)
			_, _ = fmt.Fprintf(w, `{"data":{"data":null,"metadata":{"version":3,"destroyed":%t}}}`, destroyed)
		}
	})
	d := oneSecret(t, b)
	for says, advice := range map[string]string{"version 3 is destroyed": "secretctl provision", "version 3 is deleted": "vault kv undelete"} {
		destroyed = strings.HasSuffix(says, "destroyed")
		_, _, err := b.vault(t, b.token, d).Get(t.Context(), d.Secrets[0])
		storetest.WantError(t, err, says)
		if got := hint.Of(err); !strings.Contains(got, advice) {
			t.Errorf("%s: hint %q, want %q in it", says, got, advice)
		}
	}
}

// Vault keeps ten versions of a path, whichever of its keys they changed.
func TestAgeIsUnknownIfNoVersionShowsIt(t *testing.T) {
	first := 2
	b := fake(t, func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/v1/secret/metadata/") {
			_, _ = fmt.Fprintf(w, `{"data":{"versions":{"%d":{"created_time":"2026-01-01T00:00:00Z"},"11":{"created_time":"2026-01-09T00:00:00Z"}}}}`, first)
			return
		}
		_, _ = io.WriteString(w, `{"data":{"data":{"password":"same"},"metadata":{"version":11}}}`)
	})
	d := oneSecret(t, b)
	s := d.Secrets[0]
	for _, c := range []struct {
		first  int
		maxAge string
		known  bool
	}{{2, "36500d", false}, {2, "1h", true}, {2, "", true}, {1, "36500d", true}} {
		first, s.MaxAge = c.first, c.maxAge
		at, err := store.WrittenAt(t.Context(), b.vault(t, b.token, d), s)
		if known := err == nil; known != c.known || known && at.Format(time.DateOnly) != "2026-01-01" {
			t.Errorf("%+v: %s, %v", c, at, err)
		}
		if !c.known {
			storetest.WantError(t, err, "all 2 versions that the store keeps, since 2026-01-01, have the same value, which may be older than 36500d")
			storetest.WantHint(t, err, "secretctl rotate password")
		}
	}
}

func TestVaultThatHangsIsGivenUp(t *testing.T) {
	t.Setenv("VAULT_CLIENT_TIMEOUT", "20ms")
	end := make(chan struct{})
	defer close(end)
	b := fake(t, func(http.ResponseWriter, *http.Request) { <-end })
	_, err := b.vault(t, b.token, oneSecret(t, b)).Reach(t.Context())
	storetest.WantError(t, err, b.url+": no usable answer within 20ms")
	if !strings.Contains(hint.Of(err), "--request-timeout") {
		t.Errorf("hint %q", hint.Of(err))
	}
	if errors.Is(err, context.DeadlineExceeded) {
		t.Error("looks as if --timeout had passed")
	}
}

func TestErrorsNeverRepeatWhatWasSent(t *testing.T) {
	for name, private := range map[string]string{
		"value": storetest.Canary, "value in base64": base64.StdEncoding.EncodeToString([]byte(storetest.Canary)),
		"token": fakeToken, "another key of the path": "0ther-canary",
	} {
		t.Run(name, func(t *testing.T) {
			b := fake(t, func(w http.ResponseWriter, r *http.Request) {
				switch {
				case answerMount(w, r):
				case r.Method == http.MethodGet && strings.HasPrefix(r.URL.Path, "/v1/secret/"):
					_, _ = io.WriteString(w, `{"data":{"data":{"other":"0ther-canary"},"metadata":{"version":1}}}`)
				default:
					w.WriteHeader(http.StatusBadRequest)
					_, _ = fmt.Fprintf(w, `{"errors":["cannot take:\n\t* %s"]}`, private)
				}
			})
			d := oneSecret(t, b)
			_, runErr := b.run(t, d, map[string]string{"P": storetest.Canary}, "store")
			_, putErr := b.vault(t, b.token, d).Put(t.Context(), d.Secrets[0], secret.New([]byte(storetest.Canary)))
			for _, err := range []error{runErr, putErr} {
				storetest.WantError(t, err, "answered 400")
				if strings.Contains(err.Error()+hint.Of(err), private) {
					t.Errorf("error %q repeats %q", err, private)
				}
			}
		})
	}
}

func TestOtherAnswersAreNotTakenForVaults(t *testing.T) {
	html := "<html><body>" + storetest.Canary + "</body></html>"
	for name, c := range map[string]struct {
		status int
		body   string
		says   string
	}{
		"a page":                  {http.StatusOK, html, "answered 200: unexpected response"},
		"a page of a proxy":       {http.StatusBadRequest, html, "answered 400: unexpected"},
		"not found by a web site": {http.StatusNotFound, html, "answered 404: unexpected"},
		"other JSON":              {http.StatusOK, `{"status":"ok"}`, "answered 200: unexpected"},
		"other JSON, not found":   {http.StatusNotFound, `{"message":"none"}`, "unexpected response"},
		"data of another shape":   {http.StatusOK, `{"data":["` + storetest.Canary + `"]}`, "answered 200: unexpected"},
		"nothing":                 {http.StatusOK, ``, "answered 200: unexpected"},
	} {
		t.Run(name, func(t *testing.T) {
			b := fake(t, func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(c.status)
				_, _ = io.WriteString(w, c.body)
			})
			for _, phase := range vault.Provider.Phases {
				_, err := b.run(t, oneSecret(t, b), map[string]string{"P": storetest.Canary}, phase)
				storetest.WantError(t, err, c.says)
			}
		})
	}
}

func TestGetOfAWebSiteIsNotAbsent(t *testing.T) {
	b := fake(t, http.NotFound)
	d := oneSecret(t, b)
	_, _, err := b.vault(t, b.token, d).Get(t.Context(), d.Secrets[0])
	storetest.WantError(t, err, "answered 404: unexpected")
}

func TestEndlessAnswerEnds(t *testing.T) {
	b := fake(t, func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusBadRequest)
		for r.Context().Err() == nil {
			if _, err := w.Write(bytes.Repeat([]byte("<html>"), 1<<16)); err != nil {
				return
			}
		}
	})
	_, err := b.run(t, oneSecret(t, b), nil, "policy")
	storetest.WantError(t, err, "answered 400: unexpected response")
}

func TestTransientAnswersAreTriedAgain(t *testing.T) {
	for _, status := range []int{http.StatusTooManyRequests, http.StatusInternalServerError, http.StatusServiceUnavailable} {
		t.Run(http.StatusText(status), func(t *testing.T) {
			var asked atomic.Int32
			b := fake(t, func(w http.ResponseWriter, r *http.Request) {
				switch {
				case r.URL.Path == "/v1/sys/seal-status":
					_, _ = io.WriteString(w, `{"type":"shamir","initialized":true,"sealed":false}`)
				case asked.Add(1) == 1:
					w.Header().Set("Retry-After", "0")
					w.WriteHeader(status)
					_, _ = io.WriteString(w, `{"errors":["busy"]}`)
				case answerMount(w, r):
				default:
					_, _ = io.WriteString(w, `{"data":{"data":{"password":"`+storetest.Canary+`"},"metadata":{"version":7}}}`)
				}
			})
			got, err := b.run(t, oneSecret(t, b), map[string]string{"P": storetest.Canary}, "store")
			storetest.Want(t, got, err, "store unchanged secret/"+storetest.Place(t)+"#password")
		})
	}
}

func TestUnusableVaultIsNotTriedAgain(t *testing.T) {
	for status, says := range map[string]string{
		`{"type":"shamir","initialized":true,"sealed":true}`:  "sealed",
		`{"type":"shamir","initialized":false,"sealed":true}`: "not initialized",
	} {
		var asked atomic.Int32
		b := fake(t, func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/v1/sys/seal-status" {
				_, _ = io.WriteString(w, status)
				return
			}
			asked.Add(1)
			w.WriteHeader(http.StatusServiceUnavailable)
			_, _ = io.WriteString(w, `{"errors":["Vault is sealed"]}`)
		})
		_, err := b.run(t, oneSecret(t, b), map[string]string{"P": storetest.Canary}, "store")
		storetest.WantError(t, err, says)
		if asked.Load() != 1 {
			t.Errorf("%s: asked %d times, want once", says, asked.Load())
		}
	}
}

func TestUnreachableVaultIsNamed(t *testing.T) {
	t.Parallel()                                               // it takes as long as all the tries
	b := &backend{url: "http://127.0.0.1:1", token: fakeToken} // a port where nothing listens
	_, err := b.run(t, oneSecret(t, b), map[string]string{"P": storetest.Canary})
	storetest.WantError(t, err, "vault http://127.0.0.1:1: connection refused")
	if hint.Of(err) == "" {
		t.Error("no hint")
	}
}

func TestEndedContextIsTheReason(t *testing.T) {
	b := fake(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "60")
		w.WriteHeader(http.StatusTooManyRequests)
		_, _ = io.WriteString(w, `{"errors":[]}`)
	})
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err := provision.Run(ctx, b.vault(t, b.token, oneSecret(t, b)).Steps(storetest.Inputs(map[string]string{"P": storetest.Canary}), 0), nil, false)
	storetest.WantError(t, err, "timed out")
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v is not context.DeadlineExceeded", err)
	}
}

func TestNamespaceIsSentButForTheSealStatus(t *testing.T) {
	t.Setenv("VAULT_NAMESPACE", "from/env")
	for configured, wanted := range map[string]string{"team/aidbox": "team/aidbox", "": "from/env"} {
		var mu sync.Mutex
		seen := map[string]string{}
		b := fake(t, func(w http.ResponseWriter, r *http.Request) {
			mu.Lock()
			defer mu.Unlock()
			seen[r.URL.Path] = r.Header.Get("X-Vault-Namespace")
			w.WriteHeader(http.StatusNotImplemented)
			_, _ = io.WriteString(w, `{"errors":["no"]}`)
		})
		d := oneSecret(t, b)
		d.Vault.Namespace = configured
		_, err := b.run(t, d, nil, "policy")
		storetest.WantError(t, err, "answered 501: no")
		mu.Lock()
		if got := seen["/v1/sys/policies/acl/"+d.Vault.Policy]; got != wanted {
			t.Errorf("namespace %q, want %q", got, wanted)
		}
		if got := seen["/v1/sys/seal-status"]; got != "" {
			t.Errorf("the seal status, which the root namespace has, was asked in %q", got)
		}
		mu.Unlock()
	}
}

func TestAddressIsCheckedBeforeAnythingIsSent(t *testing.T) {
	b := &backend{url: "http://vault.example.invalid:8200", token: fakeToken}
	_, err := vault.Provider.Open(oneSecret(t, b), store.Options{Token: secret.New([]byte(fakeToken))})
	if _, ok := errors.AsType[*transport.AddressError](err); !ok {
		t.Errorf("error %v, want an AddressError", err)
	}
}

func TestLogHasALineForEachRequestAndNoValue(t *testing.T) {
	b := startStandIn(t)
	d := oneSecret(t, b)
	var log storetest.Buffer
	v, err := vault.Provider.Open(d, store.Options{Token: secret.New([]byte(b.token)), Log: &log})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := provision.Run(t.Context(), v.Steps(storetest.Inputs(map[string]string{"P": storetest.Canary}), 0), []string{"store"}, false); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(log.String(), "PUT "+b.url+"/v1/secret/data/"+storetest.Place(t)+" 200 ") {
		t.Errorf("the write is not in the log:\n%s", &log)
	}
	if strings.Contains(log.String(), storetest.Canary) || strings.Contains(log.String(), b.token) {
		t.Error("the log has a value")
	}
}

// The mount cannot be asked about, but a version that is read shows what it is.
func TestForbiddenMountQuestionIsAnsweredByTheData(t *testing.T) {
	standIn := startStandIn(t)
	p := newProxy(t, standIn)
	p.intercept(func(w http.ResponseWriter, r *http.Request) bool {
		forbidden := r.URL.Path == "/v1/sys/internal/ui/mounts/secret"
		if forbidden {
			w.WriteHeader(http.StatusForbidden)
			_, _ = io.WriteString(w, `{"errors":["permission denied"]}`)
		}
		return forbidden
	})
	d := p.delivery(t, config.Secret{Name: "password", Value: storetest.FromEnv("P")})
	_, err := p.run(t, d, map[string]string{"P": storetest.Canary}, "store")
	storetest.WantError(t, err, "no KV mount secret/ that this token can see")
	if next := hint.Of(err); !strings.Contains(next, "it sees secret/") || !strings.HasSuffix(next, "vault secrets enable -path=secret kv-v2, or let the token's policy grant something below secret/") {
		t.Errorf("hint %q does not name the mounts that it sees, or how to make one", next)
	}
	standIn.store(t, storetest.Place(t), map[string]any{"user": "aidbox"})
	got, err := p.run(t, d, map[string]string{"P": storetest.Canary}, "store")
	storetest.Want(t, got, err, "store create secret/"+storetest.Place(t)+"#password")
	p.intercept(func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path == "/v1/sys/internal/ui/mounts/secret" {
			w.WriteHeader(http.StatusForbidden)
		}
		_, _ = io.WriteString(w, `{"data": {"secret": {"kv/": {"type": "kv"}, "x; run: y|sh #/": {"type": "kv"}}}}`)
		return true
	})
	_, err = p.run(t, d, map[string]string{"P": storetest.Canary}, "store")
	storetest.WantHint(t, err, "it sees kv/, 'x; run: y|sh #/'; if one")
}
