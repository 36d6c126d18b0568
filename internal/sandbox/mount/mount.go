// Package mount stands in for what brings a secret from its store into a pod: the
// kubelet, the Secrets Store CSI driver and its providers "vault" and "azure".
package mount

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
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

	// Kubernetes issues the tokens of the pod's ServiceAccount, for the provider "vault".
	// VaultAddress replaces the SecretProviderClass's vaultAddress, which may be a name
	// that only a cluster resolves.
	Kubernetes   *kubernetes.Server
	VaultAddress string

	// Azure has the Key Vaults and the identities, for the provider "azure".
	Azure *keyvault.Azure

	// Interval is the time between two reads of the store; with 0, only Publish reads it.
	Interval time.Duration
}

// Mount is a pod's volumes. It reads the objects of the SecretProviderClasses with the
// pod's rights, and swaps the files in one step, as the driver does.
type Mount struct {
	options Options
	pod     *pod
	stop    context.CancelFunc
	ended   chan struct{}

	publishing sync.Mutex
	published  map[string]map[string][]byte // the files of each volume
}

// Start mounts the volumes and, with an Interval, keeps them up to date until Close. It
// fails if a volume cannot be mounted, as a pod would not start; later errors leave the
// files as they are. ctx is for the first publish.
func Start(ctx context.Context, options Options) (*Mount, error) {
	p, err := readPod(options.Manifests)
	if err != nil {
		return nil, err
	}
	m := &Mount{options: options, pod: p, ended: make(chan struct{}), published: map[string]map[string][]byte{}}
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

// Publish brings the files up to date now, also after Close. It leaves a volume alone whose
// content did not change, and publishes the others if one cannot be read.
func (m *Mount) Publish(ctx context.Context) error {
	m.publishing.Lock()
	defer m.publishing.Unlock()
	var failed []error
	for _, v := range m.pod.volumes {
		files, err := m.fetch(ctx, v)
		if err == nil && !maps.EqualFunc(files, m.published[v.name], bytes.Equal) {
			if err = project(loopback.Below(m.options.Root, v.path), files); err == nil {
				m.published[v.name] = files
			}
		}
		if err != nil {
			failed = append(failed, fmt.Errorf("MountVolume.SetUp failed for volume %q: failed to mount secrets store objects for pod %s/%s: %w",
				v.name, m.pod.namespace, m.pod.name, err))
		}
	}
	return errors.Join(failed...)
}

// fetch returns the files of a volume.
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
