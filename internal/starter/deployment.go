package starter

import (
	"encoding/json"
	"errors"
	"maps"
	"path"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/store"
)

// Deployment is what a Deployment of Aidbox says already, without what may be a
// secret.
type Deployment struct {
	Name, Container       string
	ServiceAccount, Image string
	Replicas              *int32
	Port                  int32           // 0 where none is named
	Env                   []corev1.EnvVar // references, and literals that are none of the next
	Withheld              []string        // the variables whose literals may be secret
	EnvFrom               []corev1.EnvFromSource
	Resources             corev1.ResourceRequirements

	// The vault config that Aidbox is told of, "" where it is told of none, and the
	// ConfigMap that holds it, "" where it is from elsewhere.
	VaultConfig, ConfigMap, Key string

	Classes []string // the SecretProviderClasses that are mounted
}

// Describe takes from a Deployment what its config file says.
func Describe(d appsv1.Deployment) (Deployment, error) {
	pod := d.Spec.Template.Spec
	if len(pod.Containers) == 0 {
		return Deployment{}, errors.New("has no container")
	}
	c := pod.Containers[0]
	if i := slices.IndexFunc(pod.Containers, isAidbox); i >= 0 {
		c = pod.Containers[i]
	}
	found := Deployment{
		Name: d.Name, Container: c.Name, Image: c.Image, ServiceAccount: pod.ServiceAccountName,
		Replicas: d.Spec.Replicas, Port: port(c.Ports), EnvFrom: c.EnvFrom, Resources: c.Resources,
	}
	if found.ServiceAccount == "" {
		found.ServiceAccount = "default" // as Kubernetes has it
	}
	for _, e := range c.Env {
		switch {
		case e.Name == "BOX_VAULT_CONFIG" || e.Name == "AIDBOX_VAULT_CONFIG":
			found.VaultConfig = e.Value
		case e.ValueFrom == nil && mayBeSecret(e.Name, e.Value):
			found.Withheld = append(found.Withheld, e.Name)
		default:
			found.Env = append(found.Env, e)
		}
	}
	found.findVaultConfig(pod.Volumes, c.VolumeMounts)
	for _, v := range pod.Volumes {
		if v.CSI != nil && v.CSI.Driver == store.DriverName && v.CSI.VolumeAttributes["secretProviderClass"] != "" {
			found.Classes = append(found.Classes, v.CSI.VolumeAttributes["secretProviderClass"])
		}
	}
	return found, nil
}

// ReservedAccount says whether no policy can have the name of the ServiceAccount,
// as it has by default.
func (d Deployment) ReservedAccount() bool {
	return d.ServiceAccount == "default" || d.ServiceAccount == "root"
}

func isAidbox(c corev1.Container) bool { return strings.Contains(c.Name+" "+c.Image, "aidbox") }

// port returns the port that requests go to.
func port(ports []corev1.ContainerPort) int32 {
	for _, p := range ports {
		if p.Name == "http" || p.Name == "web" {
			return p.ContainerPort
		}
	}
	if len(ports) > 0 {
		return ports[0].ContainerPort
	}
	return 0
}

// findVaultConfig notes the ConfigMap that is mounted where the vault config is.
func (d *Deployment) findVaultConfig(volumes []corev1.Volume, mounts []corev1.VolumeMount) {
	for _, m := range mounts {
		below, ok := strings.CutPrefix(d.VaultConfig, m.MountPath)
		i := slices.IndexFunc(volumes, func(v corev1.Volume) bool { return v.Name == m.Name })
		if d.VaultConfig == "" || !ok || i < 0 || volumes[i].ConfigMap == nil {
			continue
		}
		file := strings.TrimPrefix(below, "/")
		if m.SubPath != "" && below == "" {
			file = m.SubPath
		}
		d.ConfigMap, d.Key = volumes[i].ConfigMap.Name, file
		for _, item := range volumes[i].ConfigMap.Items {
			if item.Path == file {
				d.Key = item.Key
			}
		}
	}
}

var (
	reference  = pattern(`\$\([^)]*\)`) // to another variable
	secretName = pattern(`(?i)PASSW|PASSPHRASE|SECRET|TOKEN|CREDENTIAL|LICENSE|PRIVATE|(KEYS?|PASS|PWD|AUTH|DSN|SALT|JWT)(_|$)`)
	// Credentials in an address, settings that name one, keys and tokens by their
	// beginning, and long texts that look random.
	secretValue = pattern(`(?i)://[^/@\s]+:[^/@\s]+@|(passw|pwd|secret|token|[a-z]key|api_key)[\w-]*["']?\s*[:=]|-----BEGIN|eyJ[\w-]{8}|^[\w+/=-]{32,}$`)
)

// mayBeSecret says whether a literal must not be copied.
func mayBeSecret(name, value string) bool {
	value = reference().ReplaceAllString(value, "")
	return value != "" && (secretName().MatchString(name) || secretValue().MatchString(value))
}

// Adopt takes over the secrets of a vault config that is there already, the folder
// of their files and its dialect.
func (o *Options) Adopt(vaultConfig []byte) error {
	var parsed struct {
		Secret map[string]struct {
			Path  string          `json:"path"`
			Scope json.RawMessage `json:"scope"`
		} `json:"secret"`
	}
	if json.Unmarshal(vaultConfig, &parsed) != nil || len(parsed.Secret) == 0 {
		return errors.New("is no vault config") // the parser may quote from it
	}
	var secrets []Secret
	folders := map[string]bool{}
	format := ""
	for _, name := range slices.Sorted(maps.Keys(parsed.Secret)) {
		s := Secret{Name: name}
		if file := path.Base(parsed.Secret[name].Path); file != name {
			s.File = file
		}
		var object struct {
			ResourceType string `json:"resource_type"`
			ID           string `json:"id"`
		}
		if json.Unmarshal(parsed.Secret[name].Scope, &s.Scope) != nil {
			if json.Unmarshal(parsed.Secret[name].Scope, &object) != nil {
				return errors.New("has a scope of neither dialect")
			}
			format = config.ScopeObject
			s.Scope = []string{strings.TrimSuffix(object.ResourceType+"/"+object.ID, "/")}
		}
		secrets = append(secrets, s)
		folders[path.Dir(parsed.Secret[name].Path)] = true
	}
	if len(folders) > 1 {
		return errors.New("has files in several folders, which mountPath cannot say")
	}
	o.Secrets, o.ScopeFormat = secrets, format
	for folder := range folders {
		o.MountPath = folder
	}
	return nil
}
