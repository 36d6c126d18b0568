package keyvault

import (
	"cmp"
	"context"
	"strings"

	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/store"
	"github.com/secretctl/secretctl/internal/store/keyvault/azure"
)

// NewProvider describes Azure Key Vault. access says who logs in to Azure, and how it is
// reached.
func NewProvider(access azure.Access) store.Provider {
	fillIn := func(fill func(*Store, context.Context) ([]store.Found, error)) store.FillIn {
		return func(ctx context.Context, d *config.Delivery, o store.Options) ([]store.Found, error) {
			v, err := open(d, o, access)
			if err != nil {
				return nil, err
			}
			return fill(v, ctx)
		}
	}
	return store.Provider{
		Name: config.ProviderAzure, Title: "Azure Key Vault",
		Phases: phases, Recovers: true,
		Server: func(d *config.Delivery) string { return strings.Join(d.KeyVaults(), ", ") },
		Open: func(d *config.Delivery, o store.Options) (store.Store, error) {
			v, err := open(d, o, access)
			if err != nil {
				return nil, err // not a nil *Store in the interface
			}
			return v, nil
		},
		FillIn: fillIn((*Store).fillIn), FillInRotateJob: fillIn((*Store).fillInRotateJob),
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
		Job: func(d *config.Delivery, tokenFile string) store.Job {
			return job(d, d.Azure.Identity.ClientID, tokenFile, isWorkload(d))
		},
		RotateJob: func(d *config.Delivery, tokenFile string) store.Job {
			return job(d, d.RotateJob.ClientID, tokenFile, true)
		},
		Chart:       chart,
		InstallHint: "install it: secretctl install, or helm install csi-secrets-store-provider-azure; on AKS, az aks enable-addons --addons azure-keyvault-secrets-provider",
	}
}

var chart = store.Chart{
	Release: "azure-kv", Namespace: "kube-system",
	Name: "csi-secrets-store-provider-azure", Repo: "https://azure.github.io/secrets-store-csi-driver-provider-azure/charts",
	Version:   "1.8.2", // secretctl knows the parameters of this version
	Alone:     true,
	Needs:     []store.Parameter{{Name: "secrets-store-csi-driver.install", Value: "false"}},
	NeedsHint: "it brings its own driver, which a change would remove: uninstall that release first, while no pod mounts secrets",
}

// tokenAudience is the audience of tokens that Azure exchanges, in every cloud.
const tokenAudience = "api://AzureADTokenExchange"

func isWorkload(d *config.Delivery) bool { return d.Azure.Identity.Type == config.IdentityWorkload }

// job logs a Job in as a managed identity: with a token of its ServiceAccount, or
// through its node.
func job(d *config.Delivery, clientID, tokenFile string, workload bool) store.Job {
	var j store.Job
	set := func(name, value string) {
		if value != "" {
			j.Env = append(j.Env, store.Parameter{Name: name, Value: value})
		}
	}
	set("AZURE_TOKEN_CREDENTIALS", "prod") // without the logins of people
	set("AZURE_CLIENT_ID", clientID)
	if workload {
		j.Token, j.Audience = true, tokenAudience
		set("AZURE_TENANT_ID", d.Azure.TenantID)
		set("AZURE_FEDERATED_TOKEN_FILE", tokenFile)
	}
	return j
}

func annotations(d *config.Delivery) map[string]string {
	if !isWorkload(d) || d.Azure.Identity.ClientID == "" {
		return nil
	}
	return map[string]string{"azure.workload.identity/client-id": d.Azure.Identity.ClientID}
}

func tokenRequests(d *config.Delivery) []string {
	if !isWorkload(d) {
		return nil
	}
	return []string{tokenAudience}
}
