package starter

import (
	"cmp"
	"errors"
	"maps"
	"path"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/secretctl/secretctl/internal/cluster"
	"github.com/secretctl/secretctl/internal/config"
)

// Workload is an existing Aidbox. The only value of an environment variable that it has is
// the path of the vault config.
type Workload struct {
	config.Workload
	ServiceAccount string
	Image          string
	Port           int32    // 0 if the container names none
	Mounts         []string // the paths at which the container mounts something
	Classes        []string // the SecretProviderClasses that it mounts

	// The path of the vault config, "" if no variable has it, and the ConfigMap and key that
	// hold it, "" if something else does.
	VaultConfig, ConfigMap, Key string
}

// Describe takes from a Deployment or StatefulSet what the config file needs.
func Describe(kind string, meta metav1.ObjectMeta, template corev1.PodTemplateSpec) (Workload, error) {
	pod := template.Spec
	if len(pod.Containers) == 0 {
		return Workload{}, errors.New("has no container")
	}
	c := pod.Containers[0]
	if i := slices.IndexFunc(pod.Containers, isAidbox); i >= 0 {
		c = pod.Containers[i]
	}
	w := Workload{
		Workload:       config.Workload{Kind: kind, Name: meta.Name, Container: c.Name, ManagedBy: managedBy(meta)},
		ServiceAccount: cmp.Or(pod.ServiceAccountName, "default"), // as Kubernetes has it
		Image:          c.Image, Port: port(c.Ports),
	}
	w.VaultConfig, _, _ = cluster.VaultConfigOf(c)
	deepest := ""
	for _, m := range c.VolumeMounts {
		w.Mounts = append(w.Mounts, m.MountPath)
		i := slices.IndexFunc(pod.Volumes, func(v corev1.Volume) bool { return v.Name == m.Name })
		if i < 0 {
			continue
		}
		v, folder := pod.Volumes[i], path.Clean(m.MountPath)
		if v.CSI != nil && v.CSI.VolumeAttributes["secretProviderClass"] != "" {
			w.Classes = append(w.Classes, v.CSI.VolumeAttributes["secretProviderClass"])
		}
		// The file is in the deepest mount that contains it.
		if below, in := strings.CutPrefix(w.VaultConfig, folder); in && (below == "" || below[0] == '/') && len(folder) > len(deepest) {
			deepest = folder
			w.ConfigMap, w.Key = configMapKey(v, m.SubPath, strings.TrimPrefix(below, "/"))
		}
	}
	return w, nil
}

// managedBy says who writes a workload that secretctl did not.
func managedBy(meta metav1.ObjectMeta) string {
	if meta.Labels["app.kubernetes.io/managed-by"] == "Helm" {
		return config.ManagedByHelm
	}
	return config.ManagedByKustomize
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

// configMapKey returns the ConfigMap of a volume, and the key of a file in the volume or its
// subPath; "" if it is another volume.
func configMapKey(v corev1.Volume, subPath, file string) (name, key string) {
	if v.ConfigMap == nil {
		return "", ""
	}
	file = path.Join(subPath, file)
	for _, item := range v.ConfigMap.Items {
		if item.Path == file {
			return v.ConfigMap.Name, item.Key
		}
	}
	return v.ConfigMap.Name, file
}

// ReservedAccount reports whether no policy can have the name of the ServiceAccount, as it
// has by default.
func (w Workload) ReservedAccount() bool {
	return w.ServiceAccount == "default" || w.ServiceAccount == "root"
}

// ScopeFormat returns the dialect that the image documents.
func (w Workload) ScopeFormat() string { return config.ScopeFormatOf(w.Image) }

// Adopt takes over the secrets of an existing vault config, the folder of their files
// and its dialect. Where a secret is stored comes from the one in stored with the same file.
func (o *Options) Adopt(vaultConfig []byte, stored []config.Secret) error {
	entries, err := config.ReadVaultConfig(vaultConfig)
	if err != nil || len(entries) == 0 {
		return errors.New("is no vault config") // the parser may quote from it
	}
	var secrets []config.Secret
	folders := map[string]bool{}
	format := config.ScopeReferences
	for _, name := range slices.Sorted(maps.Keys(entries)) {
		entry := entries[name]
		file := path.Base(entry.Path)
		s := config.Secret{Name: name}
		if i := slices.IndexFunc(stored, func(s config.Secret) bool { return s.Name == file }); i >= 0 {
			s = stored[i]
			s.Name = name
		}
		if file != name {
			s.File = file
		}
		switch s.Scope = entry.Scope; entry.ScopeFormat {
		case "":
			return errors.New("a scope must be a list of Type/id, or an object with resource_type and id")
		case config.ScopeObject:
			format = config.ScopeObject
		}
		secrets = append(secrets, s)
		folders[path.Dir(entry.Path)] = true
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
