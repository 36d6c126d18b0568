package fhirclient

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/secretctl/secretctl/internal/hint"
	"github.com/secretctl/secretctl/internal/secret"
	"github.com/secretctl/secretctl/internal/transport"
)

func TestTransientFailureIsTriedAgain(t *testing.T) {
	for _, status := range []int{429, 500, 502, 503, 504} {
		var requests atomic.Int32
		server, c := newAidbox(t)
		c.http.HTTPClient.Transport = roundTrip(func(req *http.Request) (*http.Response, error) {
			if requests.Add(1)%3 != 0 {
				return &http.Response{StatusCode: status, Body: http.NoBody, Header: http.Header{}}, nil
			}
			return http.DefaultTransport.RoundTrip(req)
		})
		got, err := c.Apply(t.Context(), aClient())
		if err != nil || got.Action != Created || server.count["PUT"] != 1 || requests.Load() != 9 {
			t.Errorf("%d: %v, %v, %d requests", status, got, err, requests.Load())
		}
	}
}

func TestLastingFailureIsReportedOnce(t *testing.T) {
	var requests atomic.Int32
	c := newClient(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		requests.Add(1)
		answerJSON(w, 503, `{"message":"starting"}`)
	}))
	_, err := c.Version(t.Context())
	wantError(t, err, "aidbox: GET /$version: 503: starting")
	if requests.Load() != 1+transport.MaxRetries {
		t.Errorf("%d requests", requests.Load())
	}
	status, detail, err := c.Probe(t.Context(), "/fhir/Patient", "basic", secret.Value{})
	if status != 503 || detail != "starting" || err != nil {
		t.Error(status, detail, err)
	}
}

func TestRetryAfterIsWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := clientOf(t, "http://127.0.0.1:1")
		var requests int
		c.http.HTTPClient.Transport = roundTrip(func(*http.Request) (*http.Response, error) {
			if requests++; requests == 1 {
				return &http.Response{StatusCode: 429, Body: http.NoBody, Header: http.Header{"Retry-After": {"120"}}}, nil
			}
			return &http.Response{StatusCode: 200, Body: io.NopCloser(strings.NewReader(`{"version":"2602"}`)), Header: http.Header{}}, nil
		})
		start := time.Now()
		got, err := c.Version(t.Context())
		if waited := time.Since(start); got != "2602" || err != nil || waited < 2*time.Minute || waited > 3*time.Minute {
			t.Errorf("%q, %v after %s", got, err, waited)
		}
	})
}

func TestRetryAfterEndsWithTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := clientOf(t, "http://127.0.0.1:1")
		c.http.HTTPClient.Transport = roundTrip(func(*http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: 503, Body: http.NoBody, Header: http.Header{"Retry-After": {"3600"}}}, nil
		})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := c.Version(ctx)
		wantError(t, err, "aidbox: GET /$version: timed out")
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error is %#v", err)
		}
	})
}

// A server that is slow is not the caller's deadline.
func TestSilentServerTimesOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := clientOf(t, "http://127.0.0.1:1")
		c.http.HTTPClient.Transport = roundTrip(func(req *http.Request) (*http.Response, error) {
			<-req.Context().Done()
			return nil, req.Context().Err()
		})
		for want, call := range map[time.Duration]func() error{
			transport.RequestTimeout: func() error { _, err := c.Version(t.Context()); return err },
			5 * time.Second:          func() error { return c.Health(t.Context()) },
		} {
			start := time.Now()
			err := call()
			if err == nil || !strings.HasSuffix(err.Error(), ": no answer in time") || errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("error is %v", err)
			}
			if waited := time.Since(start); waited != want {
				t.Errorf("waited %s, want %s", waited, want)
			}
		}
	})
}

func TestCancelIsPassedOn(t *testing.T) {
	for name, handler := range map[string]http.HandlerFunc{
		"before the answer": func(_ http.ResponseWriter, req *http.Request) { <-req.Context().Done() },
		"in the body": func(w http.ResponseWriter, req *http.Request) {
			_, _ = w.Write([]byte(`{"resourceType":`))
			_ = http.NewResponseController(w).Flush()
			<-req.Context().Done()
		},
	} {
		t.Run(name, func(t *testing.T) {
			arrived := make(chan struct{}, 1)
			c := newClient(t, http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
				arrived <- struct{}{}
				handler(w, req)
			}))
			ctx, cancel := context.WithCancel(t.Context())
			go func() { <-arrived; cancel() }()
			_, err := c.Apply(ctx, aClient())
			wantError(t, err, "aidbox: GET /fhir/Client/basic: interrupted")
			if !errors.Is(err, context.Canceled) {
				t.Errorf("error is %#v", err)
			}
			_, _, err = c.Probe(ctx, "/", "basic", secret.Value{})
			if !errors.Is(err, context.Canceled) {
				t.Errorf("error is %#v", err)
			}
			if err := c.Health(ctx); !errors.Is(err, context.Canceled) {
				t.Errorf("error is %#v", err)
			}
		})
	}
}

func TestAnswerThatBreaksOffIsAnError(t *testing.T) {
	c := newClient(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "1000")
		_, _ = w.Write([]byte(`{"resourceType":"Client","id":"basic"}`))
	}))
	_, _, err := c.Get(t.Context(), aClient())
	wantError(t, err, "aidbox: GET /fhir/Client/basic: 200: the answer broke off")
}

func TestAnswerThatNeverEndsIsCut(t *testing.T) {
	c := newClient(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		for {
			if _, err := w.Write(bytes.Repeat([]byte("x"), 1<<16)); err != nil {
				return
			}
		}
	}))
	_, err := c.Version(t.Context())
	wantError(t, err, "aidbox: GET /$version: 200: the answer is longer than 4 MiB")
}

func TestRefusedConnectionNamesTheAddress(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = listener.Close()
	c := clientOf(t, "http://"+listener.Addr().String())
	err = c.Health(t.Context())
	wantError(t, err, "aidbox: GET /health: connection refused")
	if got := hint.Of(err); !strings.Contains(got, "running") {
		t.Errorf("hint is %q", got)
	}
	if _, _, err := c.Probe(t.Context(), "/", "basic", secret.Value{}); err == nil {
		t.Error("a refused connection is an answer")
	}
}
