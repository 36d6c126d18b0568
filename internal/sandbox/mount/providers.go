package mount

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"

	"github.com/secretctl/secretctl/internal/sandbox/keyvault"
	"github.com/secretctl/secretctl/internal/sandbox/loopback"
)

// fromVault logs in as the pod's ServiceAccount and reads each object, as
// HashiCorp's provider does.
func (m *Mount) fromVault(ctx context.Context, parameters map[string]string) (map[string][]byte, error) {
	var objects []struct {
		Name     string `json:"objectName"`
		Path     string `json:"secretPath"`
		Key      string `json:"secretKey"`
		Encoding string `json:"encoding"`
	}
	if err := yaml.Unmarshal([]byte(parameters["objects"]), &objects); err != nil || len(objects) == 0 {
		return nil, errors.New("no secrets configured - the provider will not read any secret material")
	}
	var audiences []string
	if audience := parameters["audience"]; audience != "" {
		audiences = []string{audience}
	}
	jwt, err := m.options.Kubernetes.Token(m.pod.namespace, m.pod.account, audiences...)
	if err != nil {
		return nil, err
	}
	api := strings.TrimRight(cmp.Or(m.options.VaultAddress, parameters["vaultAddress"]), "/") + "/v1/"
	var login struct {
		Auth struct {
			ClientToken string `json:"client_token"`
		} `json:"auth"`
	}
	credentials := map[string]string{"role": parameters["roleName"], "jwt": jwt}
	if err := loopback.Ask(ctx, loopback.Client, api+"auth/"+parameters["vaultKubernetesMountPath"]+"/login", nil, credentials, &login); err != nil {
		return nil, fmt.Errorf("failed to login: %w", err)
	}
	header := http.Header{"X-Vault-Token": {login.Auth.ClientToken}}
	files := map[string][]byte{}
	for _, o := range objects {
		var secret struct {
			Data struct {
				Data map[string]any `json:"data"`
			} `json:"data"`
		}
		if err := loopback.Ask(ctx, loopback.Client, api+o.Path, header, nil, &secret); err != nil {
			return nil, fmt.Errorf("couldn't read secret %q: %w", o.Name, err)
		}
		value, found := secret.Data.Data[o.Key].(string)
		if !found {
			return nil, fmt.Errorf("{%s}: key %q does not exist at the secret path", o.Path, o.Key)
		}
		if files[o.Name], err = decode(value, o.Encoding); err != nil {
			return nil, fmt.Errorf("{%s}: key %q: %w", o.Path, o.Key, err)
		}
	}
	return files, nil
}

// fromAzure reads each object as the identity that the parameters name, as Azure's
// provider does.
func (m *Mount) fromAzure(ctx context.Context, parameters map[string]string) (map[string][]byte, error) {
	name := parameters["keyvaultName"]
	at := slices.IndexFunc(m.options.Azure.KeyVaults, func(v *keyvault.Server) bool { return strings.EqualFold(v.Name, name) })
	if at < 0 {
		return nil, fmt.Errorf("lookup %s.vault.azure.net: no such host", name)
	}
	token := m.options.Azure.PodToken(cmp.Or(parameters["clientID"], parameters["userAssignedIdentityID"], "system"))
	if token == "" {
		return nil, errors.New("ManagedIdentityCredential authentication failed: Identity not found")
	}
	var objects struct {
		Array []string `json:"array"` // each of which is YAML
	}
	if err := yaml.Unmarshal([]byte(parameters["objects"]), &objects); err != nil {
		return nil, fmt.Errorf("failed to yaml unmarshal objects, error: %w", err)
	}
	header := http.Header{"Authorization": {"Bearer " + token}}
	files := map[string][]byte{}
	for _, text := range objects.Array {
		var o struct {
			Name     string `json:"objectName"`
			Alias    string `json:"objectAlias"`
			Type     string `json:"objectType"`
			Encoding string `json:"objectEncoding"`
		}
		if err := yaml.Unmarshal([]byte(text), &o); err != nil {
			return nil, fmt.Errorf("unmarshal failed for keyVaultObjects, error: %w", err)
		}
		if o.Type != "secret" {
			return nil, fmt.Errorf("objectName:%s: the stand-in supports neither certificates nor keys", o.Name)
		}
		var secret struct {
			Value string `json:"value"`
		}
		address := fmt.Sprintf("https://%s.vault.azure.net/secrets/%s?api-version=7.6", name, o.Name)
		if err := loopback.Ask(ctx, m.options.Azure.KeyVaults[at].Client, address, header, nil, &secret); err != nil {
			return nil, fmt.Errorf("failed to get objectType:secret, objectName:%s, objectVersion:: %w", o.Name, err)
		}
		file, err := decode(secret.Value, o.Encoding)
		if err != nil {
			return nil, fmt.Errorf("objectName:%s: %w", o.Name, err)
		}
		files[cmp.Or(o.Alias, o.Name)] = file
	}
	return files, nil
}

// decode decodes a value. Unlike the decoders' errors, the error does not quote it.
func decode(value, encoding string) (decoded []byte, err error) {
	switch encoding {
	case "", "utf-8":
		return []byte(value), nil
	case "base64":
		decoded, err = base64.StdEncoding.DecodeString(value)
	case "hex":
		decoded, err = hex.DecodeString(value)
	}
	if err != nil || decoded == nil {
		return nil, fmt.Errorf("the value is not in %s", encoding)
	}
	return decoded, nil
}
