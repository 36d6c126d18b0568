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

	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/store"
)

// view is what a template sees. docs/render.md tells it to those who write their
// own, so a field that is here stays.
type view struct {
	Name, Namespace, Provider, MountPath string
	Vault                                *config.Vault
	Azure                                *config.Azure
	WorkloadIdentity                     string // its client ID; "" for every other identity
	Aidbox                               config.Aidbox
	Secrets                              []viewSecret // in a SecretProviderClass those that it mounts
	Mounts                               []viewMount  // of the Deployment, one for each SecretProviderClass

	Parameters          []store.Parameter // of a SecretProviderClass alone, as are the next
	Objects             []store.Object
	SecretProviderClass string // the object's name
	ConfigMap           string // the object's name
	VaultConfig         string
	VaultConfigKey      string // in the ConfigMap
	VaultConfigFile     string // in the container
	VaultConfigFolder   string
	VaultConfigChecksum string
	InitBundle          string // "" for none, as are the next
	InitBundleKey       string // in the ConfigMap
	InitBundleURL       string // of the file in the container
	InitBundleChecksum  string

	ClusterRole string // the object's name

	Service  string // that Aidbox is reached by through the API server; "" for none
	PodToken bool   // the pod's login takes a token of its ServiceAccount
	Nudge    bool   // secretctl may patch pods

	Container string     // Aidbox's in the workload
	Values    viewValues // for the Helm values alone
	Job       viewJob    // for the templates of the groups verify-job and rotate-job alone

	delivery *config.Delivery
	provider store.Provider
	wanted   store.Class // of a SecretProviderClass alone
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
	v.Aidbox.Admin = config.Admin{} // no manifest is about it
	for _, s := range d.Secrets {
		v.mount(d, s)
	}
	return v
}

func checksum(content []byte) string {
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:])
}

// maxConfigMap is what a ConfigMap can hold.
const maxConfigMap = 1 << 20

// setInitBundle adds a bundle to what the pod has.
func (v *view) setInitBundle(bundle []byte) error {
	if len(bundle) == 0 {
		return nil
	}
	if len(bundle)+len(v.VaultConfig) > maxConfigMap {
		return refuse("leave the resources to secretctl client apply, without --with "+WithInitBundle,
			"the Init Bundle and the vault config are more than the 1 MiB that a ConfigMap can hold")
	}
	v.InitBundle, v.InitBundleKey, v.InitBundleChecksum = string(bundle), "init-bundle.json", checksum(bundle)
	v.InitBundleURL = "file://" + path.Join(v.VaultConfigFolder, v.InitBundleKey)
	return nil
}

// mount notes where a secret is mounted.
func (v *view) mount(d *config.Delivery, s config.Secret) {
	m := viewMount{"secrets" + d.VaultSuffix(s.KeyVault), d.MountFolder(s), d.ClassName(s.KeyVault)}
	if !slices.Contains(v.Mounts, m) {
		v.Mounts = append(v.Mounts, m)
	}
}

// ofClass returns what the template of a SecretProviderClass sees: of several Key
// Vaults the one that it is for.
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

// quote returns s as a YAML string that no reader takes for anything else. What
// Go escapes, YAML reads back the same way, as long as s is valid UTF-8.
func quote(s string) (string, error) {
	if !utf8.ValidString(s) {
		return "", errNotUTF8
	}
	return strconv.QuoteToASCII(s), nil
}

// flow returns v as JSON in ASCII, which is YAML too. JSON writes what is beyond
// U+FFFF as two surrogates, which YAML refuses, so that is escaped YAML's way.
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

// literal returns text as a YAML literal block, indented so many spaces, so that
// its lines can be read; or quoted, where a block would not keep it as it is.
func literal(indent int, text string) (string, error) {
	if !literalKeeps(text) {
		return quote(text)
	}
	margin := "\n" + strings.Repeat(" ", indent)
	return "|" + margin + strings.ReplaceAll(strings.TrimSuffix(text, "\n"), "\n", margin), nil
}

// literalKeeps says whether text comes back from a literal block unchanged: it
// ends in one newline, no line is blank or the first one indented, and nothing
// in it is taken for a line break or dropped by a reader.
func literalKeeps(text string) bool {
	if !utf8.ValidString(text) || !strings.HasSuffix(text, "\n") || strings.HasPrefix(text, " ") ||
		strings.HasPrefix(text, "\n") || strings.Contains(text, "\n\n") {
		return false
	}
	return !strings.ContainsFunc(text, func(r rune) bool { return r != '\n' && !unicode.IsPrint(r) })
}
