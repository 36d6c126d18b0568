package cluster

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"

	"github.com/secretctl/secretctl/internal/hint"
	"github.com/secretctl/secretctl/internal/secret"
	"github.com/secretctl/secretctl/internal/transport"
)

// ConfigError says why the configuration names no cluster to connect to; nothing was
// attempted.
type ConfigError struct {
	err  error
	hint string
}

func (e *ConfigError) Error() string { return "kubeconfig: " + e.err.Error() }
func (e *ConfigError) Unwrap() error { return e.err }

// Hint says what to do.
func (e *ConfigError) Hint() string { return e.hint }

// Usage marks a mistake of usage.
func (*ConfigError) Usage() bool { return true }

const configHint = "kubectl config view shows what is configured"

// badConfig has the words of client-go, which name files and fields of the kubeconfig.
func badConfig(err error) error {
	return &ConfigError{(*secret.Sanitizer)(nil).Err(err), configHint}
}

// Configured reports whether there is a cluster to connect to, working or not: one is
// named, or the kubeconfig has a current one, or secretctl runs in a pod. KUBECONFIG
// counts as naming one even if its files do not exist.
func Configured(o Options) bool {
	if o.Kubeconfig != "" || o.Context != "" {
		return true
	}
	l := newLoader(o)
	_, err := l.clientcmd.ClientConfig()
	return err == nil || l.missing != nil || !clientcmd.IsEmptyConfig(err)
}

// Contexts returns the names of the kubeconfig's contexts, sorted; none if it does not
// exist or cannot be read.
func Contexts(o Options) []string {
	config, err := newLoader(o).clientcmd.RawConfig()
	if err != nil {
		return nil
	}
	return slices.Sorted(maps.Keys(config.Contexts))
}

// loadConfig reads the kubeconfig. What is wrong with it is a [*ConfigError].
func loadConfig(o Options) (*rest.Config, error) {
	l := newLoader(o)
	config, err := l.clientcmd.ClientConfig()
	switch {
	case l.missing != nil && (err == nil || clientcmd.IsEmptyConfig(err)): // client-go goes on as if KUBECONFIG were not set
		return nil, &ConfigError{fmt.Errorf("%s does not exist", strings.Join(l.missing, ", ")), "KUBECONFIG names it: correct or unset that, or give --kubeconfig"}
	case err != nil:
		return nil, configError(o, err)
	}
	address := config.Host // of the pod's own access
	if raw, err := l.clientcmd.RawConfig(); err == nil {
		address = cmp.Or(clusterOf(raw, o).Server, address)
	}
	return config, checkPrivacy(config, address, o.AllowHTTP)
}

// clusterOf returns the cluster of the context that is used, an empty one if there is none.
func clusterOf(raw api.Config, o Options) api.Cluster {
	if c := raw.Contexts[cmp.Or(o.Context, raw.CurrentContext)]; c != nil && raw.Clusters[c.Cluster] != nil {
		return *raw.Clusters[c.Cluster]
	}
	return api.Cluster{}
}

// origin says where the address of the API server was set.
func origin(o Options) string {
	from := cmp.Or(o.From, "--kubeconfig")
	if o.Kubeconfig == "" {
		from = "~/.kube/config"
		if os.Getenv(clientcmd.RecommendedConfigPathEnvVar) != "" { //nolint:forbidigo // as client-go does
			from = clientcmd.RecommendedConfigPathEnvVar
		}
	}
	raw, _ := newLoader(o).clientcmd.RawConfig()
	name := cmp.Or(o.Context, raw.CurrentContext)
	if name == "" {
		return "the pod's own access"
	}
	return from + ", context " + name
}

type loader struct {
	clientcmd clientcmd.ClientConfig
	missing   []string // the files that KUBECONFIG names, if none of them exists
}

func newLoader(o Options) *loader {
	silenceLog()
	l := &loader{}
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	rules.ExplicitPath = o.Kubeconfig
	rules.Warner = func(err error) {
		if all, ok := errors.AsType[clientcmd.MissingConfigError](err); ok {
			l.missing = all.Missing
		}
	}
	l.clientcmd = clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, &clientcmd.ConfigOverrides{CurrentContext: o.Context})
	return l
}

// configError says why the kubeconfig cannot be used. It repeats none of the parser's
// words, which can quote a token.
func configError(o Options, err error) error {
	raw, rawErr := newLoader(o).clientcmd.RawConfig()
	unreadable := unreadable(o)
	_, known := raw.Contexts[o.Context]
	switch {
	case unreadable != nil:
		return &ConfigError{unreadable, "KUBECONFIG or --kubeconfig must name a file that you can read"}
	case rawErr != nil:
		return &ConfigError{errors.New("cannot be parsed"), "kubectl config view says where"}
	case o.Context != "" && !known:
		available := strings.Join(slices.Sorted(maps.Keys(raw.Contexts)), ", ")
		return &ConfigError{fmt.Errorf("context %q does not exist", o.Context), "available: " + cmp.Or(available, "none; set KUBECONFIG, or give --kubeconfig")}
	case len(raw.Contexts) == 0:
		return &ConfigError{errors.New("no cluster is configured"), "set KUBECONFIG, or give --kubeconfig and --context"}
	case raw.CurrentContext == "" && o.Context == "":
		return &ConfigError{errors.New("has no current context"), "kubectl config use-context NAME, or give --context"}
	case clientcmd.IsEmptyConfig(err):
		return &ConfigError{errors.New("the context has no cluster"), configHint}
	case !validProxy(clusterOf(raw, o).ProxyURL):
		return &ConfigError{errors.New("proxy-url must be an http, https or socks5 URL"), configHint}
	}
	return badConfig(err)
}

// validProxy reports whether client-go accepts a proxy-url. If it does not, it quotes the
// address with its password.
func validProxy(address string) bool {
	u, err := url.Parse(address)
	return address == "" || err == nil && slices.Contains([]string{"http", "https", "socks5"}, u.Scheme)
}

// unreadable names the file of the kubeconfig that cannot be read. client-go has only
// text for that.
func unreadable(o Options) error {
	files := clientcmd.NewDefaultClientConfigLoadingRules().Precedence
	if o.Kubeconfig != "" {
		files = []string{o.Kubeconfig}
	}
	for _, name := range files {
		_, err := clientcmd.LoadFromFile(name)
		failed, ok := errors.AsType[*fs.PathError](err)
		if ok && (o.Kubeconfig != "" || !errors.Is(err, fs.ErrNotExist)) { // KUBECONFIG may name files that do not exist
			return fmt.Errorf("%s: %w", name, failed.Err)
		}
	}
	return nil
}

// checkPrivacy refuses a kubeconfig whose server has credentials in its address, which errors
// show, or that sends credentials and values in plain text.
func checkPrivacy(config *rest.Config, address string, allowHTTP bool) error {
	if !strings.Contains(address, "://") {
		address = "https://" + address
	}
	if err := transport.CheckAddress("server", address, true); err != nil {
		return &ConfigError{err, hint.Of(err)}
	}
	server, _, err := rest.DefaultServerUrlFor(config)
	if err != nil {
		return badConfig(err)
	}
	if err := transport.CheckAddress("server", server.String(), allowHTTP); err != nil {
		return &ConfigError{err, hint.Of(err)}
	}
	if config.Proxy != nil && server.Scheme == "http" && !allowHTTP {
		return &ConfigError{
			fmt.Errorf("proxy-url: the proxy would receive requests to http://%s in plain text", server.Host),
			"use https, or --allow-http where the network in between is trusted",
		}
	}
	if err := transport.CheckProxy("server", server.String(), http.ProxyFromEnvironment, allowHTTP); err != nil {
		return &ConfigError{err, hint.Of(err)}
	}
	return nil
}

// Warnings returns what weakens the security of the connection, for every run to repeat.
func (c *Cluster) Warnings() []string {
	if !c.config.Insecure {
		return nil
	}
	return []string{fmt.Sprintf("the kubeconfig skips TLS verification of %s (insecure-skip-tls-verify): whoever is in between reads tokens and values", c.config.Host)}
}
