package cluster

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"k8s.io/client-go/rest"
)

// fakeAPI is an API server that answers by path: a status code and a body.
type fakeAPI map[string]struct {
	code int
	body string
}

func (f fakeAPI) connect(t *testing.T) *Cluster {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		answer, ok := f[req.URL.Path]
		if !ok { // as an API server does with a path that it does not know
			http.NotFound(w, req)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(answer.code)
		_, _ = io.WriteString(w, answer.body)
	}))
	t.Cleanup(server.Close)
	return connectTo(t, server.URL)
}

func connectTo(t *testing.T, address string) *Cluster {
	t.Helper()
	c, err := newCluster(&rest.Config{Host: address}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return c
}
