package cluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	remoteport "k8s.io/apimachinery/pkg/util/portforward"
	"k8s.io/client-go/tools/portforward"
	clientspdy "k8s.io/client-go/transport/spdy"
	"k8s.io/client-go/transport/websocket"
	"k8s.io/streaming/pkg/httpstream"
	"k8s.io/streaming/pkg/httpstream/spdy"

	"github.com/secretctl/secretctl/internal/hint"
	"github.com/secretctl/secretctl/internal/secret"
	"github.com/secretctl/secretctl/internal/transport"
)

// PodTransport returns an HTTP transport that reaches a port of a pod through the API
// server, whatever host the URL names. It connects at the first request, and what goes
// through it is encrypted up to the pod's node. Close it with CloseIdleConnections.
func (c *Cluster) PodTransport(namespace, pod string, port int) *http.Transport {
	return c.tunnels(func(context.Context) (string, string, int, error) { return namespace, pod, port, nil })
}

// WorkloadTransport is [Cluster.PodTransport] for a ready pod of a workload, which each
// new connection chooses. The pods are listed only if they were not before, or if the pod
// from that list is not ready any more.
func (c *Cluster) WorkloadTransport(namespace, kind, name string, port int) *http.Transport {
	return c.tunnels(func(ctx context.Context) (string, string, int, error) {
		read, _ := c.workloads.Load([3]string{kind, namespace, name})
		known, _ := read.(Workload) // without pods if it was not read
		if pod, ok := known.readyPod(); ok {
			if live, err := c.Pod(ctx, namespace, pod); err == nil && live.Ready && !live.Terminating {
				return namespace, pod, port, nil
			}
		}
		w, err := c.Workload(ctx, namespace, kind, name)
		if err != nil {
			if errors.Is(err, fs.ErrNotExist) {
				err = hint.Wrap(err, "secretctl verify workload says what to apply")
			}
			return "", "", 0, err
		}
		pod, ok := w.readyPod()
		if !ok {
			if w.Desired == 0 {
				err := fmt.Errorf("%s %s/%s has 0 replicas", w.Kind, w.Namespace, w.Name)
				return "", "", 0, hint.Wrap(err, "%s", secret.Shellf("kubectl scale -n %s %s/%s --replicas=1", w.Namespace, strings.ToLower(w.Kind), w.Name))
			}
			err := fmt.Errorf("%s %s/%s has no ready pod", w.Kind, w.Namespace, w.Name)
			return "", "", 0, hint.Wrap(err, "secretctl verify workload explains why")
		}
		return namespace, pod, port, nil
	})
}

// readyPod returns the name of a pod that serves. While a rollout is stuck, the old ones do.
func (w Workload) readyPod() (name string, ok bool) {
	ready := slices.DeleteFunc(slices.Clone(w.Pods), func(p Pod) bool { return !p.Ready || p.Terminating })
	if len(ready) == 0 {
		return "", false
	}
	return ready[max(0, slices.IndexFunc(ready, func(p Pod) bool { return p.Current }))].Name, true
}

// ServiceTransport is [Cluster.PodTransport] for a ready pod of a Service, which each new
// connection chooses. port is a number or a name; "" if the Service has only one.
func (c *Cluster) ServiceTransport(namespace, service, port string) *http.Transport {
	return c.tunnels(func(ctx context.Context) (string, string, int, error) {
		pod, number, err := c.endpoint(ctx, namespace, service, port)
		return namespace, pod, number, err
	})
}

// tunnels returns a transport whose connections lead to the pod that choose returns.
func (c *Cluster) tunnels(choose func(context.Context) (namespace, pod string, port int, err error)) *http.Transport {
	return &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		namespace, pod, port, err := choose(ctx)
		if err != nil {
			return nil, transport.Explained(err)
		}
		conn, err := c.dial(ctx, namespace, pod, port)
		if err != nil {
			return nil, transport.Explained(err)
		}
		return conn, nil
	}}
}

// endpoint returns a ready pod of a Service, and its port behind a port of the Service.
func (c *Cluster) endpoint(ctx context.Context, namespace, service, port string) (pod string, number int, err error) {
	s, err := get[corev1.Service](ctx, c, coreObject("services", namespace, service), nil)
	if err != nil {
		return "", 0, err
	}
	i := slices.IndexFunc(s.Spec.Ports, func(p corev1.ServicePort) bool {
		return port == "" && len(s.Spec.Ports) == 1 || port != "" && (port == p.Name || port == strconv.Itoa(int(p.Port)))
	})
	if i < 0 {
		return "", 0, fmt.Errorf("kubernetes: service %s/%s: has no port %q", namespace, service, port)
	}
	o := object{group: "discovery.k8s.io", version: "v1", resource: "endpointslices", namespace: namespace}
	parts, err := list[discoveryv1.EndpointSlice](ctx, c, o, query{"labelSelector": discoveryv1.LabelServiceName + "=" + service})
	if err != nil {
		return "", 0, err
	}
	for _, part := range parts {
		if pod, number, ok := readyEndpoint(part, s.Spec.Ports[i].Name); ok {
			return pod, number, nil
		}
	}
	err = fmt.Errorf("kubernetes: service %s/%s: has no ready pod", namespace, service)
	return "", 0, hint.Wrap(err, "secretctl verify workload explains why")
}

func readyEndpoint(slice discoveryv1.EndpointSlice, portName string) (pod string, port int, ok bool) {
	for _, p := range slice.Ports {
		if p.Port == nil || p.Name == nil || *p.Name != portName {
			continue
		}
		for _, e := range slice.Endpoints {
			ready := e.Conditions.Ready == nil || *e.Conditions.Ready
			if ready && e.TargetRef != nil && e.TargetRef.Kind == "Pod" {
				return e.TargetRef.Name, int(*p.Port), true
			}
		}
	}
	return "", 0, false
}

// dial opens a connection to the API server for each tunnel, so that the two end together.
func (c *Cluster) dial(ctx context.Context, namespace, pod string, port int) (*tunnel, error) {
	o := coreObject("pods", namespace, pod).at("portforward")
	link, err := c.link(ctx, o)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { _ = link.Close() }) // CreateStream takes no context
	defer stop()
	conn, err := newTunnel(link, port)
	if err != nil {
		_ = link.Close()
		return nil, fmt.Errorf("kubernetes: %s: %w", o, c.unreachable(ctx, err))
	}
	conn.name = fmt.Sprintf("port %d of pod %s/%s", port, namespace, pod)
	return conn, nil
}

// link opens a connection of streams, over WebSocket or else over SPDY.
func (c *Cluster) link(ctx context.Context, o object) (httpstream.Connection, error) {
	address := c.client.Get().AbsPath(o.path()).URL().String()
	link, err := c.linkWebSocket(ctx, address)
	if needsSPDY(err) {
		link, err = c.linkSPDY(ctx, address)
	}
	if err != nil {
		return nil, c.fail(ctx, "create", o, err)
	}
	return link, nil
}

func (c *Cluster) linkWebSocket(ctx context.Context, address string) (httpstream.Connection, error) {
	rt, holder, err := websocket.RoundTripperFor(c.config)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	conn, err := websocket.Negotiate(rt, holder, req, remoteport.WebsocketsSPDYTunnelingPrefix+portforward.PortForwardProtocolV1Name)
	if err != nil {
		return nil, err
	}
	return spdy.NewClientConnectionWithPings(portforward.NewTunnelingConnection("secretctl", conn), portforward.PingPeriod)
}

func (c *Cluster) linkSPDY(ctx context.Context, address string) (httpstream.Connection, error) {
	rt, upgrader, err := spdyTransport(c.config)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, address, nil)
	if err != nil {
		return nil, err
	}
	client := &http.Client{Transport: rt, CheckRedirect: followNone}
	link, _, err := clientspdy.NegotiateStreaming(upgrader, client, req, portforward.PortForwardProtocolV1Name)
	return link, err
}

// tunnel is the stream to a pod's port, and the connection that carries it.
type tunnel struct {
	httpstream.Stream
	link    httpstream.Connection
	name    string
	refused func() bool // waits for the node to say whether it could not connect
	started bool        // something was read
}

func newTunnel(link httpstream.Connection, port int) (*tunnel, error) {
	header := http.Header{}
	header.Set(corev1.PortHeader, strconv.Itoa(port))
	header.Set(corev1.PortForwardRequestIDHeader, "0")
	header.Set(corev1.StreamType, corev1.StreamTypeError)
	errs, err := link.CreateStream(header)
	if err != nil {
		return nil, err
	}
	_ = errs.Close() // on our side: nothing is sent there
	header.Set(corev1.StreamType, corev1.StreamTypeData)
	data, err := link.CreateStream(header)
	if err != nil {
		return nil, err
	}
	refused := sync.OnceValue(func() bool {
		message, _ := io.ReadAll(io.LimitReader(errs, maxStatus))
		return len(message) > 0
	})
	return &tunnel{Stream: data, link: link, refused: refused}, nil
}

// Read reports a refused connection if the node could not connect to the port: then it
// says so in the other stream, and closes this one.
func (t *tunnel) Read(b []byte) (int, error) {
	n, err := t.Stream.Read(b)
	if errors.Is(err, io.EOF) && n == 0 && !t.started && t.refused() {
		refused := fmt.Errorf("%s: %w", t.name, syscall.ECONNREFUSED)
		return 0, transport.Explained(hint.Wrap(refused, "aidbox.port, or the Service, must name the port that Aidbox listens on"))
	}
	t.started = t.started || n > 0
	return n, err
}

func (t *tunnel) Close() error {
	_ = t.Reset()
	return t.link.Close()
}

func (t *tunnel) LocalAddr() net.Addr              { return &net.TCPAddr{} }
func (t *tunnel) RemoteAddr() net.Addr             { return &net.TCPAddr{} }
func (t *tunnel) SetDeadline(time.Time) error      { return os.ErrNoDeadline }
func (t *tunnel) SetReadDeadline(time.Time) error  { return os.ErrNoDeadline }
func (t *tunnel) SetWriteDeadline(time.Time) error { return os.ErrNoDeadline }
