package mount

import (
	"bytes"
	"cmp"
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"sigs.k8s.io/yaml"

	"github.com/secretctl/secretctl/internal/sandbox/keyvault"
	"github.com/secretctl/secretctl/internal/sandbox/loopback"
)

const providerTimeout = 20 * time.Second

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
	client := &http.Client{Timeout: providerTimeout, Transport: &http.Transport{DisableKeepAlives: true}}
	api := strings.TrimRight(cmp.Or(m.options.VaultAddress, parameters["vaultAddress"]), "/") + "/v1/"
	var login struct {
		Auth struct {
			ClientToken string `json:"client_token"`
		} `json:"auth"`
	}
	credentials := map[string]string{"role": parameters["roleName"], "jwt": jwt}
	if err := ask(ctx, client, api+"auth/"+parameters["vaultKubernetesMountPath"]+"/login", nil, credentials, &login); err != nil {
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
		if err := ask(ctx, client, api+o.Path, header, nil, &secret); err != nil {
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
		if err := ask(ctx, m.options.Azure.KeyVaults[at].Client, address, header, nil, &secret); err != nil {
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

// ask makes a request, a POST if there is a body, and decodes the answer. The error quotes
// an answer that is not 200.
func ask(ctx context.Context, client *http.Client, url string, header http.Header, body, answer any) error {
	method, content := http.MethodGet, []byte(nil)
	if body != nil {
		var err error
		if content, err = json.Marshal(body); err != nil {
			return err
		}
		method = http.MethodPost
	}
	req, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(content))
	if err != nil {
		return err
	}
	req.Header = header
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	said, err := io.ReadAll(io.LimitReader(resp.Body, loopback.MaxRequest))
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s %s: %s: %s", method, url, resp.Status, bytes.TrimSpace(said))
	}
	return json.Unmarshal(said, answer)
}
