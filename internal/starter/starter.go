// Package starter writes the first config file of a delivery, with comments that
// say what to change and which other keys exist. It copies nothing that may be secret.
package starter

import (
	"bytes"
	_ "embed" // of the template
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"text/template"

	sigsyaml "sigs.k8s.io/yaml"

	"github.com/secretctl/secretctl/internal/config"
)

// SchemaFile is the file beside the config that its first line names.
const SchemaFile = "secretctl.schema.json"

// Options is what the config says. An empty field has the default of the config, or
// a placeholder if there is no default.
type Options struct {
	Provider, Name, Namespace              string
	VaultAddress, CSIAddress               string // with Vault
	KeyVault                               string // with Key Vault, as are the next
	SubscriptionID, ResourceGroup, Cluster string
	AidboxURL                              string
	MountPath, ScopeFormat                 string // of an existing vault config
	Secrets                                []config.Secret

	Workload *Workload // the existing Aidbox; may be nil
	// The store's section from the existing SecretProviderClass; nil without one.
	Vault *config.Vault
	Azure *config.Azure
}

// Client is an Aidbox Client that authenticates with a secret.
type Client struct{ ID, Secret string }

// Clients returns those that the scopes name, each with the first of its secrets.
func (o Options) Clients() []Client {
	var clients []Client
	for _, s := range o.Secrets {
		for _, scope := range s.Scope {
			resourceType, id := config.SplitScope(scope)
			known := slices.ContainsFunc(clients, func(c Client) bool { return c.ID == id })
			if resourceType == "Client" && id != "" && !known {
				clients = append(clients, Client{id, s.Name})
			}
		}
	}
	return clients
}

//go:embed starter.yaml.tmpl
var file string

// File returns the config file. It does not validate it; [config.Parse] does.
func File(o Options) ([]byte, error) {
	t, err := template.New("").Funcs(template.FuncMap{"scalar": scalar, "lines": lines, "schema": func() string { return SchemaFile }}).Parse(file)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	err = t.Execute(&out, o)
	return out.Bytes(), err
}

var plain = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[A-Za-z0-9/]([-\w./:@]*[\w/])?$`) })

// scalar writes a text on one line so that YAML reads it as that text, wherever it stands,
// also in a comment.
func scalar(text string) (string, error) {
	asYAML, err := sigsyaml.Marshal(text)
	if err != nil {
		return "", err
	}
	if plain().MatchString(text) && strings.TrimSpace(string(asYAML)) == text {
		return text, nil
	}
	return strconv.Quote(text), nil // unlike JSON, it escapes every character that YAML takes for a line break
}

// lines writes a value as lines of YAML, indented.
func lines(indent int, v any) (string, error) {
	text, err := sigsyaml.Marshal(v)
	if err != nil {
		return "", err
	}
	margin := strings.Repeat(" ", indent)
	indented := margin + strings.ReplaceAll(strings.TrimSuffix(string(text), "\n"), "\n", "\n"+margin)
	return strings.ReplaceAll(indented, margin+"\n", "\n"), nil // a line of nothing stays one
}
