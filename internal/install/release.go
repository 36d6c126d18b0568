package install

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/secretctl/secretctl/internal/config"
)

// The charts, at the versions that secretctl was made for: what it knows of
// rotation was measured with this driver and with HashiCorp's provider 1.7.4, which
// the Vault chart brings; what it knows of the parameters is this Azure provider's.
const (
	driverChart   = "secrets-store-csi-driver"
	driverRepo    = "https://kubernetes-sigs.github.io/secrets-store-csi-driver/charts"
	driverVersion = "1.6.0" // released 2026-04-29

	azureChart   = "csi-secrets-store-provider-azure"
	azureRepo    = "https://azure.github.io/secrets-store-csi-driver-provider-azure/charts"
	azureVersion = "1.8.2" // Chart.yaml at the tag v1.8.2

	vaultChart   = "vault"
	vaultRepo    = "https://helm.releases.hashicorp.com"
	vaultVersion = "0.34.1" // released 2026-08-13; tested upstream with Vault 2.0, 1.21, 1.20 and 1.19
)

const (
	systemNamespace  = "kube-system"
	workloadAudience = "api://AzureADTokenExchange" // the Azure provider looks for this one, in every cloud
	defaultInterval  = 30 * time.Second
)

// Options are what the config does not say.
type Options struct {
	// PollInterval is how old a mount is at least when the driver fetches again.
	// 0 is 30 s where the driver is new, and leaves it alone where it is not.
	PollInterval time.Duration
	// DevVault also installs a Vault server in dev mode: in memory, unsealed.
	DevVault bool
	// VaultNamespace is where the release of the Vault chart goes.
	VaultNamespace string
}

// Release is a chart that has to be in the cluster, and what has to hold of it.
type Release struct {
	phase                string // what it is called in a plan
	name, namespace      string
	chart, repo, version string
	need                 []setting // it is upgraded where one of these does not hold
	fixed                []setting // it is refused where one of these does not hold
	fresh                []setting // besides, where it is new
	audiences            []string  // of the tokens that kubelet hands to the driver
	alone                bool      // a cluster has room for one release of the chart
	keepVersion          bool      // what else is in the release is not secretctl's to upgrade
	fixedHint            string
}

// setting is a value of a chart as --set takes it.
type setting struct{ key, value string }

func (s setting) String() string { return s.key + "=" + s.value }

// Releases returns what the deliveries need, in the order of installation: the
// driver, and the provider of each store that they use.
func Releases(deliveries []*config.Delivery, o Options) []Release {
	releases := []Release{driver(deliveries, o.PollInterval)}
	uses := func(provider string) bool {
		return slices.ContainsFunc(deliveries, func(d *config.Delivery) bool { return d.Provider == provider })
	}
	if uses(config.ProviderAzure) {
		releases = append(releases, azureProvider())
	}
	if uses(config.ProviderVault) {
		releases = append(releases, vault(o))
	}
	return releases
}

func driver(deliveries []*config.Delivery, interval time.Duration) Release {
	r := Release{
		phase: "driver", name: "csi", namespace: systemNamespace,
		chart: driverChart, repo: driverRepo, version: driverVersion, alone: true,
		need: []setting{{"enableSecretRotation", "true"}},
	}
	if interval == 0 {
		r.fresh = []setting{{intervalKey, defaultInterval.String()}}
	} else {
		r.need = append(r.need, setting{intervalKey, interval.String()})
	}
	for _, d := range deliveries {
		switch {
		case d.Provider == config.ProviderAzure && d.Azure.Identity.Type == config.IdentityWorkload:
			r.audiences = append(r.audiences, workloadAudience)
		case d.Provider == config.ProviderVault && d.Vault.Audience != "":
			r.audiences = append(r.audiences, d.Vault.Audience)
		}
	}
	slices.Sort(r.audiences)
	r.audiences = slices.Compact(r.audiences)
	return r
}

func azureProvider() Release {
	return Release{
		phase: "azure", name: "azure-kv", namespace: systemNamespace,
		chart: azureChart, repo: azureRepo, version: azureVersion, alone: true,
		fixed:     []setting{{driverChart + ".install", "false"}},
		fixedHint: "it brings a driver of its own, which would go with a change: uninstall that release first, while no pod mounts secrets",
	}
}

// vault is the CSI provider alone, or with a dev server. A Vault that somebody
// runs from the same chart is never touched.
func vault(o Options) Release {
	r := Release{
		phase: "vault", name: "vault", namespace: o.VaultNamespace,
		chart: vaultChart, repo: vaultRepo, version: vaultVersion, keepVersion: true,
		fixed:     []setting{{"csi.enabled", "true"}},
		fresh:     []setting{{"server.enabled", "false"}, {"injector.enabled", "false"}},
		fixedHint: "secretctl does not change a Vault that is there: give another namespace with --vault-namespace",
	}
	if o.DevVault {
		r.fixed = append(r.fixed, setting{"server.dev.enabled", "true"})
		r.fresh = []setting{{"injector.enabled", "false"}}
	}
	return r
}

const (
	intervalKey = "rotationPollInterval"
	tokensKey   = "tokenRequests"
)

// tokenRequest is an item of the driver chart's value of that name.
type tokenRequest struct {
	Audience          string `json:"audience"`
	ExpirationSeconds *int64 `json:"expirationSeconds,omitempty"`
}

// createArgs are the arguments of helm that install the release where there is none.
func (r Release) createArgs() []string {
	var requests []tokenRequest
	for _, audience := range r.audiences {
		requests = append(requests, tokenRequest{Audience: audience})
	}
	args := r.upgrade(r.name, r.namespace, r.version)
	if r.namespace != systemNamespace && r.namespace != "default" {
		args = append(args, "--create-namespace")
	}
	return append(args, setArgs(slices.Concat(r.need, r.fixed, r.fresh), requests)...)
}

func (r Release) upgrade(name, namespace, version string) []string {
	return []string{"upgrade", "--install", name, r.chart, "--repo", r.repo, "--version", version, "--namespace", namespace}
}

func setArgs(settings []setting, requests []tokenRequest) []string {
	var args []string
	for _, s := range settings {
		args = append(args, "--set", s.String())
	}
	if len(requests) > 0 {
		text, _ := json.Marshal(requests) // text and numbers: cannot go wrong
		args = append(args, "--set-json", tokensKey+"="+string(text))
	}
	return args
}

// quote writes a command as a shell reads it.
func quote(words []string) string {
	const plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_=./:@%+,"
	var out []string
	for _, w := range words {
		if w == "" || strings.Trim(w, plain) != "" {
			w = "'" + strings.ReplaceAll(w, "'", `'\''`) + "'"
		}
		out = append(out, w)
	}
	return strings.Join(out, " ")
}

func (r Release) String() string {
	return fmt.Sprintf("release %q in namespace %q", r.name, r.namespace)
}
