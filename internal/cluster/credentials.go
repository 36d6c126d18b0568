package cluster

import (
	"context"
	"net/http"
	"net/url"
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
	c.learn(c.config.BearerToken, c.config.Password, string(c.config.KeyData))
	if by, err := c.config.Proxy(&http.Request{URL: &url.URL{Scheme: "https", Host: "kubernetes"}}); err == nil && by != nil {
		password, _ := by.User.Password()
		c.learn(password)
	}
	if c.config.AuthProvider != nil {
		for name, value := range c.config.AuthProvider.Config {
			c.learn(secret.Credential(name, value))
		}
	}
	if c.config.ExecProvider == nil {
		return nil
	}
	c.learnLogin(c.config.ExecProvider)
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

func (c *Cluster) learn(values ...string) {
	for _, value := range values {
		c.sanitizer.Learn(secret.New([]byte(value)))
	}
}

// learnLogin has the sanitizer learn what the kubeconfig tells its login program and may be
// secret: the program may print it. It does not learn a region or a profile, which occur in
// ordinary messages.
func (c *Cluster) learnLogin(program *api.ExecConfig) {
	for _, v := range program.Env {
		c.learn(secret.CredentialsIn(v.Name, v.Value)...)
		if secret.LooksRandom(v.Name, v.Value) {
			c.learn(v.Value)
		}
	}
	for i, arg := range program.Args { // --client-secret=VALUE, or --client-secret VALUE
		name, value, joined := strings.Cut(arg, "=")
		if !joined && i > 0 {
			name, value = program.Args[i-1], arg
		}
		if strings.HasPrefix(name, "-") && !strings.Contains(name, "=") && !strings.HasPrefix(value, "-") {
			c.learn(secret.Credential(name, value))
		}
	}
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
