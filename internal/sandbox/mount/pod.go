package mount

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	yamlstream "k8s.io/apimachinery/pkg/util/yaml"
	csiv1 "sigs.k8s.io/secrets-store-csi-driver/apis/v1"
)

const csiDriver = "secrets-store.csi.k8s.io"

// pod is a pod of the Deployment in the manifests.
type pod struct {
	namespace, name, account string
	volumes                  []volume // that its container mounts
}

// volume is a mounted ConfigMap, or the secrets of a SecretProviderClass.
type volume struct {
	name, path string
	files      map[string][]byte              // of the ConfigMap
	class      *csiv1.SecretProviderClassSpec // nil for a ConfigMap
}

// readPod returns the pod of the manifests, and refuses objects that are missing and
// unknown fields.
func readPod(documents []byte) (*pod, error) {
	objects, err := readManifests(documents)
	if err != nil {
		return nil, fmt.Errorf("manifests: %w", err)
	}
	for _, o := range objects {
		d, is := o.(*appsv1.Deployment)
		if !is {
			continue
		}
		spec := d.Spec.Template.Spec
		p := &pod{namespace: d.Namespace, name: d.Name, account: spec.ServiceAccountName}
		if objects["ServiceAccount/"+p.account] == nil {
			return nil, fmt.Errorf("error looking up service account: serviceaccount %q not found", p.account)
		}
		for _, c := range spec.Containers {
			if p.volumes, err = volumes(objects, spec, c); len(p.volumes) > 0 || err != nil {
				return p, err
			}
		}
	}
	return nil, fmt.Errorf("manifests: no Deployment with a container that mounts a volume of the driver %s", csiDriver)
}

// readManifests decodes the objects of the kinds that a mount needs, by "Kind/name": a
// delivery has one namespace.
func readManifests(documents []byte) (map[string]runtime.Object, error) {
	known := runtime.NewScheme()
	if err := errors.Join(appsv1.AddToScheme(known), corev1.AddToScheme(known), csiv1.AddToScheme(known)); err != nil {
		return nil, err
	}
	decoder := serializer.NewCodecFactory(known, serializer.EnableStrict).UniversalDeserializer()
	stream := yamlstream.NewYAMLReader(bufio.NewReader(bytes.NewReader(documents)))
	objects := map[string]runtime.Object{}
	for {
		document, err := stream.Read()
		if errors.Is(err, io.EOF) {
			return objects, nil
		}
		if err != nil {
			return nil, err
		}
		object, kind, err := decoder.Decode(document, nil, nil)
		if runtime.IsNotRegisteredError(err) {
			continue
		}
		named, _ := meta.Accessor(object)
		if err != nil || named == nil {
			return nil, err
		}
		objects[kind.Kind+"/"+named.GetName()] = object
	}
}

// volumes returns the ConfigMaps and the secrets that a container mounts, or nothing if it
// mounts no secrets.
func volumes(objects map[string]runtime.Object, spec corev1.PodSpec, c corev1.Container) (mounted []volume, err error) {
	sources := map[string]corev1.VolumeSource{}
	for _, v := range spec.Volumes {
		sources[v.Name] = v.VolumeSource
	}
	hasSecrets := false
	for _, m := range c.VolumeMounts {
		v := volume{name: m.Name, path: m.MountPath, files: map[string][]byte{}}
		switch source := sources[m.Name]; {
		case source.CSI != nil && source.CSI.Driver == csiDriver:
			name := source.CSI.VolumeAttributes["secretProviderClass"]
			class, found := objects["SecretProviderClass/"+name].(*csiv1.SecretProviderClass)
			if !found {
				return nil, fmt.Errorf("volume %q: failed to get secretproviderclass %s: not found", v.name, name)
			}
			hasSecrets, v.class = true, &class.Spec
		case source.ConfigMap != nil:
			found, _ := objects["ConfigMap/"+source.ConfigMap.Name].(*corev1.ConfigMap)
			if found == nil {
				return nil, fmt.Errorf("volume %q: configmap %q not found", v.name, source.ConfigMap.Name)
			}
			for key, content := range found.Data {
				v.files[key] = []byte(content)
			}
		default:
			continue
		}
		mounted = append(mounted, v)
	}
	if !hasSecrets {
		return nil, nil
	}
	return mounted, nil
}
