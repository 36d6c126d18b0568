package cluster

import (
	"context"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// PodTemplate returns a Deployment's or StatefulSet's metadata and pod template as they
// are written. Unlike a [Workload] it has the values of environment variables, which may
// be secret.
func (c *Cluster) PodTemplate(ctx context.Context, namespace, kind, name string) (metav1.ObjectMeta, corev1.PodTemplateSpec, error) {
	if kind == "StatefulSet" {
		s, err := get[appsv1.StatefulSet](ctx, c, appsObject("statefulsets", namespace, name), nil)
		return s.ObjectMeta, s.Spec.Template, err
	}
	d, err := get[appsv1.Deployment](ctx, c, appsObject("deployments", namespace, name), nil)
	return d.ObjectMeta, d.Spec.Template, err
}
