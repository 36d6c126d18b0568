package mount

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/secretctl/secretctl/internal/sandbox/kubernetes"
	"github.com/secretctl/secretctl/internal/sandbox/loopback"
)

const providerPatience = 20 * time.Second

// vaultProvider reads what a SecretProviderClass names, as HashiCorp's provider
// does. It keeps its token until Vault refuses it.
type vaultProvider struct {
	pod       *pod
	cluster   *kubernetes.Server
	address   string
	namespace string
	role      string
	authMount string
	audience  string
	objects   []vaultObject
	client    *http.Client
	token     string
}

// vaultObject is an item of the parameter objects. Keys that it does not have are
// dropped without a word, as the provider does.
type vaultObject struct {
	Name       string      `yaml:"objectName"`
	Path       string      `yaml:"secretPath"`
	Key        string      `yaml:"secretKey"`
	Permission fs.FileMode `yaml:"filePermission"`
	Encoding   string      `yaml:"encoding"`
}

func newVaultProvider(p *pod, in secretsVolume, o Options) (provider, error) {
	v := &vaultProvider{
		pod: p, cluster: o.Kubernetes, address: o.VaultAddress, namespace: in.parameters["vaultNamespace"],
		role: in.parameters["roleName"], authMount: strings.Trim(in.parameters["vaultKubernetesMountPath"], "/"),
		audience: in.parameters["audience"],
		client:   &http.Client{Timeout: providerPatience, Transport: &http.Transport{DisableKeepAlives: true}},
	}
	if v.address == "" {
		v.address = in.parameters["vaultAddress"]
	}
	if v.authMount == "" {
		v.authMount = "kubernetes"
	}
	if v.role == "" {
		return nil, errors.New("missing 'roleName' in SecretProviderClass definition")
	}
	if err := yaml.Unmarshal([]byte(in.parameters["objects"]), &v.objects); err != nil {
		return nil, fmt.Errorf("objects in SecretProviderClass: %w", err)
	}
	if len(v.objects) == 0 {
		return nil, errors.New("no secrets configured - the provider will not read any secret material")
	}
	names := map[string]bool{}
	for _, o := range v.objects {
		if names[o.Name] {
			return nil, fmt.Errorf("objectName %q is there twice, it must be unique", o.Name)
		}
		names[o.Name] = true
	}
	return v, nil
}

// fetch returns the files, for which every path is read once.
func (v *vaultProvider) fetch(ctx context.Context) (map[string]file, error) {
	files, answers := map[string]file{}, map[string]*vaultAnswer{}
	for _, o := range v.objects {
		if answers[o.Path] == nil {
			answer, err := v.read(ctx, o.Path)
			if err != nil {
				return nil, fmt.Errorf("error making mount request: couldn't read secret %q: %w", o.Name, err)
			}
			answers[o.Path] = answer
		}
		content, err := answers[o.Path].content(o)
		if err != nil {
			return nil, fmt.Errorf("error making mount request: {%s}: {%w}", o.Path, err)
		}
		mode := o.Permission
		if mode == 0 {
			mode = fileMode
		}
		files[o.Name] = file{content: content, mode: mode}
	}
	return files, nil
}

// read reads a path. A refusal may mean that the token has run out: then it logs
// in once more.
func (v *vaultProvider) read(ctx context.Context, path string) (*vaultAnswer, error) {
	fresh := v.token == ""
	if err := v.login(ctx); err != nil {
		return nil, err
	}
	answer, err := v.request(ctx, http.MethodGet, strings.Trim(path, "/"), nil)
	var refused *providerError
	if !fresh && errors.As(err, &refused) && refused.status == http.StatusForbidden {
		v.token = ""
		if err := v.login(ctx); err != nil {
			return nil, err
		}
		answer, err = v.request(ctx, http.MethodGet, strings.Trim(path, "/"), nil)
	}
	if err != nil {
		return nil, fmt.Errorf("error requesting secret: %w", err)
	}
	return answer, nil
}

// login gets a token for the pod's ServiceAccount, where there is none.
func (v *vaultProvider) login(ctx context.Context) error {
	if v.token != "" {
		return nil
	}
	var audiences []string
	if v.audience != "" {
		audiences = []string{v.audience}
	}
	jwt, err := v.cluster.Token(v.pod.namespace, v.pod.account, audiences...)
	if err != nil {
		return err
	}
	answer, err := v.request(ctx, http.MethodPost, "auth/"+v.authMount+"/login", map[string]string{"role": v.role, "jwt": jwt})
	if err != nil {
		return fmt.Errorf("failed to login: %w", err)
	}
	v.token = answer.Auth.ClientToken
	return nil
}

// vaultAnswer is what the provider reads of an answer.
type vaultAnswer struct {
	Auth struct {
		ClientToken string `json:"client_token"`
	} `json:"auth"`
	Data     map[string]any `json:"data"`
	Errors   []string       `json:"errors"`
	Warnings []string       `json:"warnings"`

	whole []byte
}

// providerError is an answer that is no success.
type providerError struct {
	method, url string
	status      int
	problems    []string
}

func (e *providerError) Error() string {
	text := fmt.Sprintf("URL: %s %s Code: %d. Errors:", e.method, e.url, e.status)
	for _, p := range e.problems {
		text += " * " + p
	}
	return strings.Join(strings.Fields(text), " ")
}

func (v *vaultProvider) request(ctx context.Context, method, path string, body any) (*vaultAnswer, error) {
	content, err := json.Marshal(body)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, method, strings.TrimRight(v.address, "/")+"/v1/"+path, bytes.NewReader(content))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-Vault-Request", "true")
	if v.token != "" {
		req.Header.Set("X-Vault-Token", v.token)
	}
	if v.namespace != "" {
		req.Header.Set("X-Vault-Namespace", v.namespace)
	}
	resp, err := v.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	answer := &vaultAnswer{}
	answer.whole, err = io.ReadAll(io.LimitReader(resp.Body, loopback.MaxRequest))
	if err != nil {
		return nil, err
	}
	// What is no JSON is told by its status.
	_ = json.Unmarshal(answer.whole, answer)
	if resp.StatusCode != http.StatusOK {
		return nil, &providerError{method: method, url: req.URL.String(), status: resp.StatusCode, problems: append(answer.Errors, answer.Warnings...)}
	}
	return answer, nil
}

// content returns what goes into an object's file.
func (a *vaultAnswer) content(o vaultObject) ([]byte, error) {
	if o.Key == "" {
		return a.whole, nil
	}
	data, inner := a.Data["data"].(map[string]any) // KV version 2 has it one level deeper
	if !inner {
		data = a.Data
	}
	value, found := data[o.Key]
	if !found {
		return nil, fmt.Errorf("key %q does not exist at the secret path", o.Key)
	}
	text, is := value.(string)
	if !is {
		return json.Marshal(value)
	}
	return decodeValue(text, o.Encoding)
}
