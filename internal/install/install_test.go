package install

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/hint"
	"github.com/secretctl/secretctl/internal/store"
)

const (
	driverFrom = "--repo https://kubernetes-sigs.github.io/secrets-store-csi-driver/charts --version 1.6.0"
	azureFrom  = "--repo https://azure.github.io/secrets-store-csi-driver-provider-azure/charts --version 1.8.2"
	vaultFrom  = "--repo https://helm.releases.hashicorp.com --version 0.34.1"
	waits      = " --wait --timeout 10m0s"
)

func TestNewClusterGetsWhatTheDeliveriesNeed(t *testing.T) {
	f := newFake(t)
	changes, err := f.run(Options{}, withVault(""), withAzure(config.IdentityWorkload), withVault("vault"), withAzure(config.IdentityWorkload))
	if err != nil {
		t.Fatal(err)
	}
	want := []store.Change{
		{Phase: "driver", Object: "kube-system/csi", Action: "create", Detail: "secrets-store-csi-driver 1.6.0"},
		{Phase: "vault", Object: "default/vault", Action: "create", Detail: "vault 0.34.1"},
		{Phase: "azure", Object: "kube-system/azure-kv", Action: "create", Detail: "csi-secrets-store-provider-azure 1.8.2"},
	}
	if d := cmp.Diff(want, changes); d != "" {
		t.Error(d)
	}
	calls := []string{
		"upgrade --install csi secrets-store-csi-driver " + driverFrom + " --namespace kube-system --set enableSecretRotation=true --set rotationPollInterval=30s" +
			` --set-json tokenRequests=[{"audience":"api://AzureADTokenExchange"},{"audience":"vault"}]` + waits,
		"upgrade --install vault vault " + vaultFrom + " --namespace default --set csi.enabled=true --set server.enabled=false --set injector.enabled=false" + waits,
		"upgrade --install azure-kv csi-secrets-store-provider-azure " + azureFrom + " --namespace kube-system --set secrets-store-csi-driver.install=false" + waits,
	}
	if d := cmp.Diff(calls, f.upgrades()); d != "" {
		t.Error(d)
	}
}

func TestOptionsDecideWhatANewClusterGets(t *testing.T) {
	tests := map[string]struct {
		delivery *config.Delivery
		options  Options
		want     []string
	}{
		"kubelet identity": {
			withAzure(config.IdentityKubelet),
			Options{},
			[]string{
				"upgrade --install csi secrets-store-csi-driver " + driverFrom + " --namespace kube-system --set enableSecretRotation=true --set rotationPollInterval=30s" + waits,
				"upgrade --install azure-kv csi-secrets-store-provider-azure " + azureFrom + " --namespace kube-system --set secrets-store-csi-driver.install=false" + waits,
			},
		},
		"dev Vault": {
			withVault(""),
			Options{Dev: true, PollInterval: 90 * time.Second, Namespace: "vault"},
			[]string{
				"upgrade --install csi secrets-store-csi-driver " + driverFrom + " --namespace kube-system --set enableSecretRotation=true --set rotationPollInterval=1m30s" + waits,
				"upgrade --install vault vault " + vaultFrom + " --namespace vault --create-namespace --set csi.enabled=true --set server.dev.enabled=true --set injector.enabled=false" + waits,
			},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			f := newFake(t)
			if _, err := f.run(test.options, test.delivery); err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(test.want, f.upgrades()); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestExistingReleasesAreLeftAlone(t *testing.T) {
	production := release{"hashi", "vault", "deployed", "vault-0.31.0", `{"csi": {"enabled": true}, "server": {"ha": {"enabled": true}}}`}
	tests := map[string]struct {
		releases []release
		options  Options
		delivery *config.Delivery
		want     []store.Change
	}{
		"as secretctl leaves it": {
			[]release{driverThere, vaultThere},
			Options{},
			withVault(""),
			[]store.Change{
				{Phase: "driver", Object: "kube-system/csi", Action: "unchanged", Detail: "secrets-store-csi-driver 1.6.0"},
				{Phase: "vault", Object: "default/vault", Action: "unchanged", Detail: "vault 0.34.1"},
			},
		},
		"the same interval in other words, and a token for somebody else": {
			[]release{driverThere.with(func(r *release) {
				r.values = `{"enableSecretRotation": "true", "rotationPollInterval": "2m", "tokenRequests": [{"audience": "other"}, {"audience": "api://AzureADTokenExchange"}]}`
			}), azureThere},
			Options{PollInterval: 120 * time.Second},
			withAzure(config.IdentityWorkload),
			[]store.Change{
				{Phase: "driver", Object: "kube-system/csi", Action: "unchanged", Detail: "secrets-store-csi-driver 1.6.0"},
				{Phase: "azure", Object: "kube-system/azure-kv", Action: "unchanged", Detail: "csi-secrets-store-provider-azure 1.8.2"},
			},
		},
		"under other names, newer, and charts with similar names": {
			[]release{
				driverThere.with(func(r *release) { r.name, r.namespace, r.chart = "driver", "csi", driverChart+"-1.6.1" }),
				{"gcp", "csi", "deployed", "secrets-store-csi-driver-provider-gcp-1.7.0", `{}`},
				{"vso", "vault", "deployed", "vault-secrets-operator-0.10.0", `{}`},
				production,
			},
			Options{},
			withVault(""),
			[]store.Change{
				{Phase: "driver", Object: "csi/driver", Action: "unchanged", Detail: "secrets-store-csi-driver 1.6.1", Warning: "newer than 1.6.0, with which secretctl was tested"},
				{Phase: "vault", Object: "vault/hashi", Action: "unchanged", Detail: "vault 0.31.0"},
			},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			f := newFake(t, test.releases...)
			changes, err := f.run(test.options, test.delivery)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(test.want, changes); d != "" {
				t.Error(d)
			}
			if calls := f.upgrades(); calls != nil {
				t.Error(calls)
			}
		})
	}
}

func TestDriverThatLacksSomethingIsUpgradedAndKeepsTheRest(t *testing.T) {
	const start = "upgrade --install csi secrets-store-csi-driver " + driverFrom + " --namespace kube-system --reset-then-reuse-values --set enableSecretRotation=true"
	tests := map[string]struct {
		change  func(*release)
		options Options
		detail  string
		call    string
	}{
		"no rotation": {
			func(r *release) {
				r.values = `{"enableSecretRotation": false, "tokenRequests": [{"audience": "vault"}]}`
			},
			Options{},
			"enableSecretRotation=true", start,
		},
		"older": {
			func(r *release) { r.chart = driverChart + "-1.5.6" },
			Options{},
			"1.5.6 -> 1.6.0", start,
		},
		"failed": {
			func(r *release) { r.status = "failed" },
			Options{},
			"its last operation failed", start,
		},
		"another interval than asked for": {
			func(*release) {},
			Options{PollInterval: time.Minute},
			"rotationPollInterval=1m0s", start + " --set rotationPollInterval=1m0s",
		},
		"no token for the audience": {
			func(r *release) {
				r.values = `{"enableSecretRotation": true, "tokenRequests": [{"audience": "other", "expirationSeconds": 600}]}`
			},
			Options{},
			"tokens for vault", start + ` --set-json tokenRequests=[{"audience":"other","expirationSeconds":600},{"audience":"vault"}]`,
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			there := driverThere.with(func(r *release) {
				r.values = `{"enableSecretRotation": true, "rotationPollInterval": "2m", "tokenRequests": [{"audience": "vault"}]}`
				test.change(r)
			})
			f := newFake(t, there, vaultThere)
			changes, err := f.run(test.options, withVault("vault"))
			if err != nil {
				t.Fatal(err)
			}
			want := store.Change{Phase: "driver", Object: "kube-system/csi", Action: "update", Detail: test.detail}
			if d := cmp.Diff(want, changes[0]); d != "" {
				t.Error(d)
			}
			if d := cmp.Diff([]string{test.call + waits}, f.upgrades()); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestReleaseThatCannotBeChangedSafelyIsRefused(t *testing.T) {
	tests := map[string]struct {
		there    release
		options  Options
		delivery *config.Delivery
		err      string
		hint     string
	}{
		"pending": {
			driverThere.with(func(r *release) { r.status = "pending-upgrade" }),
			Options{},
			withVault(""),
			`release "csi" in namespace "kube-system": is pending-upgrade: helm is at work on it, or was killed`, "helm rollback csi --namespace kube-system",
		},
		"Azure provider with a driver of its own": {
			azureThere.with(func(r *release) { r.name, r.values = "akv", `{"secrets-store-csi-driver": {"install": true}}` }),
			Options{},
			withAzure(config.IdentityKubelet),
			`release "akv" in namespace "kube-system": secrets-store-csi-driver.install is true`, "uninstall",
		},
		"Vault without the provider": {
			vaultThere.with(func(r *release) { r.values = `{"server": {"enabled": true}}` }),
			Options{},
			withVault(""),
			`release "vault" in namespace "default": csi.enabled is not set`, "--vault-namespace",
		},
		"Vault that is not a dev server": {
			vaultThere,
			Options{Dev: true},
			withVault(""),
			`release "vault" in namespace "default": server.dev.enabled is not set`, "--vault-namespace",
		},
		"name of another chart": {
			release{"csi", "kube-system", "deployed", "csi-driver-nfs-4.9.0", `{}`},
			Options{},
			withVault(""),
			`release "csi" in namespace "kube-system": is of the chart csi-driver-nfs-4.9.0`, "uninstall",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			f := newFake(t, test.there)
			_, err := f.run(test.options, test.delivery)
			if err == nil || err.Error() != test.err || !strings.Contains(hint.Of(err), test.hint) {
				t.Errorf("%v\nhint: %s", err, hint.Of(err))
			}
			if calls := f.upgrades(); calls != nil {
				t.Error("something was changed before the refusal:", calls)
			}
		})
	}
}

func TestOwnProviderThatFailedIsTriedAgainAndSomebodyElsesVaultIsNot(t *testing.T) {
	f := newFake(t, driverThere, vaultThere.with(func(r *release) {
		r.status, r.values = "failed", `{"csi": {"enabled": true}, "server": {"enabled": false}, "injector": {"enabled": false}}`
	}))
	changes, err := f.run(Options{}, withVault(""))
	want := []string{"upgrade --install vault vault " + vaultFrom + " --namespace default --reset-then-reuse-values --set csi.enabled=true" + waits}
	if d := cmp.Diff(want, f.upgrades()); err != nil || d != "" || changes[1].Action != "update" {
		t.Errorf("%+v, %v\n%s", changes, err, d)
	}

	f = newFake(t, driverThere, vaultThere.with(func(r *release) {
		r.status, r.values = "failed", `{"csi": {"enabled": true}, "server": {"enabled": true}}`
	}))
	changes, err = f.run(Options{}, withVault(""))
	if err != nil || f.upgrades() != nil || changes[1].Action != "unchanged" || changes[1].Warning != "its last operation failed" {
		t.Errorf("%+v, %v", changes, err)
	}
}

func TestVaultOfSomebodyElseIsNotTouched(t *testing.T) {
	f := newFake(t, driverThere, release{"prod", "vault", "deployed", "vault-0.31.0", `{"csi": {"enabled": false}}`})
	changes, err := f.run(Options{}, withVault(""))
	if err != nil {
		t.Fatal(err)
	}
	if c := changes[1]; c.Action != "create" || c.Object != "default/vault" {
		t.Errorf("%+v", c)
	}
	if calls := f.upgrades(); len(calls) != 1 || !strings.HasPrefix(calls[0], "upgrade --install vault vault ") {
		t.Error(calls)
	}
}
