package cluster

import (
	"context"
	"fmt"
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

// checkPrivacy refuses a kubeconfig that sends credentials and values in plain text.
func checkPrivacy(config *rest.Config, allowHTTP bool) error {
	server, _, err := rest.DefaultServerUrlFor(config)
	if err != nil {
		return badConfig(err)
	}
	if server.Scheme != "http" || allowHTTP {
		return nil
	}
	const hint = "use https, or --allow-http where the network in between is trusted"
	if !transport.Loopback(server.String()) {
		return &ConfigError{fmt.Errorf("server http://%s would carry secrets over plain http to another host", server.Host), hint}
	}
	if config.Proxy != nil {
		return &ConfigError{fmt.Errorf("proxy-url would carry what is for http://%s over plain http to the proxy", server.Host), hint}
	}
	return nil
}

// Warnings says what of the kubeconfig lets others in, for every run to repeat.
func (c *Cluster) Warnings() []string {
	if !c.config.Insecure {
		return nil
	}
	return []string{fmt.Sprintf("the kubeconfig skips TLS verification of %s (insecure-skip-tls-verify): whoever is in between reads tokens and values", c.config.Host)}
}

// guardCredentials lets the sanitizer learn what the kubeconfig holds, and keeps from
// a login program what is none of its business.
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
	// client-go hands on the whole environment. What comes later wins, and an empty
	// variable tells nothing.
	provider := c.config.ExecProvider.DeepCopy()
	for _, name := range secret.Withheld(os.Environ(), secret.OfClouds()...) { //nolint:forbidigo // a child inherits it
		if !slices.ContainsFunc(provider.Env, func(v api.ExecEnvVar) bool { return v.Name == name }) {
			provider.Env = append(provider.Env, api.ExecEnvVar{Name: name})
		}
	}
	c.config.ExecProvider = provider
	return nil
}

// learning has the sanitizer learn the token that a request carries, wherever it is from.
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

// watchSending returns whether a request was sent at all: an error before that is
// client-go's own, of a login program, and no server has a word in it.
func watchSending(ctx context.Context) (context.Context, *atomic.Bool) {
	sent := &atomic.Bool{}
	return context.WithValue(ctx, sentKey{}, sent), sent
}
