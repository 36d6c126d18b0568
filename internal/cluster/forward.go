package cluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"sync"
	"syscall"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	remoteport "k8s.io/apimachinery/pkg/util/portforward"
	"k8s.io/client-go/tools/portforward"
	"k8s.io/client-go/transport/websocket"
	"k8s.io/streaming/pkg/httpstream"
	"k8s.io/streaming/pkg/httpstream/spdy"

	"github.com/secretctl/secretctl/internal/transport"
)

// PodTransport returns an HTTP transport that reaches a port of a pod through the
// API server, whatever host the URL names; nothing is opened before the first
// request. What goes through it is encrypted up to the pod's node. Close it with
// CloseIdleConnections.
func (c *Cluster) PodTransport(namespace, pod string, port int) *http.Transport {
	return &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return c.dial(ctx, namespace, pod, port)
	}}
}

// ServiceTransport is [Cluster.PodTransport] for a ready pod of a Service, which is
// chosen anew for each connection. port is a number or a name; "" where the
// Service has one port alone.
func (c *Cluster) ServiceTransport(namespace, service, port string) *http.Transport {
	return &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		pod, number, err := c.endpoint(ctx, namespace, service, port)
		if err != nil {
			return nil, transport.Explained(err)
		}
		return c.dial(ctx, namespace, pod, number)
	}}
}

// endpoint returns a ready pod of a Service, and the pod's port that is behind a
// port of the Service.
func (c *Cluster) endpoint(ctx context.Context, namespace, service, port string) (pod string, number int, err error) {
	s, err := get[corev1.Service](ctx, c, coreObject("services", namespace, service), nil)
	if err != nil {
		return "", 0, err
	}
	name, found := "", false
	for _, p := range s.Spec.Ports {
		if port == "" && len(s.Spec.Ports) == 1 || port == p.Name && port != "" || port == strconv.Itoa(int(p.Port)) {
			name, found = p.Name, true
		}
	}
	if !found {
		return "", 0, fmt.Errorf("kubernetes: service %s/%s: has no port %q", namespace, service, port)
	}
	o := object{group: "discovery.k8s.io", version: "v1", resource: "endpointslices", namespace: namespace}
	slices, err := list[discoveryv1.EndpointSlice](ctx, c, o, query{"labelSelector": discoveryv1.LabelServiceName + "=" + service})
	if err != nil {
		return "", 0, err
	}
	for _, slice := range slices {
		if pod, number, ok := readyEndpoint(slice, name); ok {
			return pod, number, nil
		}
	}
	return "", 0, fmt.Errorf("kubernetes: service %s/%s: has no pod that is ready", namespace, service)
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

// dial opens a connection of its own to the API server for each that it returns,
// so that the two end together.
func (c *Cluster) dial(ctx context.Context, namespace, pod string, port int) (net.Conn, error) {
	conn, err := c.dialPod(ctx, namespace, pod, port)
	if err != nil {
		return nil, transport.Explained(err)
	}
	return conn, nil
}

func (c *Cluster) dialPod(ctx context.Context, namespace, pod string, port int) (*tunnel, error) {
	o := coreObject("pods", namespace, pod)
	o.sub = "portforward"
	link, err := c.link(ctx, o)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { _ = link.Close() }) // CreateStream knows no context
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
	return spdy.NewClientConnectionWithPings(portforward.NewTunnelingConnection("secretctl", conn), pingPeriod)
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
	req.Header.Set(httpstream.HeaderProtocolVersion, portforward.PortForwardProtocolV1Name)
	resp, err := rt.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	return upgrader.NewConnection(resp)
}

// tunnel is the stream to a pod's port, and the connection that carries it.
type tunnel struct {
	httpstream.Stream
	link    httpstream.Connection
	name    string
	refused func() bool // waits for what the node says; whether it could not connect
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
	_ = errs.Close() // our side of it: nothing is sent there
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

// Read says that the connection was refused where the node could not connect to
// the port: it tells so in another stream, and closes this one.
func (t *tunnel) Read(b []byte) (int, error) {
	n, err := t.Stream.Read(b)
	if errors.Is(err, io.EOF) && n == 0 && !t.started && t.refused() {
		return 0, transport.Explained(fmt.Errorf("%s: %w", t.name, syscall.ECONNREFUSED))
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
