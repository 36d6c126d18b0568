// Package mount stands in for what brings a secret from its store into a pod: the
// kubelet, the Secrets Store CSI driver and its providers "vault" and "azure".
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
	// Manifests are a Deployment, its ServiceAccount, SecretProviderClasses and
	// ConfigMap, as YAML documents.
	Manifests []byte
	// Root stands for the root of the container's file system: what is mounted
	// at /run/secrets goes to Root/run/secrets.
	Root string

	// Kubernetes mints the tokens of the pod's ServiceAccount, for the provider
	// "vault". VaultAddress takes the place of the SecretProviderClass's
	// vaultAddress, which may be a name that only a cluster resolves.
	Kubernetes   *kubernetes.Server
	VaultAddress string

	// Azure has the Key Vaults and the identities, for the provider "azure".
	Azure *keyvault.Azure

	// Interval is the time between two looks at the store; 0 for none but Publish.
	Interval time.Duration
}

// Mount is a pod's volumes. It reads what the SecretProviderClasses name, with the
// rights that the pod has, and swaps the files in one step, as the driver does.
type Mount struct {
	options Options
	pod     *pod
	stop    context.CancelFunc
	ended   chan struct{}

	publishing sync.Mutex
}

// Start mounts the volumes and, with an Interval, keeps them up to date until
// Close. As a pod does not start whose volume cannot be mounted, an error of the
// first publish is returned; later ones leave the files as they are. ctx is for the
// first publish.
func Start(ctx context.Context, options Options) (*Mount, error) {
	p, err := readPod(options.Manifests)
	if err != nil {
		return nil, err
	}
	m := &Mount{options: options, pod: p, ended: make(chan struct{})}
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
	for m.options.Interval > 0 {
		select {
		case <-ctx.Done():
			return
		case <-time.After(m.options.Interval):
			_ = m.Publish(ctx) // a real pod keeps running on the files that it has
		}
	}
}

// Publish brings the files up to date now, also after Close. Files whose content
// did not change are left alone. A volume that cannot be read keeps none of the
// others from it.
func (m *Mount) Publish(ctx context.Context) error {
	m.publishing.Lock()
	defer m.publishing.Unlock()
	var failed []error
	for _, v := range m.pod.volumes {
		files, err := m.fetch(ctx, v)
		if err == nil {
			err = project(loopback.Below(m.options.Root, v.path), files)
		}
		if err != nil {
			failed = append(failed, fmt.Errorf("MountVolume.SetUp failed for volume %q: failed to mount secrets store objects for pod %s/%s: %w",
				v.name, m.pod.namespace, m.pod.name, err))
		}
	}
	return errors.Join(failed...)
}

// fetch gets what a volume holds, by file name.
func (m *Mount) fetch(ctx context.Context, v volume) (map[string][]byte, error) {
	switch {
	case v.class == nil:
		return v.files, nil
	case v.class.Provider == "vault" && m.options.Kubernetes != nil:
		return m.fromVault(ctx, v.class.Parameters)
	case v.class.Provider == "azure" && m.options.Azure != nil:
		return m.fromAzure(ctx, v.class.Parameters)
	}
	return nil, fmt.Errorf("provider not found: provider %q", v.class.Provider)
}

// Close ends the updates. The files stay. It can be called again.
func (m *Mount) Close() {
	m.stop()
	<-m.ended
}
