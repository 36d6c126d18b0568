package render

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/secretctl/secretctl/internal/store"
)

const (
	workloadLabel      = "azure.workload.identity/use"
	checksumAnnotation = "secretctl.dev/vault-config-checksum"
	bundleAnnotation   = "secretctl.dev/init-bundle-checksum"
	initBundleVariable = "BOX_INIT_BUNDLE"
)

// checkWorkload checks in a patch only what the delivery needs.
func (v *view) checkWorkload(m manifest, selector *metav1.LabelSelector, replicas *int32, pod corev1.PodTemplateSpec) error {
	container, err := named(v.Container, pod)
	switch {
	case err != nil:
		return err
	case m.template == patchTemplate && selector != nil:
		return errors.New("spec.selector must not be set: it cannot change in an existing workload")
	case m.template == patchTemplate:
		return v.checkPod(pod, container)
	}
	// A template for an autoscaled workload leaves replicas out.
	if want := v.Aidbox.Replicas; want != nil && replicas != nil && *replicas != *want {
		return fmt.Errorf("spec.replicas is %d, and must be %d", *replicas, *want)
	}
	return cmp.Or(v.checkContainer(container), v.checkPod(pod, container))
}

func named(name string, pod corev1.PodTemplateSpec) (corev1.Container, error) {
	i := slices.IndexFunc(pod.Spec.Containers, func(c corev1.Container) bool { return c.Name == name })
	if i < 0 {
		return corev1.Container{}, fmt.Errorf("has no container named %s", name)
	}
	return pod.Spec.Containers[i], nil
}

// checkPod checks what a pod needs for the delivery, whoever writes its workload.
func (v *view) checkPod(pod corev1.PodTemplateSpec, aidbox corev1.Container) error {
	if v.WorkloadIdentity != "" && pod.Labels[workloadLabel] != "true" {
		return fmt.Errorf("the pod has no label %s: \"true\"", workloadLabel)
	}
	return cmp.Or(
		differs("the pod's annotation "+checksumAnnotation, pod.Annotations[checksumAnnotation], v.VaultConfigChecksum),
		differs("the pod's annotation "+bundleAnnotation, pod.Annotations[bundleAnnotation], v.InitBundleChecksum),
		differs("serviceAccountName", pod.Spec.ServiceAccountName, v.Aidbox.ServiceAccount),
		checkEnv(aidbox.Env, v.env()),
		checkMounts(aidbox.VolumeMounts, pod.Spec.Volumes, v.aidboxMounts()),
	)
}

func (v *view) checkContainer(c corev1.Container) error {
	if err := differs("image", c.Image, v.Aidbox.Image); err != nil {
		return err
	}
	if !slices.ContainsFunc(c.Ports, func(p corev1.ContainerPort) bool { return p.ContainerPort == v.Aidbox.Port }) {
		return fmt.Errorf("containerPort %d is missing", v.Aidbox.Port)
	}
	if !equality.Semantic.DeepEqual(c.Resources, v.Aidbox.Resources) {
		return errors.New("resources are not the delivery's aidbox.resources")
	}
	for i, e := range v.Aidbox.EnvFrom {
		if !slices.ContainsFunc(c.EnvFrom, func(got corev1.EnvFromSource) bool { return equality.Semantic.DeepEqual(got, e) }) {
			return fmt.Errorf("item %d of the delivery's aidbox.envFrom is missing", i)
		}
	}
	return nil
}

// checkEnv quotes no value, since people put passwords there.
func checkEnv(env, wanted []corev1.EnvVar) error {
	values := map[string]corev1.EnvVar{}
	for _, e := range env {
		values[e.Name] = e
	}
	for _, e := range wanted {
		if !equality.Semantic.DeepEqual(values[e.Name], e) {
			return fmt.Errorf("env %.80q is missing or has another value", e.Name)
		}
	}
	return nil
}

// env returns the variables that Aidbox needs.
func (v *view) env() []corev1.EnvVar { return append(v.files(), v.Aidbox.Env...) }

// files are the variables with the paths of what secretctl mounts.
func (v *view) files() []corev1.EnvVar {
	env := []corev1.EnvVar{
		{Name: "AIDBOX_VAULT_CONFIG", Value: v.VaultConfigFile},
		{Name: "BOX_VAULT_CONFIG", Value: v.VaultConfigFile},
	}
	if v.InitBundleURL != "" {
		env = append(env, corev1.EnvVar{Name: initBundleVariable, Value: v.InitBundleURL})
	}
	return env
}

// wantedMount is a folder that a container must have.
type wantedMount struct {
	folder, what string
	is           func(corev1.Volume) bool
}

func (v *view) aidboxMounts() []wantedMount {
	var wanted []wantedMount
	for _, m := range v.Mounts {
		wanted = append(wanted, wantedMount{m.MountPath, "SecretProviderClass " + m.SecretProviderClass, isSecrets(m.SecretProviderClass)})
	}
	return append(wanted, wantedMount{v.VaultConfigFolder, "ConfigMap " + v.ConfigMap, isConfigMap(v.ConfigMap)})
}

// checkMounts requires each volume as a whole folder: a subPath never changes.
func checkMounts(mounts []corev1.VolumeMount, volumes []corev1.Volume, wanted []wantedMount) error {
	for _, want := range wanted {
		i := slices.IndexFunc(mounts, func(m corev1.VolumeMount) bool {
			return strings.TrimSuffix(m.MountPath, "/") == strings.TrimSuffix(want.folder, "/")
		})
		if i < 0 {
			return fmt.Errorf("nothing is mounted at %.80q", want.folder)
		}
		m := mounts[i]
		if m.SubPath != "" || m.SubPathExpr != "" {
			return fmt.Errorf("the mount at %.80q has a subPath, which never changes", want.folder)
		}
		if !slices.ContainsFunc(volumes, func(o corev1.Volume) bool { return o.Name == m.Name && want.is(o) }) {
			return fmt.Errorf("volume %.80q is not a read-only mount of %.80s", m.Name, want.what)
		}
	}
	return nil
}

func isSecrets(class string) func(corev1.Volume) bool {
	return func(o corev1.Volume) bool {
		return o.CSI != nil && o.CSI.Driver == store.DriverName && o.CSI.ReadOnly != nil && *o.CSI.ReadOnly &&
			o.CSI.VolumeAttributes["secretProviderClass"] == class
	}
}

func isConfigMap(name string) func(corev1.Volume) bool {
	return func(o corev1.Volume) bool { return o.ConfigMap != nil && o.ConfigMap.Name == name }
}
