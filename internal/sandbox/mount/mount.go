// Package mount stands in for the kubelet with the Secrets Store CSI driver and
// its providers.
package mount

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/secretctl/secretctl/internal/sandbox/keyvault"
	"github.com/secretctl/secretctl/internal/sandbox/kubernetes"
	"github.com/secretctl/secretctl/internal/sandbox/loopback"
)

// Options describes a pod whose volumes are mounted.
type Options struct {
	// Manifests are a Deployment, its ServiceAccount, SecretProviderClass and
	// ConfigMap, as YAML documents.
	Manifests []byte
	// Root stands for the root of the container's file system: what is mounted
	// at /run/secrets goes to Root/run/secrets.
	Root string

	// Kubernetes mints the tokens of the pod's ServiceAccount, for the provider
	// "vault". VaultAddress is used in place of the SecretProviderClass's
	// vaultAddress, which may be a name that only a cluster resolves; default:
	// that address.
	Kubernetes   *kubernetes.Server
	VaultAddress string

	// Azure has the identities as which the provider "azure" reads, and the Key Vaults
	// that it finds. Without it KeyVaults are those, and whoever reads may.
	Azure     *keyvault.Azure
	KeyVaults []*keyvault.Server

	// Interval is the time between two looks at the store; 0 for none but Publish.
	Interval time.Duration
}

// provider gets what a SecretProviderClass names from a store, by file name.
type provider interface {
	fetch(ctx context.Context) (map[string]file, error)
}

func newProvider(p *pod, v secretsVolume, o Options) (provider, error) {
	switch {
	case v.provider == "vault" && o.Kubernetes != nil:
		return newVaultProvider(p, v, o)
	case v.provider == "azure" && (o.Azure != nil || len(o.KeyVaults) > 0):
		return newAzureProvider(v, o)
	}
	return nil, fmt.Errorf("provider not found: provider %q", v.provider)
}

// Mount stands in for what brings a secret from its store into a pod: the
// kubelet, the Secrets Store CSI driver and its providers "vault" and "azure". It
// reads what the SecretProviderClass names, with the rights that the pod has, and
// swaps the files in one step, as the driver does.
type Mount struct {
	options   Options
	pod       *pod
	providers []provider // of the pod's secrets, in their order
	stop      context.CancelFunc
	ended     chan struct{}

	mu     sync.Mutex // held while publishing
	paused bool
	last   error
}

// Start mounts the volumes and, with an Interval, keeps them up to date
// until Close. As a pod does not start whose volume cannot be mounted, an error
// of the first publish is returned; later ones leave the files as they are and
// show in LastError alone. ctx is for the first publish.
func Start(ctx context.Context, options Options) (*Mount, error) {
	p, err := readPod(options.Manifests)
	if err != nil {
		return nil, err
	}
	m := &Mount{options: options, pod: p, ended: make(chan struct{})}
	for _, v := range p.secrets {
		provider, err := newProvider(p, v, options)
		if err != nil {
			return nil, p.failed(v.name, err)
		}
		m.providers = append(m.providers, provider)
	}
	if err := m.Publish(ctx); err != nil {
		return nil, err
	}
	var loop context.Context
	loop, m.stop = context.WithCancel(context.WithoutCancel(ctx))
	go m.run(loop)
	return m, nil
}

func (m *Mount) run(ctx context.Context) {
	defer close(m.ended)
	if m.options.Interval <= 0 {
		return
	}
	tick := time.NewTicker(m.options.Interval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			m.tick(ctx)
		}
	}
}

func (m *Mount) tick(ctx context.Context) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.paused {
		return
	}
	if err := m.publish(ctx); ctx.Err() == nil {
		m.last = err
	}
}

// Publish brings the files up to date now, also while paused. Files whose content
// did not change are left alone.
func (m *Mount) Publish(ctx context.Context) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.last = m.publish(ctx)
	return m.last
}

func (m *Mount) publish(ctx context.Context) error {
	for _, v := range m.pod.configMaps {
		if err := project(loopback.Below(m.options.Root, v.path), v.files); err != nil {
			return fmt.Errorf("MountVolume.SetUp failed for volume %q: %w", v.name, err)
		}
	}
	var failed []error
	for i, v := range m.pod.secrets { // one that cannot be fetched keeps none of the others from it
		files, err := m.providers[i].fetch(ctx)
		if err == nil {
			err = project(loopback.Below(m.options.Root, v.path), files)
		}
		if err != nil && ctx.Err() != nil {
			return ctx.Err()
		}
		failed = append(failed, m.pod.failed(v.name, err))
	}
	return errors.Join(failed...)
}

// Pause ends rotation without a trace, as a broken driver does; Resume undoes it.
func (m *Mount) Pause() { m.pause(true) }

// Resume lets the files be kept up to date again.
func (m *Mount) Resume() { m.pause(false) }

func (m *Mount) pause(paused bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.paused = paused
}

// LastError says why the last publish failed, or nil.
func (m *Mount) LastError() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.last
}

// Env returns an environment variable that the Deployment gives to the container
// with the secrets.
func (m *Mount) Env(name string) string { return m.pod.env[name] }

// Close ends the updates. The files stay.
func (m *Mount) Close() {
	m.stop()
	<-m.ended
}

// failed words an error as the pod's event FailedMount does.
func (p *pod) failed(volume string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("MountVolume.SetUp failed for volume %q: failed to mount secrets store objects for pod %s/%s: %w", volume, p.namespace, p.name, err)
}
