package cluster

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/secretctl/secretctl/internal/store"
)

// probeLabel marks probes. Its value is the delivery.
const probeLabel = "secretctl.dev/probe"

// Probe is a throw-away pod that only mounts SecretProviderClasses.
type Probe struct {
	Namespace, Delivery string
	ServiceAccount      string
	Image               string
	Classes             []string // names of SecretProviderClasses
	Placement           Placement
	Life                time.Duration // after which the kubelet ends it
}

// Placement says which nodes a pod may run on.
type Placement struct {
	NodeSelector map[string]string
	Affinity     *corev1.NodeAffinity
	Tolerations  []corev1.Toleration
}

func newPlacement(spec corev1.PodSpec) Placement {
	p := Placement{NodeSelector: spec.NodeSelector, Tolerations: spec.Tolerations}
	if spec.Affinity != nil {
		p.Affinity = spec.Affinity.NodeAffinity
	}
	return p
}

// CreateProbe creates a probe. Its image is never pulled and need not exist, because the
// kubelet mounts the volumes first.
func (c *Cluster) CreateProbe(ctx context.Context, p Probe) (Pod, error) {
	made, err := create[corev1.Pod](ctx, c, coreObject("pods", p.Namespace, ""), p.pod())
	if err != nil {
		return Pod{}, err
	}
	return newPod(made), nil
}

// DeleteProbes deletes all probes of a delivery, including those that a killed run left.
func (c *Cluster) DeleteProbes(ctx context.Context, namespace, delivery string) error {
	found, err := list[corev1.Pod](ctx, c, coreObject("pods", namespace, ""), query{"labelSelector": probeLabel + "=" + delivery})
	if err != nil {
		return err
	}
	var failed []error
	for _, p := range found {
		_, err := send[[]byte](ctx, c, "delete", coreObject("pods", namespace, p.Name), c.client.Delete(), nil)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			failed = append(failed, err)
		}
	}
	return errors.Join(failed...)
}

func (p Probe) pod() corev1.Pod {
	const user = 1000 // Aidbox's
	spec := corev1.PodSpec{
		RestartPolicy:                 corev1.RestartPolicyNever,
		ActiveDeadlineSeconds:         new(int64(p.Life.Seconds())),
		TerminationGracePeriodSeconds: new(int64(1)),
		ServiceAccountName:            p.ServiceAccount,
		AutomountServiceAccountToken:  new(bool),
		NodeSelector:                  p.Placement.NodeSelector,
		Affinity:                      &corev1.Affinity{NodeAffinity: p.Placement.Affinity},
		Tolerations:                   p.Placement.Tolerations,
		// As Pod Security's restricted level and quotas require.
		SecurityContext: &corev1.PodSecurityContext{
			RunAsNonRoot: new(true), RunAsUser: new(int64(user)),
			SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
		},
		Containers: []corev1.Container{{
			Name: "probe", Image: p.Image, ImagePullPolicy: corev1.PullNever, Command: []string{"true"},
			SecurityContext: &corev1.SecurityContext{
				AllowPrivilegeEscalation: new(bool), ReadOnlyRootFilesystem: new(true),
				Capabilities: &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
			},
			Resources: corev1.ResourceRequirements{
				Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("10m"), corev1.ResourceMemory: resource.MustParse("32Mi")},
				Limits:   corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("100m"), corev1.ResourceMemory: resource.MustParse("32Mi")},
			},
		}},
	}
	for i, class := range p.Classes {
		name := fmt.Sprintf("secrets-%d", i)
		spec.Volumes = append(spec.Volumes, corev1.Volume{Name: name, VolumeSource: corev1.VolumeSource{CSI: &corev1.CSIVolumeSource{
			Driver: store.DriverName, ReadOnly: new(true), VolumeAttributes: map[string]string{"secretProviderClass": class},
		}}})
		spec.Containers[0].VolumeMounts = append(spec.Containers[0].VolumeMounts, corev1.VolumeMount{Name: name, MountPath: "/" + name, ReadOnly: true})
	}
	return corev1.Pod{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Pod"},
		ObjectMeta: metav1.ObjectMeta{GenerateName: p.Delivery + "-probe-", Labels: map[string]string{
			"app.kubernetes.io/name": "secretctl", "app.kubernetes.io/instance": p.Delivery, "app.kubernetes.io/managed-by": "secretctl",
			probeLabel: p.Delivery,
		}},
		Spec: spec,
	}
}
