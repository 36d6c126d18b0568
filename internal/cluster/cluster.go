// Package cluster owns what secretctl asks of Kubernetes: the workload, what is
// mounted in its pods, the CSI driver and what it says. It returns plain facts,
// judges none of them, and prints nothing. It changes nothing but what
// [Cluster.Nudge] and [Cluster.CreateProbe] say; the content of a file in a pod leaves it only as a
// [secret.Value]. It works over HTTP with client-go's connections alone: its
// clientset would cost every start of secretctl ten times what this does.
package cluster

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	utilnet "k8s.io/apimachinery/pkg/util/net"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/klog/v2"

	"github.com/secretctl/secretctl/internal/secret"
	"github.com/secretctl/secretctl/internal/transport"
)

// Options says which cluster, and as whom.
type Options struct {
	Kubeconfig string    // a file; "" means $KUBECONFIG, ~/.kube/config, or the pod that this runs in
	Context    string    // of the kubeconfig; "" means its current one
	Log        io.Writer // gets a line for each request; may be nil

	AllowHTTP bool          // plain http to another host is fine
	Timeout   time.Duration // of one request with its answer; [transport.RequestTimeout] where it is 0
	// Shorten shortens what the provider of the CSI driver says in events and logs,
	// before it is cut; may be nil.
	Shorten func(text string) string
	// Sanitizer learns the credentials in use, and cleans what the cluster says.
	Sanitizer *secret.Sanitizer
}

// Cluster is a connection to one Kubernetes cluster. Its methods may be called
// from several goroutines.
type Cluster struct {
	config    *rest.Config
	client    *rest.RESTClient
	shorten   func(string) string
	sanitizer *secret.Sanitizer
	silent    atomic.Pointer[silentServer]
}

// ConfigError says that no cluster can be connected to as configured; nothing
// was attempted.
type ConfigError struct {
	err  error
	hint string
}

func (e *ConfigError) Error() string { return "kubeconfig: " + e.err.Error() }
func (e *ConfigError) Unwrap() error { return e.err }

// Hint says what to do.
func (e *ConfigError) Hint() string { return e.hint }

// Usage says that it is a mistake of usage: nothing was attempted.
func (*ConfigError) Usage() bool { return true }

// Configured says whether there is a cluster to connect to: one is named, or the
// kubeconfig has a current one, or this runs in a pod. It does not say that it
// works, and KUBECONFIG counts as naming one even if its files do not exist.
func Configured(o Options) bool {
	if o.Kubeconfig != "" || o.Context != "" || missing(o) != "" {
		return true
	}
	_, err := loader(o).ClientConfig()
	return err == nil || !clientcmd.IsEmptyConfig(err)
}

// Connect prepares a connection and sends nothing. What is wrong with the
// configuration is a [*ConfigError].
func Connect(o Options) (*Cluster, error) {
	// client-go would go on as if nothing were configured.
	if files := missing(o); files != "" {
		return nil, &ConfigError{fmt.Errorf("%s does not exist", files), "KUBECONFIG names it: correct or unset that, or give --kubeconfig"}
	}
	config, err := loader(o).ClientConfig()
	if err != nil {
		return nil, configError(o, err)
	}
	if err := checkPrivacy(config, o.AllowHTTP); err != nil {
		return nil, err
	}
	return newCluster(config, o)
}

func newCluster(config *rest.Config, o Options) (*Cluster, error) {
	c := &Cluster{config: config, shorten: o.Shorten, sanitizer: cmp.Or(o.Sanitizer, &secret.Sanitizer{})}
	if c.shorten == nil {
		c.shorten = func(text string) string { return text }
	}
	config.UserAgent = "secretctl"
	config.QPS = -1 // no limit of client-go's: the API server has its own, and callers bound what they do at once
	config.Timeout = cmp.Or(o.Timeout, transport.RequestTimeout)
	config.WarningHandler = rest.NoWarnings{} // the default writes to stderr
	if config.Proxy == nil {
		config.Proxy = http.ProxyFromEnvironment
	}
	config.Wrap(func(next http.RoundTripper) http.RoundTripper {
		if t, ok := next.(*http.Transport); ok {
			transport.Proxied(t, t.Proxy) // with a Proxy, client-go shares it with nobody
		}
		return learning{transport.Wrap(next, o.Log), c.sanitizer}
	})
	if err := c.guardCredentials(); err != nil {
		return nil, err
	}

	// The scheme knows one type, the Status that errors come as.
	scheme := runtime.NewScheme()
	metav1.AddToGroupVersion(scheme, schema.GroupVersion{Version: "v1"})
	config.ContentType = runtime.ContentTypeJSON
	config.NegotiatedSerializer = serializer.NewCodecFactory(scheme).WithoutConversion()
	over, err := rest.HTTPClientFor(config)
	if err != nil {
		return nil, badConfig(err)
	}
	// client-go would give the token to whatever address a redirect names.
	over.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	client, err := rest.UnversionedRESTClientForConfigAndClient(config, over)
	if err != nil {
		return nil, badConfig(err)
	}
	c.client = client
	return c, nil
}

// Close closes the connections that no request uses. It may be used afterwards.
func (c *Cluster) Close() { utilnet.CloseIdleConnectionsFor(c.client.Client.Transport) }

// badConfig has the words of client-go, which name files and fields of the kubeconfig.
func badConfig(err error) error {
	return &ConfigError{(*secret.Sanitizer)(nil).Err(err), "kubectl config view shows what is configured"}
}

// Host returns the address of the API server.
func (c *Cluster) Host() string { return c.config.Host }

// silenceLog keeps client-go's log, which is the process's, off stderr.
var silenceLog = sync.OnceFunc(func() { klog.SetLogger(klog.Logger{}) })

// missing returns the files that KUBECONFIG names, if none of them exists and they count.
func missing(o Options) string {
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	if o.Kubeconfig != "" || !rules.WarnIfAllMissing { // which says that KUBECONFIG is set
		return ""
	}
	for _, file := range rules.Precedence {
		if _, err := os.Stat(file); !errors.Is(err, fs.ErrNotExist) {
			return ""
		}
	}
	return strings.Join(rules.Precedence, ", ")
}

// unreadable says which file of the kubeconfig cannot be read, and why. client-go
// reports that as it reports what cannot be parsed.
func unreadable(o Options) error {
	files := clientcmd.NewDefaultClientConfigLoadingRules().Precedence
	if o.Kubeconfig != "" {
		files = []string{o.Kubeconfig}
	}
	for _, name := range files {
		info, err := os.Stat(name)
		if err == nil && info.IsDir() {
			return fmt.Errorf("%s is a directory", name)
		}
		if err == nil && info.Mode().IsRegular() { // opening a pipe could wait for ever
			var file *os.File
			if file, err = os.Open(name); err == nil {
				err = file.Close()
			}
		}
		path, failed := errors.AsType[*fs.PathError](err)
		switch {
		case errors.Is(err, fs.ErrNotExist) && o.Kubeconfig == "":
		case errors.Is(err, fs.ErrNotExist):
			return fmt.Errorf("%s does not exist", name)
		case failed:
			return fmt.Errorf("%s: %w", name, path.Err)
		}
	}
	return nil
}

func loader(o Options) clientcmd.ClientConfig {
	silenceLog()
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	rules.ExplicitPath = o.Kubeconfig
	rules.Warner = func(error) {} // the default writes to stderr
	return clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, &clientcmd.ConfigOverrides{CurrentContext: o.Context})
}

// configError says why there is no configuration. It repeats none of the
// parser's words, which can quote a token.
func configError(o Options, err error) error {
	raw, rawErr := loader(o).RawConfig()
	unreadable := unreadable(o)
	_, known := raw.Contexts[o.Context]
	switch {
	case unreadable != nil:
		return &ConfigError{unreadable, "KUBECONFIG or --kubeconfig must name a file that you can read"}
	case rawErr != nil:
		return &ConfigError{errors.New("cannot be parsed"), "kubectl config view says where"}
	case o.Context != "" && !known:
		there := "none is configured: set KUBECONFIG, or give --kubeconfig"
		if names := slices.Sorted(maps.Keys(raw.Contexts)); len(names) > 0 {
			there = "available: " + strings.Join(names, ", ")
		}
		return &ConfigError{fmt.Errorf("context %q does not exist", o.Context), there}
	case len(raw.Contexts) == 0:
		return &ConfigError{errors.New("no cluster is configured"), "set KUBECONFIG, or give --kubeconfig and --context"}
	case raw.CurrentContext == "" && o.Context == "":
		return &ConfigError{errors.New("has no current context"), "kubectl config use-context NAME, or give --context"}
	case clientcmd.IsEmptyConfig(err):
		return &ConfigError{errors.New("the context has no cluster"), "kubectl config view shows what is configured"}
	}
	return badConfig(err)
}

// quiet keeps client-go from logging to stderr what it returns as an error too.
func quiet(ctx context.Context) context.Context { return klog.NewContext(ctx, klog.Logger{}) }
