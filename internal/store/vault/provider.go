package vault

import (
	"slices"

	"github.com/hashicorp/vault/api"

	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/store"
)

// Provider describes HashiCorp Vault.
var Provider = store.Provider{
	Name: config.ProviderVault, Title: "HashiCorp Vault",
	Phases: phases, TokenVariable: api.EnvVaultToken, Variables: ofLibrary,
	Environment: followEnvironment,
	Server:      func(d *config.Delivery) string { return d.Vault.Address },
	Open:        open,
	Classes:     classes, Compare: dialect.Compare, Read: read,

	LoginOnNode:    func(*config.Delivery) bool { return false },
	PodIdentity:    func(d *config.Delivery) string { return "with role " + d.Vault.Role },
	Audiences:      audiences,
	TokenRequests:  ownAudience,
	RequestsTokens: true,
	Annotations:    func(*config.Delivery) map[string]string { return nil },
	StatusID:       config.Secret.FileName,
	Place: func(d *config.Delivery, s config.Secret) []string {
		return []string{"Vault " + d.Vault.KVMount + "/" + s.Path, "key " + s.Key}
	},
	Address: func(d *config.Delivery) string { return d.Vault.PodAddress() },
	Files: func(d *config.Delivery) []string {
		return slices.DeleteFunc([]string{d.Vault.CSICACertPath, d.Vault.CSICADirectory}, func(path string) bool { return path == "" })
	},
	Job: func(d *config.Delivery, tokenFile string) store.Job {
		return store.Job{Token: true, Audience: d.Vault.Audience, Env: jobEnv(d), Args: []string{"--vault-jwt-file=" + tokenFile}}
	},
	RotateJob: func(d *config.Delivery, tokenFile string) store.Job {
		login := "--vault-login=" + d.Vault.AuthMount + "/" + d.Vault.RotateRole()
		return store.Job{Token: true, Audience: d.Vault.Audience, Env: jobEnv(d), Args: []string{login, "--vault-jwt-file=" + tokenFile}}
	},
	Chart:       chart,
	InstallHint: "install it: secretctl install, or helm install vault hashicorp/vault --set csi.enabled=true",
}

// jobEnv has a job verify Vault's certificate as the CSI provider does. The CA's file is in
// the provider's pod only.
func jobEnv(d *config.Delivery) (env []store.Parameter) {
	if d.Vault.CSITLSServerName != "" {
		env = append(env, store.Parameter{Name: api.EnvVaultTLSServerName, Value: d.Vault.CSITLSServerName})
	}
	if d.Vault.CSISkipTLSVerify {
		env = append(env, store.Parameter{Name: api.EnvVaultSkipVerify, Value: "true"})
	}
	return env
}

// chart installs the CSI provider, without a server or with a dev server. secretctl never
// touches a Vault that runs from the same chart. What it knows of rotation was measured
// with provider 1.7.4, which this version installs.
var chart = store.Chart{
	Release: "vault",
	Name:    "vault", Repo: "https://helm.releases.hashicorp.com",
	Version:     "0.34.1", // released 2026-08-13; tested upstream with Vault 2.0, 1.21, 1.20 and 1.19
	KeepVersion: true,
	Needs:       []store.Parameter{{Name: "csi.enabled", Value: "true"}},
	Fresh:       []store.Parameter{{Name: "server.enabled", Value: "false"}, {Name: "injector.enabled", Value: "false"}},
	NeedsHint:   "secretctl does not change an existing Vault: give another namespace with --vault-namespace",
	Dev: &store.Chart{
		Needs: []store.Parameter{{Name: "csi.enabled", Value: "true"}, {Name: "server.dev.enabled", Value: "true"}},
		Fresh: []store.Parameter{{Name: "injector.enabled", Value: "false"}},
	},
}

// providerAudience is the one audience of the CSIDriver object that the provider uses.
const providerAudience = "vault"

func audiences(d *config.Delivery, requested []string) []string {
	if d.Vault.Audience == "" && slices.Contains(requested, providerAudience) {
		return []string{providerAudience}
	}
	return ownAudience(d)
}

func ownAudience(d *config.Delivery) []string {
	if d.Vault.Audience == "" {
		return nil
	}
	return []string{d.Vault.Audience}
}
