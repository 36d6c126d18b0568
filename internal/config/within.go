package config

import (
	"bytes"
	"encoding/json"
	"slices"

	yaml "go.yaml.in/yaml/v3"
	corev1 "k8s.io/api/core/v1"

	"github.com/secretctl/secretctl/internal/secret"
)

// WithinCluster returns a config file for checks that run in the cluster: the delivery,
// with the address at which pods reach Vault, and without anything that may hold a value.
// It cannot be rendered or provisioned. The same delivery gives the same bytes.
func (d *Delivery) WithinCluster() ([]byte, error) { return d.within(nil) }

// outline keeps of a body the grant types, and where it has values in the objects with
// secret fields: without these, a check takes what is plain there for a literal secret.
func (r Resource) outline() map[string]any {
	body := map[string]any{}
	for key, value := range r.Body {
		switch key {
		case "grant_types":
			body[key] = value
		case "client", "jwt", "introspection_endpoint", "parameter":
			body[key] = hide(value)
		}
	}
	return body
}

// hide replaces values, but not the name of a parameter, nor that of Kafka's mechanism.
func hide(v any) any {
	switch v := v.(type) {
	case nil:
		return nil
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = hide(v[i])
		}
		return out
	case map[string]any:
		out := make(map[string]any, len(v))
		for key, value := range v {
			if out[key] = hide(value); key == "name" || v["name"] == "saslMechanism" {
				out[key] = value
			}
		}
		return out
	}
	return masked
}

// WithinRotateJob is WithinCluster for the rotate job, which generates the values of the
// secrets that it rotates and reaches Aidbox through the API server.
func (d *Delivery) WithinRotateJob() ([]byte, error) {
	c := *d
	c.Aidbox.URL = aidboxService
	return c.within(d.Rotated())
}

// within keeps the source of the secrets in generated.
func (d *Delivery) within(generated []Secret) ([]byte, error) {
	c := *d
	c.RotateJob = nil
	if d.Vault != nil {
		vault := *d.Vault
		vault.Address = vault.PodAddress()
		c.Vault = &vault
	}
	c.Context = ""   // there is no kubeconfig
	c.Canary = false // its secret and its Client are in the lists
	c.Aidbox.Admin.Secret = secret.Source{}
	c.Aidbox.Image, c.Aidbox.Replicas, c.Aidbox.Resources = "", nil, corev1.ResourceRequirements{}
	c.Aidbox.Env, c.Aidbox.EnvFrom = nil, nil
	c.Secrets = slices.Clone(d.Secrets)
	for i, s := range c.Secrets {
		c.Secrets[i].Value = secret.Source{}
		if slices.ContainsFunc(generated, func(g Secret) bool { return g.Name == s.Name }) {
			c.Secrets[i].Value.Generate = s.Value.Generate
		}
	}
	c.Resources = slices.Clone(d.Resources)
	for i, r := range c.Resources {
		c.Resources[i].Body = r.outline()
		if r.AccessPolicy != nil {
			c.Resources[i].AccessPolicy = AccessAllow
		}
		if policy, ok := r.AccessPolicy.(map[string]any); ok && policy["id"] != nil {
			c.Resources[i].AccessPolicy = map[string]any{"engine": AccessAllow, "id": policy["id"]}
		}
	}
	asJSON, err := json.Marshal(c)
	if err != nil {
		return nil, err
	}
	var tree map[string]any
	if err := json.Unmarshal(asJSON, &tree); err != nil {
		return nil, err
	}
	var out bytes.Buffer
	enc := yaml.NewEncoder(&out)
	enc.SetIndent(2)
	err = enc.Encode(tree)
	return out.Bytes(), err
}
