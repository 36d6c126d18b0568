package cluster

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"k8s.io/streaming/pkg/httpstream"

	"github.com/secretctl/secretctl/internal/fhirclient"
	"github.com/secretctl/secretctl/internal/hint"
	"github.com/secretctl/secretctl/internal/secret"
)

// A missing right stays missing: a request to Aidbox through the API server fails at once.
func TestARefusedPortForwardIsNotTriedAgain(t *testing.T) {
	const refusal = `{"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 403, "reason": "Forbidden", "message": "pods is forbidden"}`
	var asked atomic.Int32
	c := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusForbidden)
		_, _ = io.WriteString(w, refusal)
	})
	aidbox, err := fhirclient.New(fhirclient.Options{URL: "http://aidbox-1", Tunnel: c.PodTransport("default", "aidbox-1", 8080)})
	if err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	_, _, err = aidbox.Probe(t.Context(), "/fhir/Patient", "basic", secret.New([]byte("x")))
	forbidden, ok := errors.AsType[*ForbiddenError](err)
	if !ok || forbidden.Resource != "pods/portforward" {
		t.Errorf("error is %v", err)
	}
	if asked.Load() != 2 || time.Since(start) > 5*time.Second { // by WebSocket and by SPDY
		t.Errorf("%d requests in %s", asked.Load(), time.Since(start))
	}
}

func TestAWorkloadThatIsNotDeployedYetHasAHint(t *testing.T) {
	const absent = `{"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 404, "reason": "NotFound", "message": "not found"}`
	c := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusNotFound)
		_, _ = io.WriteString(w, absent)
	})
	aidbox, err := fhirclient.New(fhirclient.Options{URL: "http://aidbox", Tunnel: c.WorkloadTransport("default", "Deployment", "aidbox", 8080)})
	if err != nil {
		t.Fatal(err)
	}
	err = aidbox.Health(t.Context())
	if err == nil || !strings.Contains(err.Error(), "deployments/aidbox in namespace default: not found") || hint.Of(err) != "secretctl verify workload says what to apply" {
		t.Errorf("error is %v, hint %q", err, hint.Of(err))
	}
}

// closedStream is a stream whose other end has nothing to say.
type closedStream struct{ httpstream.Stream }

func (closedStream) Read([]byte) (int, error) { return 0, io.EOF }

func TestAPortThatNothingListensOnHasAHint(t *testing.T) {
	closed := &tunnel{Stream: closedStream{}, name: "port 8080 of pod default/a", refused: func() bool { return true }}
	_, err := closed.Read(nil)
	if err == nil || err.Error() != "port 8080 of pod default/a: connection refused" || !errors.Is(err, syscall.ECONNREFUSED) || !strings.Contains(hint.Of(err), "aidbox.port") {
		t.Errorf("error is %v, hint %q", err, hint.Of(err))
	}
}
