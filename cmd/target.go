package cmd

import (
	"context"
	"sync"

	"github.com/secretctl/secretctl/internal/cluster"
	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/fhirclient"
	"github.com/secretctl/secretctl/internal/secret"
	"github.com/secretctl/secretctl/internal/store/keyvault"
	"github.com/secretctl/secretctl/internal/store/vault"
	"github.com/secretctl/secretctl/internal/verify"
)

// Where the mount is.
const (
	targetPod   = "pod"
	targetLocal = "local"
)

// checkTarget refuses what does not go with the target.
func (o reportOptions) checkTarget() error {
	switch {
	case o.target == targetPod && o.here():
		return usagef("leave out --mount-path and --vault-config, or use --target local", "--target pod looks at no path of this machine")
	case o.nudge && (o.target == targetLocal || o.target == "" && o.here()):
		return usagef("leave it out, or use --target pod", "--nudge is about pods")
	}
	return nil
}

// here says whether paths of this machine are named.
func (o reportOptions) here() bool { return o.mountPath != "" || o.vaultConfig != "" }

// targetOf returns the target that was asked for, or the one that fits a delivery:
// this machine where its paths are named or no cluster is configured, else the pods.
func (a *app) targetOf(d *config.Delivery, o reportOptions) string {
	switch {
	case o.target != "":
		return o.target
	case o.here() || !cluster.Configured(a.clusterOf(d)):
		return targetLocal
	}
	return targetPod
}

// letIn hands to the checks how the pod gets into the store, and what the store
// tells besides values.
func letIn(w *verify.World, d *config.Delivery, s anyStore) {
	switch s := s.(type) {
	case *vault.Store:
		w.LogIn = logIn(s.LoginAs)
	case *keyvault.Store:
		w.Newest = s.Newest
		if d.Azure.Identity.Type == config.IdentityWorkload {
			w.LogIn = logIn(s.LoginAs)
		} else {
			w.Granted = s.Granted
		}
	}
}

// logIn hands a login of the pod to the checks.
func logIn[S verify.Session](login func(context.Context, secret.Value) (S, error)) func(context.Context, secret.Value) (verify.Session, error) {
	return func(ctx context.Context, jwt secret.Value) (verify.Session, error) {
		session, err := login(ctx, jwt)
		if err != nil {
			return nil, err // and not a nil session in an interface that is none
		}
		return session, nil
	}
}

// eachPod returns how to try credentials at one pod, by way of the API server.
// Each pod is connected to once; the connections end with ctx.
func (a *app) eachPod(ctx context.Context, d *config.Delivery, c *cluster.Cluster) (
	probe func(ctx context.Context, p cluster.Pod, path, clientID string, v secret.Value) (int, string, error),
	token func(ctx context.Context, p cluster.Pod, clientID string, v secret.Value) (int, string, error),
) {
	var mu sync.Mutex
	open := map[string]*fhirclient.Client{}
	at := func(p cluster.Pod) (*fhirclient.Client, error) {
		mu.Lock()
		defer mu.Unlock()
		if client, ok := open[p.UID]; ok {
			return client, nil
		}
		tunnel := c.PodTransport(p.Namespace, p.Name, int(d.Aidbox.Port))
		context.AfterFunc(ctx, tunnel.CloseIdleConnections)
		client, err := fhirclient.New(fhirclient.Options{URL: "http://" + p.Name, Tunnel: tunnel, Log: a.logOf(d)})
		if err == nil {
			open[p.UID] = client
		}
		return client, err
	}
	probe = func(ctx context.Context, p cluster.Pod, path, clientID string, v secret.Value) (int, string, error) {
		client, err := at(p)
		if err != nil {
			return 0, "", err
		}
		return client.Probe(ctx, path, clientID, v)
	}
	token = func(ctx context.Context, p cluster.Pod, clientID string, v secret.Value) (int, string, error) {
		client, err := at(p)
		if err != nil {
			return 0, "", err
		}
		return client.Token(ctx, clientID, v)
	}
	return probe, token
}
