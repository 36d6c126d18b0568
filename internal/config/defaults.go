package config

import (
	"cmp"
	"strings"

	"github.com/secretctl/secretctl/internal/secret"
)

// setDefaults fills in what was left out, and adds the canary. Every default is
// valid where that from which it is made is.
func (d *Delivery) setDefaults() {
	d.Name = cmp.Or(d.Name, "aidbox")
	d.Namespace = cmp.Or(d.Namespace, "default")
	d.MountPath = cmp.Or(d.MountPath, "/run/"+d.Provider+"-secrets")
	d.Aidbox.setDefaults()
	switch d.Provider {
	case ProviderVault:
		if d.Vault == nil {
			d.Vault = &Vault{}
		}
		d.Vault.setDefaults(d.Aidbox.ServiceAccount)
	case ProviderAzure:
		if d.Azure == nil {
			d.Azure = &Azure{}
		}
		d.Azure.Cloud = cmp.Or(d.Azure.Cloud, "AzurePublicCloud")
		d.Azure.Identity.Type = cmp.Or(d.Azure.Identity.Type, IdentityKubelet)
	}
	if d.Canary {
		d.addCanary()
	}
	for i := range d.Secrets {
		s := &d.Secrets[i]
		s.Path = cmp.Or(s.Path, "aidbox/"+s.Name)
		s.Key = cmp.Or(s.Key, s.Name)
		s.ObjectName = cmp.Or(s.ObjectName, s.Name)
		if d.Azure != nil {
			s.KeyVault = cmp.Or(s.KeyVault, d.Azure.KeyVault)
		}
	}
}

func (a *Aidbox) setDefaults() {
	a.URL = cmp.Or(a.URL, "http://localhost:8888")
	a.Admin.Client = cmp.Or(a.Admin.Client, "root")
	if a.Admin.Secret.IsZero() {
		a.Admin.Secret = secret.Source{Env: "AIDBOX_CLIENT_SECRET"}
	}
	a.ScopeFormat = cmp.Or(a.ScopeFormat, ScopeReferences)
	a.Deployment = cmp.Or(a.Deployment, "aidbox")
	a.ServiceAccount = cmp.Or(a.ServiceAccount, "aidbox")
	a.Image = cmp.Or(a.Image, "healthsamurai/aidboxone:2602")
	if a.Replicas == nil {
		a.Replicas = new(int32(1))
	}
	a.Port = cmp.Or(a.Port, 8080)
	a.Probe = cmp.Or(a.Probe, "/fhir/Patient")
}

func (v *Vault) setDefaults(serviceAccount string) {
	v.Address = cmp.Or(v.Address, "http://127.0.0.1:8200")
	v.CSIAddress = cmp.Or(v.CSIAddress, v.Address)
	v.KVMount = cmp.Or(v.KVMount, "secret")
	v.AuthMount = cmp.Or(v.AuthMount, "kubernetes")
	v.Role = cmp.Or(v.Role, serviceAccount)
	v.Policy = cmp.Or(v.Policy, v.Role)
	v.PolicyScope = cmp.Or(v.PolicyScope, PolicyExact)
	v.TokenTTL = cmp.Or(v.TokenTTL, "1h")
	v.KubernetesHost = cmp.Or(v.KubernetesHost, "https://kubernetes.default.svc")
}

// addCanary adds a secret, and a Client that authenticates with it, that tests of
// rotation can change without harm.
func (d *Delivery) addCanary() {
	name := d.CanarySecret()
	client := Resource{
		Type:         "Client",
		ID:           name,
		Secrets:      map[string]string{"secret": name},
		Body:         map[string]any{"grant_types": []any{"client_credentials", "basic"}},
		AccessPolicy: AccessAllow,
	}
	d.Secrets = append(d.Secrets, Secret{
		Name: name,
		// Deliveries that share a store must not rotate each other's.
		Path:       "aidbox/" + name + "/" + d.Namespace + "-" + d.Name,
		Key:        name,
		ObjectName: name + "-" + strings.ReplaceAll(d.Name, ".", "-"),
		Scope:      []string{client.Ref()},
		Value:      secret.Source{Generate: &secret.Generate{}},
	})
	d.Resources = append(d.Resources, client)
}
