// Command vaultprovider is a provider "vault" of the Secrets Store CSI driver for
// the tests. HashiCorp's own is not to be had from the Go module proxy; this one
// takes the same parameters, logs in and reads in the same way, and has texts of
// its own in its errors. It never logs a token or a secret.
package main

import (
	"context"
	"crypto/rand"
	"errors"
	"flag"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"google.golang.org/grpc"
	corev1 "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/secrets-store-csi-driver/provider/v1alpha1"
)

func main() {
	socket := flag.String("endpoint", "/provider/vault.sock", "the socket to serve the driver on")
	health := flag.String("health-addr", ":8080", "where /health/ready answers")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	err := run(ctx, *socket, *health)
	stop()
	if err != nil {
		slog.Error("vaultprovider", "error", err)
		os.Exit(1)
	}
}

// run serves until ctx ends.
func run(ctx context.Context, socket, health string) error {
	config, err := rest.InClusterConfig()
	if err != nil {
		return err
	}
	kube, err := corev1.NewForConfig(config)
	if err != nil {
		return err
	}
	key, err := hmacKey(filepath.Join(filepath.Dir(socket), "vault.hmac"))
	if err != nil {
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
	v1alpha1.RegisterCSIDriverProviderServer(s, &provider{kube: kube, hmacKey: key})
	context.AfterFunc(ctx, s.Stop)
	slog.Info("serving", "socket", socket)
	ended := make(chan error, 2)
	go func() { ended <- s.Serve(listener) }()
	go func() { ended <- serveReady(health) }()
	return <-ended
}

// hmacKey returns the key that object versions are made with. It outlives the
// process: with another key, every secret would look rotated.
func hmacKey(file string) ([]byte, error) {
	key, err := os.ReadFile(file)
	if !errors.Is(err, fs.ErrNotExist) {
		return key, err
	}
	key = make([]byte, 32)
	_, _ = rand.Read(key)
	return key, os.WriteFile(file, key, 0o600)
}

// serveReady answers the kubelet's probe; the driver is served by then.
func serveReady(address string) error {
	mux := http.NewServeMux()
	mux.HandleFunc("/health/ready", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	s := &http.Server{Addr: address, Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	return s.ListenAndServe()
}
