package mount

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer/json"
	"k8s.io/apimachinery/pkg/util/yaml"
	csiv1 "sigs.k8s.io/secrets-store-csi-driver/apis/v1"
)

const (
	csiDriver      = "secrets-store.csi.k8s.io"
	defaultAccount = "default"
	fileMode       = 0o644
)

// pod is what the manifests say about a pod of the Deployment.
type pod struct {
	namespace, name, account string

	secrets    []secretsVolume
	configMaps []configVolume
	env        map[string]string
}

// secretsVolume is a mounted volume of the driver, with what its
// SecretProviderClass says.
type secretsVolume struct {
	name, path string
	provider   string
	parameters map[string]string
}

// configVolume is a mounted ConfigMap.
type configVolume struct {
	name, path string
	files      map[string]file
}

// manifests are the objects of the kinds that concern a mount.
type manifests struct {
	deployments []*appsv1.Deployment
	accounts    []*corev1.ServiceAccount
	configMaps  []*corev1.ConfigMap
	classes     []*csiv1.SecretProviderClass
}

// readPod takes the pod out of the manifests, and refuses what a cluster would
// not run. Fields that no type has are refused too.
func readPod(documents []byte) (*pod, error) {
	all, err := readManifests(documents)
	if err != nil {
		return nil, err
	}
	for _, d := range all.deployments {
		if slices.ContainsFunc(d.Spec.Template.Spec.Volumes, isSecrets) {
			return all.pod(d)
		}
	}
	return nil, fmt.Errorf("manifests: no Deployment with a volume of the driver %s", csiDriver)
}

func isSecrets(v corev1.Volume) bool { return v.CSI != nil && v.CSI.Driver == csiDriver }

func readManifests(documents []byte) (all manifests, err error) {
	decoder, err := strictDecoder()
	if err != nil {
		return all, err
	}
	stream := yaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(documents)))
	for {
		document, err := stream.Read()
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		if err != nil {
			return all, fmt.Errorf("manifests: %w", err)
		}
		object, _, err := decoder.Decode(document, nil, nil)
		if err != nil && !runtime.IsNotRegisteredError(err) {
			return all, fmt.Errorf("manifests: %w", err)
		}
		switch o := object.(type) {
		case *appsv1.Deployment:
			all.deployments = append(all.deployments, o)
		case *corev1.ServiceAccount:
			all.accounts = append(all.accounts, o)
		case *corev1.ConfigMap:
			all.configMaps = append(all.configMaps, o)
		case *csiv1.SecretProviderClass:
			all.classes = append(all.classes, o)
		}
	}
}

// strictDecoder decodes as an API server does that was asked to be strict.
func strictDecoder() (runtime.Decoder, error) {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{appsv1.AddToScheme, corev1.AddToScheme, csiv1.AddToScheme} {
		if err := add(scheme); err != nil {
			return nil, err
		}
	}
	return json.NewSerializerWithOptions(json.DefaultMetaFactory, scheme, scheme, json.SerializerOptions{Yaml: true, Strict: true}), nil
}

func (all manifests) pod(d *appsv1.Deployment) (*pod, error) {
	spec := d.Spec.Template.Spec
	p := &pod{namespace: namespaceOf(d.ObjectMeta), name: d.Name, account: spec.ServiceAccountName, env: map[string]string{}}
	if p.account == "" {
		p.account = defaultAccount
	}
	if p.account != defaultAccount && !slices.ContainsFunc(all.accounts, func(a *corev1.ServiceAccount) bool { return p.isAt(a.ObjectMeta, p.account) }) {
		return nil, fmt.Errorf("pods of Deployment %s/%s: error looking up service account: serviceaccount %q not found", p.namespace, p.name, p.account)
	}
	for _, v := range spec.Volumes {
		if !isSecrets(v) {
			continue
		}
		secrets, err := all.secretsVolume(p, v)
		if err != nil {
			return nil, p.failed(v.Name, err)
		}
		p.secrets = append(p.secrets, secrets)
	}
	return p, p.mounts(all, spec)
}

func (all manifests) secretsVolume(p *pod, v corev1.Volume) (secretsVolume, error) {
	if v.CSI.ReadOnly == nil || !*v.CSI.ReadOnly {
		return secretsVolume{}, errors.New("InvalidArgument: Readonly is not true in request")
	}
	class := v.CSI.VolumeAttributes["secretProviderClass"]
	at := slices.IndexFunc(all.classes, func(c *csiv1.SecretProviderClass) bool { return p.isAt(c.ObjectMeta, class) })
	if at < 0 {
		return secretsVolume{}, fmt.Errorf("failed to get secretproviderclass %s/%s: not found", p.namespace, class)
	}
	return secretsVolume{name: v.Name, provider: string(all.classes[at].Spec.Provider), parameters: all.classes[at].Spec.Parameters}, nil
}

// mounts finds where the container that mounts the secrets has its volumes.
func (p *pod) mounts(all manifests, spec corev1.PodSpec) error {
	for _, c := range spec.Containers {
		of := func(volume string) int {
			return slices.IndexFunc(c.VolumeMounts, func(m corev1.VolumeMount) bool { return m.Name == volume })
		}
		if of(p.secrets[0].name) < 0 {
			continue
		}
		for i := range p.secrets {
			v := &p.secrets[i]
			at := of(v.name)
			if at < 0 {
				return fmt.Errorf("container %q does not mount volume %q", c.Name, v.name)
			}
			if m := c.VolumeMounts[at]; m.SubPath != "" || m.SubPathExpr != "" {
				return fmt.Errorf("container %q mounts volume %q with a subPath, whose content never changes", c.Name, v.name)
			}
			v.path = c.VolumeMounts[at].MountPath
		}
		for _, e := range c.Env {
			p.env[e.Name] = e.Value
		}
		return p.mountConfigMaps(all, spec, c)
	}
	return fmt.Errorf("no container of Deployment %s/%s mounts volume %q", p.namespace, p.name, p.secrets[0].name)
}

func (p *pod) mountConfigMaps(all manifests, spec corev1.PodSpec, c corev1.Container) error {
	for _, mount := range c.VolumeMounts {
		at := slices.IndexFunc(spec.Volumes, func(v corev1.Volume) bool { return v.Name == mount.Name && v.ConfigMap != nil })
		if at < 0 {
			continue
		}
		source := spec.Volumes[at].ConfigMap
		found := slices.IndexFunc(all.configMaps, func(m *corev1.ConfigMap) bool { return p.isAt(m.ObjectMeta, source.Name) })
		switch {
		case found < 0:
			return fmt.Errorf("MountVolume.SetUp failed for volume %q: configmap %q not found", mount.Name, source.Name)
		case mount.SubPath != "" || len(source.Items) > 0:
			return fmt.Errorf("volume %q: a ConfigMap is mounted here as a whole, without subPath and items", mount.Name)
		}
		files := map[string]file{}
		for key, content := range all.configMaps[found].Data {
			files[key] = file{content: []byte(content), mode: fileMode}
		}
		p.configMaps = append(p.configMaps, configVolume{name: mount.Name, path: mount.MountPath, files: files})
	}
	return nil
}

// isAt says whether an object has that name, in the pod's namespace.
func (p *pod) isAt(object metav1.ObjectMeta, name string) bool {
	return object.Name == name && namespaceOf(object) == p.namespace
}

func namespaceOf(object metav1.ObjectMeta) string {
	if object.Namespace == "" {
		return "default"
	}
	return object.Namespace
}
