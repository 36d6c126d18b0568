package mount

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/secretctl/secretctl/internal/sandbox/keyvault"
)

var azureClouds = []string{"", "AzurePublicCloud", "AzureUSGovernmentCloud", "AzureChinaCloud", "AzureGermanCloud", "AzureStackCloud"}

// azureProvider reads what a SecretProviderClass names, as Azure's provider does.
type azureProvider struct {
	vault   *keyvault.Server
	token   string
	objects []azureObject
}

// azureObject is an item of the parameter objects. Keys that it does not have are
// dropped without a word, as the provider does.
type azureObject struct {
	Name       string `yaml:"objectName"`
	Alias      string `yaml:"objectAlias"`
	Type       string `yaml:"objectType"`
	Version    string `yaml:"objectVersion"`
	Encoding   string `yaml:"objectEncoding"`
	Permission string `yaml:"filePermission"`
}

func newAzureProvider(v secretsVolume, o Options) (provider, error) {
	parameter := func(name string) string { return strings.TrimSpace(v.parameters[name]) }
	flag := func(name string) bool { return parameter(name) == "true" }
	name := parameter("keyvaultName")
	vaults := o.KeyVaults
	if o.Azure != nil {
		vaults = o.Azure.KeyVaults
	}
	at := slices.IndexFunc(vaults, func(v *keyvault.Server) bool { return strings.EqualFold(v.Name, name) })
	switch {
	case name == "":
		return nil, errors.New("keyvaultName is not set")
	case parameter("tenantID") == "" && parameter("tenantId") == "":
		return nil, errors.New("tenantId is not set")
	case !slices.Contains(azureClouds, parameter("cloudName")):
		return nil, fmt.Errorf("cloudName %s is not valid", parameter("cloudName"))
	case flag("usePodIdentity") && flag("useVMManagedIdentity"):
		return nil, errors.New("cannot enable both pod identity and user-assigned managed identity")
	case flag("useVMManagedIdentity") && parameter("clientID") != "":
		return nil, errors.New("service account tokens is not set, which workload identity (clientID) needs")
	case !flag("usePodIdentity") && !flag("useVMManagedIdentity") && parameter("clientID") == "":
		return nil, errors.New("failed to get credentials, nodePublishSecretRef secret is not set")
	case at < 0:
		return nil, fmt.Errorf("lookup %s.vault.azure.net: no such host", name)
	}
	a := &azureProvider{vault: vaults[at]}
	if o.Azure == nil {
		a.token = a.vault.NewToken(keyvault.SecretsUser)
	} else if a.token = o.Azure.PodToken(cmp.Or(parameter("clientID"), parameter("userAssignedIdentityID"), "system")); a.token == "" {
		return nil, errors.New("ManagedIdentityCredential authentication failed: Identity not found")
	}
	var err error
	a.objects, err = azureObjects(v.parameters["objects"])
	return a, err
}

// azureObjects parses a list of texts, each of which is YAML. An empty list is
// none.
func azureObjects(text string) (objects []azureObject, err error) {
	if text == "" {
		return nil, errors.New("objects is not set")
	}
	var list struct {
		Array []string `yaml:"array"`
	}
	if err := yaml.Unmarshal([]byte(text), &list); err != nil {
		return nil, fmt.Errorf("failed to yaml unmarshal objects, error: %w", err)
	}
	for i, item := range list.Array {
		var o azureObject
		if err := yaml.Unmarshal([]byte(item), &o); err != nil {
			return nil, fmt.Errorf("unmarshal failed for keyVaultObjects at index %d, error: %w", i, err)
		}
		objects = append(objects, o)
	}
	return objects, nil
}

func (a *azureProvider) fetch(ctx context.Context) (map[string]file, error) {
	files := map[string]file{}
	for _, o := range a.objects {
		f, err := a.read(ctx, o)
		if err != nil {
			return nil, fmt.Errorf("failed to get objectType:%s, objectName:%s, objectVersion:%s: %w", o.Type, o.Name, o.Version, err)
		}
		name := o.Alias
		if name == "" {
			name = o.Name
		}
		files[name] = f
	}
	return files, nil
}

func (a *azureProvider) read(ctx context.Context, o azureObject) (f file, err error) {
	if o.Type != "secret" {
		return f, errors.New("this stand-in has secrets, and neither keys nor certificates")
	}
	mode, err := strconv.ParseUint(o.Permission, 8, 9)
	if o.Permission == "" {
		mode, err = fileMode, nil
	}
	if err != nil {
		return f, fmt.Errorf("filePermission %q is no octal number", o.Permission)
	}
	address := fmt.Sprintf("https://%s.vault.azure.net/secrets/%s/%s", a.vault.Name, url.PathEscape(o.Name), url.PathEscape(o.Version))
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(address, "/")+"?api-version=7.6", nil)
	if err != nil {
		return f, err
	}
	req.Header.Set("Authorization", "Bearer "+a.token)
	resp, err := a.vault.Client.Do(req)
	if err != nil {
		return f, err
	}
	defer func() { _ = resp.Body.Close() }()
	var answer struct {
		Value string `json:"value"`
		Error struct {
			Code string `json:"code"`
		} `json:"error"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		return f, errors.New("the answer is no JSON")
	}
	if resp.StatusCode != http.StatusOK {
		return f, fmt.Errorf("GET %s RESPONSE %s ERROR CODE: %s", strings.TrimSuffix(address, "/"), resp.Status, answer.Error.Code)
	}
	f.mode = fs.FileMode(mode)
	f.content, err = decodeValue(answer.Value, o.Encoding)
	return f, err
}

// decodeValue returns what a value stands for. The error does not quote it, as
// the decoders' do.
func decodeValue(text, encoding string) (decoded []byte, err error) {
	switch strings.ToLower(encoding) {
	case "", "utf-8":
		return []byte(text), nil
	case "base64":
		decoded, err = base64.StdEncoding.DecodeString(text)
	case "hex":
		decoded, err = hex.DecodeString(text)
	default:
		return nil, errors.New("invalid encoding type. Should be utf-8, base64, or hex")
	}
	if err != nil {
		return nil, fmt.Errorf("the value is not in %s", encoding)
	}
	return decoded, nil
}
