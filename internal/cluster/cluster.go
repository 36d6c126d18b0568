// Package cluster owns what secretctl asks of Kubernetes: the workload, what its pods
// have mounted, the CSI driver and what it reports. It returns plain facts, judges none
// of them, and prints nothing. It cleans messages, such as those of errors, events and
// logs; names are as the cluster has them, for the caller to clean. It changes only what
// [Cluster.Nudge], [Cluster.CreateProbe] and [Cluster.DeleteProbes] say; the content of a
// file in a pod leaves it only as a [secret.Value]. It uses client-go's connections and
// not its clientset, which would make every start of secretctl ten times slower.
package cluster

import (
	"cmp"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	utilnet "k8s.io/apimachinery/pkg/util/net"
	"k8s.io/client-go/rest"
	"k8s.io/klog/v2"

	"github.com/secretctl/secretctl/internal/secret"
	"github.com/secretctl/secretctl/internal/transport"
)

// Options says which cluster to connect to, and how.
type Options struct {
	Kubeconfig string    // a file; "" means $KUBECONFIG, ~/.kube/config, or the pod that secretctl runs in
	From       string    // what set Kubeconfig, for errors; "" means --kubeconfig
	Context    string    // of the kubeconfig; "" means its current one
	Log        io.Writer // gets a line for each request; may be nil

	AllowHTTP bool          // allow plain http to another host
	Timeout   time.Duration // of one request with its answer; 0 means [transport.RequestTimeout]
	// Shorten shortens what the provider of the CSI driver writes into events and logs,
	// before it is cut; may be nil.
	Shorten func(text string) string
	// Sanitizer learns the credentials in use, and cleans what the cluster says.
	Sanitizer *secret.Sanitizer
}

// Cluster is a connection to one Kubernetes cluster. Its methods may be called
// from several goroutines.
type Cluster struct {
	config    *rest.Config
	name      string // of the cluster, in errors
	client    *rest.RESTClient
	shorten   func(string) string
	sanitizer *secret.Sanitizer
	silent    atomic.Pointer[silentServer]
	workloads sync.Map // that were read, by kind, namespace and name
}

// Connect prepares a connection and sends nothing. What is wrong with the
// configuration is a [*ConfigError].
func Connect(o Options) (*Cluster, error) {
	config, err := loadConfig(o)
	if err != nil {
		return nil, err
	}
	c, err := newCluster(config, o)
	if err == nil {
		c.name = transport.Named("kubernetes", config.Host, c.sanitizer.Line(origin(o)))
	}
	return c, err
}

func newCluster(config *rest.Config, o Options) (*Cluster, error) {
	silenceLog()
	c := &Cluster{config: config, name: "kubernetes " + config.Host, shorten: o.Shorten, sanitizer: cmp.Or(o.Sanitizer, &secret.Sanitizer{})}
	if c.shorten == nil {
		c.shorten = func(text string) string { return text }
	}
	config.UserAgent = "secretctl"
	config.QPS = -1 // no limit of client-go's: the API server has its own, and callers limit how much they ask at once
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
	over.CheckRedirect = followNone
	c.client, err = rest.UnversionedRESTClientForConfigAndClient(config, over)
	if err != nil {
		return nil, badConfig(err)
	}
	return c, nil
}

// followNone is for clients of client-go, which would give the token to whatever address a
// redirect names.
func followNone(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// Close closes the connections that no request uses. The Cluster can still be used.
func (c *Cluster) Close() { utilnet.CloseIdleConnectionsFor(c.client.Client.Transport) }

// Host returns the address of the API server.
func (c *Cluster) Host() string { return c.config.Host }

// silenceLog keeps client-go's log, which is the process's, off stderr: what matters it also
// returns as an error.
var silenceLog = sync.OnceFunc(func() { klog.SetLogger(klog.Logger{}) })
