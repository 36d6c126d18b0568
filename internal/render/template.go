package render

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/hint"
	"github.com/secretctl/secretctl/internal/store"
)

// view is what a template sees. docs/render.md documents its fields for users' own
// templates, so they stay.
type view struct {
	Name, Namespace, Provider, MountPath string
	Vault                                *config.Vault
	Azure                                *config.Azure
	WorkloadIdentity                     string // its client ID; "" for every other identity
	Aidbox                               config.Aidbox
	Secrets                              []viewSecret // for a SecretProviderClass, those that it mounts
	Mounts                               []viewMount  // of the workload, one for each SecretProviderClass

	Parameters          []store.Parameter // only for a SecretProviderClass, as Objects
	Objects             []store.Object
	SecretProviderClass string // the object's name
	ConfigMap           string // the object's name
	VaultConfig         string
	VaultConfigKey      string // in the ConfigMap
	VaultConfigFile     string // in the container
	VaultConfigFolder   string
	VaultConfigChecksum string
	InitBundle          string // "" for none, as the next three
	InitBundleKey       string // in the ConfigMap
	InitBundleURL       string // of the file in the container
	InitBundleChecksum  string

	ClusterRole string // the object's name

	Service  string // of Aidbox, for connecting through the API server; "" for none
	PodToken bool   // the pod logs in with a token of its ServiceAccount
	Nudge    bool   // secretctl may patch pods

	Container string     // the name of Aidbox's
	Values    viewValues // only for Helm values
	Job       viewJob    // only for the groups verify-job and rotate-job

	delivery *config.Delivery
	provider store.Provider
	wanted   store.Class // only for a SecretProviderClass
}

type viewSecret struct {
	Name       string // the mounted file
	Path, Key  string // Vault; the path is the API's
	ObjectName string // Azure
}

// viewMount is a folder of mounted secrets. Several Key Vaults have several.
type viewMount struct {
	Volume, MountPath   string
	SecretProviderClass string // the object's name
}

func newView(d *config.Delivery, p store.Provider) *view {
	vaultConfig := d.VaultConfig()
	v := &view{
		Name: d.Name, Namespace: d.Namespace, Provider: d.Provider, MountPath: d.MountPath,
		Vault: d.Vault, Azure: d.Azure, Aidbox: d.Aidbox,
		SecretProviderClass: d.SecretProviderClassName(),
		ConfigMap:           d.ConfigMapName(),
		VaultConfig:         string(vaultConfig),
		VaultConfigKey:      config.VaultConfigKey,
		VaultConfigFile:     config.VaultConfigFile,
		VaultConfigFolder:   path.Dir(config.VaultConfigFile),
		VaultConfigChecksum: checksum(vaultConfig),
		WorkloadIdentity:    d.WorkloadIdentity(),
		ClusterRole:         d.Namespace + "-" + d.Name + "-secretctl",
		Secrets:             viewSecrets(d, d.Secrets),
		delivery:            d,
		provider:            p,
	}
	if name, _, ok := d.Aidbox.Service(); ok {
		v.Service = name
	}
	v.Aidbox.Admin = config.Admin{} // no manifest needs it
	for _, s := range d.Secrets {
		v.mount(d, s)
	}
	return v
}

func checksum(content []byte) string {
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:])
}

// setInitBundle adds the Init Bundle that the pod mounts.
func (v *view) setInitBundle(bundle []byte) error {
	if len(bundle) == 0 {
		return nil
	}
	if len(bundle)+len(v.VaultConfig) > config.MaxConfigMap {
		return hint.Usage("leave the resources to secretctl client apply, without --with "+WithInitBundle,
			"the Init Bundle and the vault config are more than the 1 MiB that a ConfigMap can hold")
	}
	if slices.ContainsFunc(v.Aidbox.Env, func(e corev1.EnvVar) bool { return e.Name == initBundleVariable }) {
		return hint.Usage("leave out one of them", "aidbox.env has %s, which --with %s sets too", initBundleVariable, WithInitBundle)
	}
	v.InitBundle, v.InitBundleKey, v.InitBundleChecksum = string(bundle), "init-bundle.json", checksum(bundle)
	v.InitBundleURL = "file://" + path.Join(v.VaultConfigFolder, v.InitBundleKey)
	return nil
}

func (v *view) setContainer(o Options) error {
	v.Container = cmp.Or(o.Container, v.Aidbox.Workload.Container)
	if len(validation.IsDNS1123Label(v.Container)) > 0 {
		return hint.Usage("use up to 63 of a-z, 0-9 and -, with no - at either end", "the container's name is not one that Kubernetes allows")
	}
	return nil
}

// mount adds the folder that a secret is mounted in.
func (v *view) mount(d *config.Delivery, s config.Secret) {
	m := viewMount{"secrets" + d.VaultSuffix(s.KeyVault), d.MountFolder(s), d.ClassName(s.KeyVault)}
	if !slices.Contains(v.Mounts, m) {
		v.Mounts = append(v.Mounts, m)
	}
}

// ofClass returns the view for the template of a SecretProviderClass, with its Key Vault.
func (v *view) ofClass(d *config.Delivery, class store.Class) *view {
	of := *v
	of.Parameters, of.Objects = class.Parameters, class.Objects
	of.wanted, of.SecretProviderClass, of.Secrets = class, class.Name, viewSecrets(d, class.Secrets)
	if v.Azure != nil && len(class.Secrets) > 0 {
		azure := *v.Azure
		azure.KeyVault = cmp.Or(class.Secrets[0].KeyVault, azure.KeyVault)
		of.Azure = &azure
	}
	return &of
}

func viewSecrets(d *config.Delivery, secrets []config.Secret) []viewSecret {
	seen := make([]viewSecret, len(secrets))
	for i, s := range secrets {
		seen[i] = viewSecret{Name: s.FileName(), Path: d.DataPath(s), Key: s.Key, ObjectName: s.ObjectName}
	}
	return seen
}

var errNotUTF8 = errors.New("is not UTF-8 text")

// quote returns s as a YAML string that no reader takes for anything else. YAML reads back
// what Go escapes, if s is valid UTF-8.
func quote(s string) (string, error) {
	if !utf8.ValidString(s) {
		return "", errNotUTF8
	}
	return strconv.QuoteToASCII(s), nil
}

// flow returns v as JSON in ASCII, which is YAML too. JSON escapes characters beyond U+FFFF
// as two surrogates, which YAML refuses, so flow escapes them as YAML does.
func flow(v any) (string, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return "", err
	}
	var out strings.Builder
	for _, r := range string(b) {
		switch {
		case r < 0x7f:
			out.WriteRune(r)
		case r <= 0xffff:
			fmt.Fprintf(&out, `\u%04x`, r)
		default:
			fmt.Fprintf(&out, `\U%08x`, r)
		}
	}
	return out.String(), nil
}

// literal returns text as a readable YAML literal block, indented by spaces; or quoted, if
// a block would not keep it unchanged.
func literal(indent int, text string) (string, error) {
	if !literalKeeps(text) {
		return quote(text)
	}
	margin := "\n" + strings.Repeat(" ", indent)
	return "|" + margin + strings.ReplaceAll(strings.TrimSuffix(text, "\n"), "\n", margin), nil
}

// literalKeeps reports whether a literal block keeps text unchanged: it ends in one newline,
// no line is blank, the first is not indented, and no reader takes a character for a line
// break or drops it.
func literalKeeps(text string) bool {
	if !utf8.ValidString(text) || !strings.HasSuffix(text, "\n") || strings.HasPrefix(text, " ") ||
		strings.HasPrefix(text, "\n") || strings.Contains(text, "\n\n") {
		return false
	}
	return !strings.ContainsFunc(text, func(r rune) bool { return r != '\n' && !unicode.IsPrint(r) })
}
