// Command registrar is the sidecar that tells the kubelet of a CSI driver. It
// takes the flags of the Kubernetes project's own, which the Go module proxy
// does not serve.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"google.golang.org/grpc"
	registration "k8s.io/kubelet/pkg/apis/pluginregistration/v1"
)

func main() {
	var info registration.PluginInfo
	flag.StringVar(&info.Name, "driver", "secrets-store.csi.k8s.io", "the driver's name")
	driver := flag.String("csi-address", "/csi/csi.sock", "the driver's socket, as this process sees it")
	flag.StringVar(&info.Endpoint, "kubelet-registration-path", "", "the driver's socket, as the kubelet sees it")
	folder := flag.String("registry", "/registration", "the folder that the kubelet watches")
	flag.Parse()
	info.Type, info.SupportedVersions = registration.CSIPlugin, []string{"1.0.0"}

	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	err := run(ctx, &info, *driver, filepath.Join(*folder, info.Name+"-reg.sock"))
	stop()
	if err != nil {
		slog.Error("registrar", "error", err)
		os.Exit(1)
	}
}

// run registers the driver once it answers, until ctx ends.
func run(ctx context.Context, info *registration.PluginInfo, driver, socket string) error {
	if err := await(ctx, driver); err != nil {
		return err
	}
	if err := os.Remove(socket); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "unix", socket)
	if err != nil {
		return err
	}
	s := grpc.NewServer()
	registration.RegisterRegistrationServer(s, &server{info: info})
	context.AfterFunc(ctx, s.Stop) // which removes the socket
	slog.Info("serving", "socket", socket)
	return s.Serve(listener)
}

// await returns when somebody listens on the socket.
func await(ctx context.Context, socket string) error {
	var dialer net.Dialer
	for {
		conn, err := dialer.DialContext(ctx, "unix", socket)
		if err == nil {
			return conn.Close()
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("no driver so far: %w", err)
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// server answers the kubelet.
type server struct {
	info *registration.PluginInfo
}

func (s *server) GetInfo(context.Context, *registration.InfoRequest) (*registration.PluginInfo, error) {
	return s.info, nil
}

// NotifyRegistrationStatus only logs: the kubelet itself tries again.
func (s *server) NotifyRegistrationStatus(_ context.Context, r *registration.RegistrationStatus) (*registration.RegistrationStatusResponse, error) {
	slog.Info("the kubelet answers", "registered", r.GetPluginRegistered(), "error", r.GetError())
	return &registration.RegistrationStatusResponse{}, nil
}
