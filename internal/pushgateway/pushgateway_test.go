package pushgateway

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/secretctl/secretctl/internal/transport"
)

// gateway answers with a status and keeps what it was sent.
func gateway(t *testing.T, code int) (url string, asked *[]string) {
	t.Helper()
	asked = &[]string{}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, _ := io.ReadAll(req.Body)
		*asked = append(*asked, req.Method+" "+req.URL.Path+" "+req.Header.Get("Content-Type")+" "+string(body))
		w.WriteHeader(code)
	}))
	t.Cleanup(s.Close)
	return s.URL, asked
}

func TestPutReplacesTheGroup(t *testing.T) {
	for path, want := range map[string]string{
		"":                               "/metrics/job/secretctl",
		"/":                              "/metrics/job/secretctl",
		"/behind/a/proxy/":               "/behind/a/proxy/metrics/job/secretctl",
		"/metrics/job/x/instance/eu":     "/metrics/job/x/instance/eu",
		"/proxy/metrics/job/x/cluster/y": "/proxy/metrics/job/x/cluster/y",
	} {
		url, asked := gateway(t, http.StatusOK)
		if err := Put(t.Context(), Options{URL: url + path}, []byte("a 1\n")); err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(*asked, "|"); got != "PUT "+want+" "+textFormat+" a 1\n" {
			t.Errorf("%q: asked %q", path, got)
		}
	}
}

func TestRefusalOfTheGatewayIsAnError(t *testing.T) {
	for _, code := range []int{http.StatusBadRequest, http.StatusFound, http.StatusUnauthorized} {
		url, asked := gateway(t, code)
		err := Put(t.Context(), Options{URL: url}, nil)
		if err == nil || !strings.Contains(err.Error(), fmt.Sprintf("answered %d", code)) || len(*asked) != 1 {
			t.Errorf("%d: %v after %d requests", code, err, len(*asked))
		}
	}
}

func TestAddressesThatNothingIsSentToAreRefused(t *testing.T) {
	for _, address := range []string{"http://pushgateway.example:9091", "https://user:canary@host", "https://host/?a=b", "host:9091", ""} {
		_, ok := errors.AsType[*transport.AddressError](Put(t.Context(), Options{URL: address}, nil))
		if !ok {
			t.Errorf("%q was not refused", address)
		}
	}
	if err := (Options{URL: "http://pushgateway.example:9091", AllowHTTP: true}).Check(); err != nil {
		t.Error(err)
	}
}

func TestPutEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := Put(ctx, Options{URL: "http://127.0.0.1:1"}, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}
