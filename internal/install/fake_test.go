package install

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/provision"
	"github.com/secretctl/secretctl/internal/store"
	"github.com/secretctl/secretctl/internal/store/keyvault/azure"
	"github.com/secretctl/secretctl/internal/store/providers"
)

var known = providers.All(azure.Access{})

const ready = `{"info": {"resources": {
	"v1/ServiceAccount": [{"metadata": {"name": "csi"}, "secrets": []}],
	"v1/DaemonSet": [{"metadata": {"name": "csi", "generation": 2},
		"status": {"observedGeneration": 2, "desiredNumberScheduled": 3, "updatedNumberScheduled": 3, "numberReady": 3}}]}}}`

// notReady is a state that helm 3 accepts: one node, whose pod is not ready.
const notReady = `{"info": {"resources": {"v1/DaemonSet": [{"metadata": {"name": "csi", "generation": 1},
	"status": {"observedGeneration": 1, "desiredNumberScheduled": 1, "updatedNumberScheduled": 1}}]}}}`

// fake is the home folder of testdata/bin/helm.
type fake struct {
	*testing.T
	home string
}

// newFake returns a fake of a cluster with those releases.
func newFake(t *testing.T, releases ...release) fake {
	f := fake{t, t.TempDir()}
	list := []live{}
	for _, r := range releases {
		list = append(list, live{Name: r.name, Namespace: r.namespace, Status: r.status, Chart: r.chart})
		f.write("values-"+r.name, r.values)
	}
	text, err := json.Marshal(list)
	if err != nil {
		t.Fatal(err)
	}
	f.write("list", string(text))
	f.write("version", "v3.22.0")
	f.write("status", ready)
	return f
}

type release struct{ name, namespace, status, chart, values string }

func (f fake) write(name, text string) {
	f.Helper()
	if err := os.WriteFile(filepath.Join(f.home, name), []byte(text), 0o600); err != nil {
		f.Fatal(err)
	}
}

func (f fake) read(name string) string {
	f.Helper()
	text, err := os.ReadFile(filepath.Join(f.home, name))
	if err != nil && !os.IsNotExist(err) {
		f.Fatal(err)
	}
	return string(text)
}

// upgrades returns the calls of helm that change something.
func (f fake) upgrades() []string {
	var calls []string
	for line := range strings.Lines(f.read("calls")) {
		if strings.HasPrefix(line, "upgrade ") {
			calls = append(calls, strings.TrimSpace(line))
		}
	}
	return calls
}

func (f fake) helm() *Helm {
	path, err := filepath.Abs("testdata/bin/helm")
	if err != nil {
		f.Fatal(err)
	}
	return &Helm{
		Path: path, Env: []string{"HOME=" + f.home, "PATH=" + os.Getenv("PATH")},
		Timeout: 10 * time.Minute, poll: time.Millisecond, grace: 5 * time.Second,
	}
}

// endingWhen returns a context that ends as soon as is returns true.
func (f fake) endingWhen(is func() bool) context.Context {
	ctx, cancel := context.WithCancel(f.Context())
	go func() {
		defer cancel()
		for tick := time.Tick(time.Millisecond); !is(); {
			select {
			case <-ctx.Done():
				return
			case <-tick:
			}
		}
	}()
	return ctx
}

func (f fake) run(o Options, deliveries ...*config.Delivery) ([]store.Change, error) {
	if o.Namespace == "" {
		o.Namespace = "default"
	}
	return provision.Run(f.Context(), f.helm().Steps(Releases(known, deliveries, o)), nil, false)
}

func withVault(audience string) *config.Delivery {
	return &config.Delivery{Provider: config.ProviderVault, Vault: &config.Vault{Audience: audience}}
}

func withAzure(identity string) *config.Delivery {
	return &config.Delivery{Provider: config.ProviderAzure, Azure: &config.Azure{Identity: config.Identity{Type: identity}}}
}

// The releases as secretctl leaves them.
var (
	driverThere = release{"csi", "kube-system", "deployed", "secrets-store-csi-driver-1.6.0", `{"enableSecretRotation": true, "rotationPollInterval": "2m", "tokenRequests": []}`}
	azureThere  = release{"azure-kv", "kube-system", "deployed", "csi-secrets-store-provider-azure-1.8.2", `{"secrets-store-csi-driver": {"install": false}}`}
	vaultThere  = release{"vault", "default", "deployed", "vault-0.34.1", `{"csi": {"enabled": true}, "server": {"enabled": false}}`}
)

func (r release) with(change func(*release)) release {
	change(&r)
	return r
}
