package cluster

import (
	"context"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync/atomic"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd/api"

	"github.com/secretctl/secretctl/internal/secret"
	"github.com/secretctl/secretctl/internal/transport"
)

// guardCredentials has the sanitizer learn the kubeconfig's credentials, and keeps those of
// others from its login program.
func (c *Cluster) guardCredentials() error {
	if err := rest.LoadTLSFiles(c.config); err != nil {
		return badConfig(err)
	}
	for _, held := range []string{c.config.BearerToken, c.config.Password, string(c.config.KeyData)} {
		c.sanitizer.Learn(secret.New([]byte(held)))
	}
	if c.config.ExecProvider == nil {
		return nil
	}
	// client-go hands on the whole environment, followed by these variables, which win.
	provider := c.config.ExecProvider.DeepCopy()
	for _, name := range secret.Withheld(os.Environ(), secret.OfClouds()...) { //nolint:forbidigo // a child inherits it
		if !slices.ContainsFunc(provider.Env, func(v api.ExecEnvVar) bool { return v.Name == name }) {
			provider.Env = append(provider.Env, api.ExecEnvVar{Name: name})
		}
	}
	c.config.ExecProvider = provider
	return nil
}

// learning has the sanitizer learn the token that a request carries, wherever it came from.
type learning struct {
	next      http.RoundTripper
	sanitizer *secret.Sanitizer
}

// CloseIdleConnections is what client-go calls.
func (l learning) CloseIdleConnections() { transport.CloseIdle(l.next) }

func (l learning) RoundTrip(req *http.Request) (*http.Response, error) {
	if sent, ok := req.Context().Value(sentKey{}).(*atomic.Bool); ok {
		sent.Store(true)
	}
	if token, ok := strings.CutPrefix(req.Header.Get("Authorization"), "Bearer "); ok {
		l.sanitizer.Learn(secret.New([]byte(token)))
	}
	return l.next.RoundTrip(req)
}

type sentKey struct{}

// watchSending returns whether a request was sent at all: an error before that is of a
// login program, and not of a server.
func watchSending(ctx context.Context) (context.Context, *atomic.Bool) {
	sent := &atomic.Bool{}
	return context.WithValue(ctx, sentKey{}, sent), sent
}
