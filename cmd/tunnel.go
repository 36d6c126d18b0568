package cmd

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"sync"

	"github.com/secretctl/secretctl/internal/cluster"
	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/hint"
)

// tunnel reaches Aidbox through the API server: by a Service, or without a name by
// the Deployment. Its connections end with ctx.
func tunnel(ctx context.Context, c *cluster.Cluster, d *config.Delivery, service, port string) http.RoundTripper {
	if service == "" {
		t := &podTunnel{c: c, d: d}
		context.AfterFunc(ctx, t.forget)
		return t
	}
	t := c.ServiceTransport(d.Namespace, service, port)
	context.AfterFunc(ctx, t.CloseIdleConnections)
	return t
}

// podTunnel leads to a ready pod of the Deployment, and stays with it for as long
// as it answers.
type podTunnel struct {
	c *cluster.Cluster
	d *config.Delivery

	mu sync.Mutex
	to *http.Transport // nil until a pod is chosen
}

func (t *podTunnel) RoundTrip(req *http.Request) (*http.Response, error) {
	to, err := t.choose(req.Context())
	if err != nil {
		return nil, err
	}
	resp, err := to.RoundTrip(req)
	if err != nil {
		t.forget()
	}
	return resp, err
}

func (t *podTunnel) choose(ctx context.Context) (*http.Transport, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.to != nil {
		return t.to, nil
	}
	w, err := t.c.Workload(ctx, t.d.Namespace, t.d.Aidbox.Deployment)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(w.Pods, func(p cluster.Pod) bool { return p.Ready && p.Current && !p.Terminating })
	if i < 0 {
		return nil, hint.Wrap(fmt.Errorf("deployment %s/%s has no pod that is ready", w.Namespace, w.Name), "secretctl verify workload tells why")
	}
	t.to = t.c.PodTransport(t.d.Namespace, w.Pods[i].Name, int(t.d.Aidbox.Port))
	return t.to, nil
}

func (t *podTunnel) forget() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.to != nil {
		t.to.CloseIdleConnections()
	}
	t.to = nil
}
