package cluster

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"sync"

	"github.com/secretctl/secretctl/internal/hint"
	"github.com/secretctl/secretctl/internal/transport"
)

// WorkloadTransport is [Cluster.PodTransport] for a ready pod of a workload. It
// stays with one for as long as that answers.
func (c *Cluster) WorkloadTransport(namespace, kind, name string, port int) *WorkloadTransport {
	return &WorkloadTransport{c: c, namespace: namespace, kind: kind, name: name, port: port}
}

// WorkloadTransport reaches a port of some pod of a workload.
type WorkloadTransport struct {
	c                     *Cluster
	namespace, kind, name string
	port                  int

	mu  sync.Mutex
	pod *http.Transport // nil until one is chosen
}

// RoundTrip implements [http.RoundTripper].
func (t *WorkloadTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	pod, err := t.choose(req.Context())
	if err != nil {
		return nil, transport.Explained(err)
	}
	resp, err := pod.RoundTrip(req)
	if err != nil {
		t.CloseIdleConnections()
	}
	return resp, err
}

func (t *WorkloadTransport) choose(ctx context.Context) (*http.Transport, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.pod != nil {
		return t.pod, nil
	}
	w, err := t.c.Workload(ctx, t.namespace, t.kind, t.name)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(w.Pods, func(p Pod) bool { return p.Ready && p.Current && !p.Terminating })
	if i < 0 { // in a rollout that does not come on, the old pods serve
		i = slices.IndexFunc(w.Pods, func(p Pod) bool { return p.Ready && !p.Terminating })
	}
	if i < 0 {
		return nil, hint.Wrap(fmt.Errorf("%s %s/%s has no ready pod", w.Kind, w.Namespace, w.Name), "secretctl verify workload explains why")
	}
	t.pod = t.c.PodTransport(t.namespace, w.Pods[i].Name, t.port)
	return t.pod, nil
}

// CloseIdleConnections leaves the pod. The next request chooses one anew.
func (t *WorkloadTransport) CloseIdleConnections() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.pod != nil {
		t.pod.CloseIdleConnections()
	}
	t.pod = nil
}
