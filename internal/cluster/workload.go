package cluster

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// revisionAnnotation is the same on a Deployment and on its current ReplicaSet.
const revisionAnnotation = "deployment.kubernetes.io/revision"

// Workload is a Deployment or a StatefulSet, and the pods that run for it.
type Workload struct {
	Kind, Namespace, Name   string
	Observed                bool  // the controller has seen the latest change; if not, the numbers are old
	Paused                  bool  // its template has changed, and no pod gets it until it is resumed
	Desired, Updated, Ready int32 // replicas
	Problems                []string
	PodAnnotations          map[string]string // of the pod template
	Template                Spec
	Pods                    []Pod // oldest first, those that are going away too
}

// Spec is what matters here of a pod template, or of a live pod.
type Spec struct {
	ServiceAccount string
	Containers     []Container
	Volumes        []Volume // those of the CSI driver, and ConfigMaps
	Placement      Placement
}

// Volume is a volume of the CSI driver, which has a SecretProviderClass, or a
// ConfigMap.
type Volume struct {
	Name                string
	SecretProviderClass string
	ConfigMap           string
	ReadOnly            bool // the driver refuses a volume that is not
}

// Container is a container, without its values of environment variables other
// than those that point to the vault config: they may be secret.
type Container struct {
	Name, Image string
	VaultConfig map[string]string // AIDBOX_VAULT_CONFIG and BOX_VAULT_CONFIG, where set to a value
	Mounts      []Mount           // of the volumes in [Spec]
}

// Mount is where a container has a volume.
type Mount struct {
	Path    string
	SubPath string // where set, the mount keeps its first content
	Volume  Volume
}

// Pod is one replica.
type Pod struct {
	Namespace, Name, UID string
	Node                 string // "" before it is scheduled
	Phase                string // Pending, Running, Succeeded, Failed, Unknown
	Ready, Terminating   bool
	Current              bool // made from the workload's current template
	Created              time.Time
	Spec                 Spec
	Statuses             []ContainerStatus
}

// Ended says that it will never run again, and waits to be deleted.
func (p Pod) Ended() bool { return p.Phase == "Succeeded" || p.Phase == "Failed" }

// ContainerStatus is how a container of a pod does.
type ContainerStatus struct {
	Name      string
	Running   bool
	Restarts  int32
	StartedAt time.Time // zero where it does not run
	Reason    string    // why it does not run: ContainerCreating, CrashLoopBackOff
}

// Status returns the status of the named container; the zero one where there is
// none yet.
func (p Pod) Status(container string) ContainerStatus {
	i := slices.IndexFunc(p.Statuses, func(s ContainerStatus) bool { return s.Name == container })
	if i < 0 {
		return ContainerStatus{Name: container}
	}
	return p.Statuses[i]
}

// SecretMounts returns where the containers mount a volume of the CSI driver with
// that SecretProviderClass.
func (s Spec) SecretMounts(secretProviderClass string) []Mount {
	var mounts []Mount
	for _, c := range s.Containers {
		for _, m := range c.Mounts {
			if m.Volume.SecretProviderClass == secretProviderClass && secretProviderClass != "" {
				mounts = append(mounts, m)
			}
		}
	}
	return mounts
}

// Workload returns a Deployment or a StatefulSet and its pods, found by who owns whom:
// the labels only narrow the search, since others may carry them too.
func (c *Cluster) Workload(ctx context.Context, namespace, kind, name string) (Workload, error) {
	if kind == "StatefulSet" {
		return c.statefulSet(ctx, namespace, name)
	}
	d, err := get[appsv1.Deployment](ctx, c, appsObject("deployments", namespace, name), nil)
	if err != nil {
		return Workload{}, err
	}
	labels := query{"labelSelector": metav1.FormatLabelSelector(d.Spec.Selector)}
	sets, err := list[appsv1.ReplicaSet](ctx, c, appsObject("replicasets", namespace, ""), labels)
	if err != nil {
		return Workload{}, err
	}
	pods, err := list[corev1.Pod](ctx, c, coreObject("pods", namespace, ""), labels)
	if err != nil {
		return Workload{}, err
	}
	w := ofDeployment(d, sets, pods)
	for i, problem := range w.Problems {
		w.Problems[i] = c.sanitizer.Tail(problem)
	}
	return w, nil
}

func (c *Cluster) statefulSet(ctx context.Context, namespace, name string) (Workload, error) {
	s, err := get[appsv1.StatefulSet](ctx, c, appsObject("statefulsets", namespace, name), nil)
	if err != nil {
		return Workload{}, err
	}
	labels := query{"labelSelector": metav1.FormatLabelSelector(s.Spec.Selector)}
	pods, err := list[corev1.Pod](ctx, c, coreObject("pods", namespace, ""), labels)
	if err != nil {
		return Workload{}, err
	}
	return ofStatefulSet(s, pods), nil
}

func ofDeployment(d appsv1.Deployment, sets []appsv1.ReplicaSet, pods []corev1.Pod) Workload {
	w := newWorkload("Deployment", d.ObjectMeta, d.Spec.Replicas, d.Spec.Template)
	w.Observed = d.Status.ObservedGeneration >= d.Generation
	w.Updated, w.Ready = d.Status.UpdatedReplicas, d.Status.ReadyReplicas
	for _, cond := range d.Status.Conditions {
		stuck := cond.Type == appsv1.DeploymentProgressing && cond.Status == corev1.ConditionFalse
		if stuck || cond.Type == appsv1.DeploymentReplicaFailure && cond.Status == corev1.ConditionTrue {
			w.Problems = append(w.Problems, cond.Message)
		}
	}
	current := map[types.UID]bool{} // by ReplicaSet
	for _, s := range sets {
		if metav1.IsControlledBy(&s, &d) {
			current[s.UID] = s.Annotations[revisionAnnotation] == d.Annotations[revisionAnnotation]
		}
	}
	// A paused Deployment gets no ReplicaSet and no revision for its changed template, so
	// that the last ones still look current.
	w.Paused = d.Spec.Paused && w.Observed && w.Updated == 0 && w.Desired > 0
	w.addPods(pods, func(_ corev1.Pod, owner types.UID) (isCurrent, ours bool) {
		isCurrent, ours = current[owner]
		return isCurrent && !w.Paused, ours
	})
	return w
}

func ofStatefulSet(s appsv1.StatefulSet, pods []corev1.Pod) Workload {
	w := newWorkload("StatefulSet", s.ObjectMeta, s.Spec.Replicas, s.Spec.Template)
	w.Observed = s.Status.ObservedGeneration >= s.Generation
	w.Updated, w.Ready = s.Status.UpdatedReplicas, s.Status.ReadyReplicas
	w.addPods(pods, func(p corev1.Pod, owner types.UID) (isCurrent, ours bool) {
		return p.Labels[appsv1.StatefulSetRevisionLabel] == s.Status.UpdateRevision, owner == s.UID
	})
	return w
}

func newWorkload(kind string, meta metav1.ObjectMeta, replicas *int32, template corev1.PodTemplateSpec) Workload {
	w := Workload{
		Kind: kind, Namespace: meta.Namespace, Name: meta.Name, Desired: 1,
		PodAnnotations: template.Annotations, Template: newSpec(template.Spec),
	}
	if replicas != nil {
		w.Desired = *replicas
	}
	return w
}

// addPods adds the pods that are the workload's, the oldest first.
func (w *Workload) addPods(pods []corev1.Pod, belongs func(p corev1.Pod, owner types.UID) (isCurrent, ours bool)) {
	for _, p := range pods {
		owner := metav1.GetControllerOf(&p)
		if owner == nil {
			continue
		}
		if current, ours := belongs(p, owner.UID); ours {
			pod := newPod(p)
			pod.Current = current
			w.Pods = append(w.Pods, pod)
		}
	}
	slices.SortFunc(w.Pods, func(a, b Pod) int {
		return cmp.Or(a.Created.Compare(b.Created), strings.Compare(a.Name, b.Name))
	})
}
