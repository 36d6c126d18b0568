package keyvault

import (
	"cmp"
	"context"
	"strings"

	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/store"
	"github.com/secretctl/secretctl/internal/store/keyvault/azure"
)

// NewProvider returns what is known of Key Vault without a connection. access is as
// whom and how Azure is reached.
func NewProvider(access azure.Access) store.Provider {
	return store.Provider{
		Name: config.ProviderAzure, Title: "Azure Key Vault",
		Phases: phases, Recovers: true,
		Server: func(d *config.Delivery) string { return strings.Join(d.KeyVaults(), ", ") },
		Open: func(d *config.Delivery, o store.Options) (store.Store, error) {
			v, err := open(d, o, access)
			if err != nil {
				return nil, err // and not a nil *Store in an interface that is none
			}
			return v, nil
		},
		FillIn: func(ctx context.Context, d *config.Delivery, o store.Options) ([]store.Found, error) {
			v, err := open(d, o, access)
			if err != nil {
				return nil, err
			}
			return v.fillIn(ctx)
		},
		FillInRotateJob: func(ctx context.Context, d *config.Delivery, o store.Options) ([]store.Found, error) {
			v, err := open(d, o, access)
			if err != nil {
				return nil, err
			}
			return v.fillInRotateJob(ctx)
		},
		Classes: classes, Compare: dialect.Compare, Read: read,

		LoginOnNode: func(d *config.Delivery) bool { return !isWorkload(d) },
		PodIdentity: func(d *config.Delivery) string {
			return "as the managed identity with the client id " + d.Azure.Identity.ClientID
		},
		Audiences:         func(*config.Delivery, []string) []string { return []string{tokenAudience} },
		TokenRequests:     tokenRequests,
		Annotations:       annotations,
		StatusID:          func(s config.Secret) string { return s.KeyVaultType() + "/" + s.ObjectName },
		ShortenMountError: shortenMountError,
		Place: func(d *config.Delivery, s config.Secret) []string {
			return []string{"Key Vault " + cmp.Or(s.KeyVault, d.Azure.KeyVault), s.KeyVaultType() + " " + s.ObjectName}
		},
		Address: func(*config.Delivery) string { return "" },
		Job:     job,
		RotateJob: func(d *config.Delivery, tokenFile string) store.Job {
			return jobAs(d, d.RotateJob.ClientID, tokenFile)
		},
		Chart:       chart,
		InstallHint: "install it: secretctl install, or helm install csi-secrets-store-provider-azure; on AKS, az aks enable-addons --addons azure-keyvault-secrets-provider",
	}
}

var chart = store.Chart{
	Release: "azure-kv", Namespace: "kube-system",
	Name: "csi-secrets-store-provider-azure", Repo: "https://azure.github.io/secrets-store-csi-driver-provider-azure/charts",
	Version:   "1.8.2", // Chart.yaml at the tag v1.8.2, whose parameters secretctl knows
	Alone:     true,
	Needs:     []store.Parameter{{Name: "secrets-store-csi-driver.install", Value: "false"}},
	NeedsHint: "it brings a driver of its own, which would go with a change: uninstall that release first, while no pod mounts secrets",
}

// prodCredentials leaves out what a person logs in with.
var prodCredentials = store.Parameter{Name: "AZURE_TOKEN_CREDENTIALS", Value: "prod"}

// job has the job log in with a token of the ServiceAccount, or as the identity of the
// node.
func job(d *config.Delivery, tokenFile string) store.Job {
	id := d.Azure.Identity.ClientID
	switch {
	case isWorkload(d):
		return jobAs(d, id, tokenFile)
	case id != "":
		return store.Job{Env: []store.Parameter{prodCredentials, {Name: "AZURE_CLIENT_ID", Value: id}}}
	}
	return store.Job{Env: []store.Parameter{prodCredentials}}
}

// jobAs has a job log in with a token of its ServiceAccount as a managed identity.
func jobAs(d *config.Delivery, clientID, tokenFile string) store.Job {
	j := store.Job{Token: true, Audience: tokenAudience, Env: []store.Parameter{prodCredentials}}
	if clientID != "" {
		j.Env = append(j.Env, store.Parameter{Name: "AZURE_CLIENT_ID", Value: clientID})
	}
	j.Env = append(j.Env, store.Parameter{Name: "AZURE_TENANT_ID", Value: d.Azure.TenantID}, store.Parameter{Name: "AZURE_FEDERATED_TOKEN_FILE", Value: tokenFile})
	return j
}

func annotations(d *config.Delivery) map[string]string {
	if !isWorkload(d) || d.Azure.Identity.ClientID == "" {
		return nil
	}
	return map[string]string{"azure.workload.identity/client-id": d.Azure.Identity.ClientID}
}

func isWorkload(d *config.Delivery) bool { return d.Azure.Identity.Type == config.IdentityWorkload }

// tokenAudience is whom the tokens are for that Azure exchanges, in every cloud.
const tokenAudience = "api://AzureADTokenExchange"

func tokenRequests(d *config.Delivery) []string {
	if !isWorkload(d) {
		return nil
	}
	return []string{tokenAudience}
}
