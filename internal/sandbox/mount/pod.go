package mount

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	yamlstream "k8s.io/apimachinery/pkg/util/yaml"
	csiv1 "sigs.k8s.io/secrets-store-csi-driver/apis/v1"
	"sigs.k8s.io/yaml"
)

const csiDriver = "secrets-store.csi.k8s.io"

// pod is what the manifests say about a pod of the Deployment.
type pod struct {
	namespace, name, account string
	volumes                  []volume // that its container mounts
}

// volume is a mounted ConfigMap, or what a SecretProviderClass names.
type volume struct {
	name, path string
	files      map[string][]byte              // of the ConfigMap
	class      *csiv1.SecretProviderClassSpec // nil for a ConfigMap
}

// manifests are the objects of the kinds that concern a mount, by name: a delivery
// has one namespace.
type manifests struct {
	deployments map[string]*appsv1.Deployment
	accounts    map[string]*corev1.ServiceAccount
	configMaps  map[string]*corev1.ConfigMap
	classes     map[string]*csiv1.SecretProviderClass
}

// readPod takes the pod out of the manifests, and refuses what a cluster would not
// run. Fields that no type has are refused too.
func readPod(documents []byte) (*pod, error) {
	all, err := readManifests(documents)
	if err != nil {
		return nil, fmt.Errorf("manifests: %w", err)
	}
	for _, d := range all.deployments {
		spec := d.Spec.Template.Spec
		p := &pod{namespace: d.Namespace, name: d.Name, account: spec.ServiceAccountName}
		if all.accounts[p.account] == nil {
			return nil, fmt.Errorf("error looking up service account: serviceaccount %q not found", p.account)
		}
		for _, c := range spec.Containers {
			if p.volumes, err = all.volumes(spec, c); len(p.volumes) > 0 || err != nil {
				return p, err
			}
		}
	}
	return nil, fmt.Errorf("manifests: no Deployment with a container that mounts a volume of the driver %s", csiDriver)
}

func readManifests(documents []byte) (manifests, error) {
	all := manifests{
		deployments: map[string]*appsv1.Deployment{}, accounts: map[string]*corev1.ServiceAccount{},
		configMaps: map[string]*corev1.ConfigMap{}, classes: map[string]*csiv1.SecretProviderClass{},
	}
	stream := yamlstream.NewYAMLReader(bufio.NewReader(bytes.NewReader(documents)))
	for {
		document, err := stream.Read()
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		var kind metav1.TypeMeta
		if err == nil {
			err = yaml.Unmarshal(document, &kind)
		}
		if err == nil {
			switch kind.Kind {
			case "Deployment":
				err = add(all.deployments, document)
			case "ServiceAccount":
				err = add(all.accounts, document)
			case "ConfigMap":
				err = add(all.configMaps, document)
			case "SecretProviderClass":
				err = add(all.classes, document)
			}
		}
		if err != nil {
			return all, err
		}
	}
}

// add decodes a document into the objects of its kind.
func add[T any, O object[T]](objects map[string]O, document []byte) error {
	o := O(new(T))
	err := yaml.UnmarshalStrict(document, o)
	objects[o.GetName()] = o
	return err
}

type object[T any] interface {
	*T
	metav1.Object
}

// volumes returns the ConfigMaps and the secrets that a container mounts; nothing
// where it mounts no secrets.
func (all manifests) volumes(spec corev1.PodSpec, c corev1.Container) (mounted []volume, err error) {
	sources := map[string]corev1.VolumeSource{}
	for _, v := range spec.Volumes {
		sources[v.Name] = v.VolumeSource
	}
	hasSecrets := false
	for _, m := range c.VolumeMounts {
		v := volume{name: m.Name, path: m.MountPath}
		switch source := sources[m.Name]; {
		case source.CSI != nil && source.CSI.Driver == csiDriver:
			class := source.CSI.VolumeAttributes["secretProviderClass"]
			if all.classes[class] == nil {
				return nil, fmt.Errorf("volume %q: failed to get secretproviderclass %s: not found", v.name, class)
			}
			if source.CSI.ReadOnly == nil || !*source.CSI.ReadOnly {
				return nil, fmt.Errorf("volume %q: Readonly is not true in request", v.name)
			}
			hasSecrets, v.class = true, &all.classes[class].Spec
		case source.ConfigMap != nil:
			found := all.configMaps[source.ConfigMap.Name]
			if found == nil {
				return nil, fmt.Errorf("volume %q: configmap %q not found", v.name, source.ConfigMap.Name)
			}
			v.files = map[string][]byte{}
			for key, content := range found.Data {
				v.files[key] = []byte(content)
			}
		default:
			continue
		}
		if m.SubPath != "" {
			return nil, fmt.Errorf("volume %q is mounted with a subPath, whose content never changes", v.name)
		}
		mounted = append(mounted, v)
	}
	if !hasSecrets {
		return nil, nil
	}
	return mounted, nil
}
