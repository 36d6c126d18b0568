package cluster

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	secretsstorev1 "sigs.k8s.io/secrets-store-csi-driver/apis/v1"
)

// secretsStoreGroup is the API that the CSI driver brings with it.
const secretsStoreGroup = secretsstorev1.GroupName

func secretsStoreObject(resource, namespace, name string) object {
	return object{group: secretsStoreGroup, version: "v1", resource: resource, namespace: namespace, name: name}
}

// ServiceAccount returns the annotations of a ServiceAccount.
func (c *Cluster) ServiceAccount(ctx context.Context, namespace, name string) (annotations map[string]string, err error) {
	sa, err := get[corev1.ServiceAccount](ctx, c, coreObject("serviceaccounts", namespace, name), nil)
	return sa.Annotations, err
}

// ConfigMap returns the data of a ConfigMap.
func (c *Cluster) ConfigMap(ctx context.Context, namespace, name string) (map[string]string, error) {
	cm, err := get[corev1.ConfigMap](ctx, c, coreObject("configmaps", namespace, name), nil)
	return cm.Data, err
}

// SecretProviderClass returns the specification of a SecretProviderClass.
func (c *Cluster) SecretProviderClass(ctx context.Context, namespace, name string) (secretsstorev1.SecretProviderClassSpec, error) {
	class, err := get[secretsstorev1.SecretProviderClass](ctx, c, secretsStoreObject("secretproviderclasses", namespace, name), nil)
	return class.Spec, err
}

// OtherOwner returns who owns an object of a kind that render writes, in words that follow
// its name: "" for secretctl. An object that does not exist is an [fs.ErrNotExist].
func (c *Cluster) OtherOwner(ctx context.Context, kind, namespace, name string) (string, error) {
	o := map[string]object{
		"ServiceAccount": coreObject("serviceaccounts", namespace, name), "ConfigMap": coreObject("configmaps", namespace, name),
		"SecretProviderClass": secretsStoreObject("secretproviderclasses", namespace, name),
		"Deployment":          appsObject("deployments", namespace, name), "StatefulSet": appsObject("statefulsets", namespace, name),
	}[kind]
	live, err := get[metav1.PartialObjectMetadata](ctx, c, o, nil)
	return otherOwner(live.Labels), err
}

// managedBy is the label for the tool that made an object: "secretctl" in all that render
// writes.
const managedBy = "app.kubernetes.io/managed-by"

func otherOwner(labels map[string]string) string {
	switch by := labels[managedBy]; by {
	case fieldManager:
		return ""
	case "":
		return "was made by something other than secretctl"
	default:
		return fmt.Sprintf("is managed by %q", by)
	}
}

// PodStatus is what the driver says it mounted for a pod. It is no proof: a volume can be
// empty although it is listed as mounted.
type PodStatus struct {
	PodUID              string
	SecretProviderClass string
	Mounted             bool
	Versions            map[string]string // by the provider's ID of the object
	Changed             time.Time
}

// PodStatuses returns the statuses of all pods of a namespace.
func (c *Cluster) PodStatuses(ctx context.Context, namespace string) ([]PodStatus, error) {
	found, err := list[secretsstorev1.SecretProviderClassPodStatus](ctx, c, secretsStoreObject("secretproviderclasspodstatuses", namespace, ""), nil)
	if err != nil {
		return nil, err
	}
	var statuses []PodStatus
	for _, item := range found {
		statuses = append(statuses, newPodStatus(item))
	}
	return statuses, nil
}

func newPodStatus(item secretsstorev1.SecretProviderClassPodStatus) PodStatus {
	s := PodStatus{
		SecretProviderClass: item.Status.SecretProviderClassName,
		Mounted:             item.Status.Mounted, Versions: map[string]string{}, Changed: changed(item.ObjectMeta),
	}
	for _, owner := range item.OwnerReferences {
		if owner.Kind == "Pod" {
			s.PodUID = string(owner.UID)
		}
	}
	for _, o := range item.Status.Objects {
		s.Versions[o.ID] = o.Version
	}
	return s
}

// changed returns when an object was last written: the API server keeps a time for each
// writer.
func changed(meta metav1.ObjectMeta) time.Time {
	latest := meta.CreationTimestamp.Time
	for _, m := range meta.ManagedFields {
		if m.Time != nil && m.Time.After(latest) {
			latest = m.Time.Time
		}
	}
	return latest
}
