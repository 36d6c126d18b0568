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
	Observed                bool  // the controller has seen the latest change; else the numbers are old
	Paused                  bool  // its template has changed, and no pod gets it before it is resumed
	Halt                    Halt  // what keeps pods of an earlier template; "" if nothing does
	Desired, Updated, Ready int32 // replicas
	Problems                []string
	PodAnnotations          map[string]string // of the pod template
	Template                Spec
	Pods                    []Pod // oldest first, with those that are terminating
}

// Halt is why a rollout does not go on by itself.
type Halt string

// A Deployment can be paused during a rollout. A StatefulSet may replace no pod by itself, or
// none below a number.
const (
	HaltPaused    Halt = "paused"
	HaltOnDelete  Halt = "OnDelete"
	HaltPartition Halt = "partition"
)

// Spec is what secretctl reads of a pod template, or of a live pod.
type Spec struct {
	ServiceAccount string
	Containers     []Container
	Volumes        []Volume // of the CSI driver, and ConfigMaps
	Placement      Placement
}

// Volume is a volume of the CSI driver, which has a SecretProviderClass, or a
// ConfigMap.
type Volume struct {
	Name                string
	SecretProviderClass string
	ConfigMap           string
	ReadOnly            bool // the driver refuses others
}

// Container is a container. It has only the environment variables with the path of the vault
// config: the values of others may be secret.
type Container struct {
	Name, Image      string
	VaultConfig      string  // BOX_VAULT_CONFIG, or else AIDBOX_VAULT_CONFIG
	OtherVaultConfig string  // AIDBOX_VAULT_CONFIG, if that differs
	VaultConfigUnset bool    // neither variable is set, and envFrom sets none
	Mounts           []Mount // of the volumes in [Spec]
}

// Mount is where a container mounts a volume.
type Mount struct {
	Path    string
	SubPath string // if set, the mount keeps its first content
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
	Inits                []ContainerStatus // of the init containers; the first one starts once the volumes are mounted
}

// Ended reports whether the pod will never run again, and waits to be deleted.
func (p Pod) Ended() bool { return p.Phase == "Succeeded" || p.Phase == "Failed" }

// ContainerStatus is the status of a container.
type ContainerStatus struct {
	Name      string
	Running   bool
	Restarts  int32
	StartedAt time.Time // zero unless it runs
	Reason    string    // why it does not run: ContainerCreating, CrashLoopBackOff
	Passed    bool      // an init container that the next one does not wait for
}

// Status returns the status of a container; if there is none yet, only with its name.
func (p Pod) Status(container string) ContainerStatus {
	for _, s := range slices.Concat(p.Statuses, p.Inits) {
		if s.Name == container {
			return s
		}
	}
	return ContainerStatus{Name: container}
}

// Of returns the specification with only one of its containers.
func (s Spec) Of(container string) Spec {
	s.Containers = slices.DeleteFunc(slices.Clone(s.Containers), func(c Container) bool { return c.Name != container })
	return s
}

// SecretMounts returns the containers' mounts of volumes with a SecretProviderClass.
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

// controller has what secretctl reads of a Deployment or a StatefulSet.
type controller struct {
	metav1.ObjectMeta `json:"metadata"`

	Spec struct {
		Replicas *int32
		Selector *metav1.LabelSelector
		Template corev1.PodTemplateSpec
		Paused   bool

		UpdateStrategy appsv1.StatefulSetUpdateStrategy // of a StatefulSet
	}
	Status struct {
		ObservedGeneration             int64
		UpdatedReplicas, ReadyReplicas int32
		UpdateRevision                 string                       // of a StatefulSet
		Conditions                     []appsv1.DeploymentCondition // a StatefulSet has none
	}
}

func (c *Cluster) controller(ctx context.Context, namespace, kind, name string) (controller, error) {
	return get[controller](ctx, c, appsObject(strings.ToLower(kind)+"s", namespace, name), nil)
}

// PodTemplate returns a Deployment's or StatefulSet's metadata and its pod template as it
// is. Unlike a [Workload] it has the values of environment variables, which may be secret.
func (c *Cluster) PodTemplate(ctx context.Context, namespace, kind, name string) (metav1.ObjectMeta, corev1.PodTemplateSpec, error) {
	live, err := c.controller(ctx, namespace, kind, name)
	return live.ObjectMeta, live.Spec.Template, err
}

// Workload returns a Deployment or a StatefulSet and its pods, found by their owner: the
// labels only narrow the search, since other pods may have them too.
func (c *Cluster) Workload(ctx context.Context, namespace, kind, name string) (Workload, error) {
	live, err := c.controller(ctx, namespace, kind, name)
	if err != nil {
		return Workload{}, err
	}
	labels := query{"labelSelector": metav1.FormatLabelSelector(live.Spec.Selector)}
	var sets []appsv1.ReplicaSet
	if kind == "Deployment" {
		if sets, err = list[appsv1.ReplicaSet](ctx, c, appsObject("replicasets", namespace, ""), labels); err != nil {
			return Workload{}, err
		}
	}
	pods, err := list[corev1.Pod](ctx, c, coreObject("pods", namespace, ""), labels)
	if err != nil {
		return Workload{}, err
	}
	w := newWorkload(kind, live, sets, pods)
	for i, problem := range w.Problems {
		w.Problems[i] = c.sanitizer.Tail(problem)
	}
	c.workloads.Store([3]string{kind, namespace, name}, w)
	return w, nil
}

// halt returns what keeps the workload from replacing its pods by itself.
func (c controller) halt() Halt {
	switch rolling := c.Spec.UpdateStrategy.RollingUpdate; {
	case c.Spec.Paused:
		return HaltPaused
	case c.Spec.UpdateStrategy.Type == appsv1.OnDeleteStatefulSetStrategyType:
		return HaltOnDelete
	case rolling != nil && rolling.Partition != nil && *rolling.Partition > 0:
		return HaltPartition
	}
	return ""
}

func newWorkload(kind string, live controller, sets []appsv1.ReplicaSet, pods []corev1.Pod) Workload {
	w := Workload{
		Kind: kind, Namespace: live.Namespace, Name: live.Name, Desired: 1,
		Observed: live.Status.ObservedGeneration >= live.Generation, Updated: live.Status.UpdatedReplicas, Ready: live.Status.ReadyReplicas,
		PodAnnotations: live.Spec.Template.Annotations, Template: newSpec(live.Spec.Template.Spec),
	}
	if live.Spec.Replicas != nil {
		w.Desired = *live.Spec.Replicas
	}
	for _, cond := range live.Status.Conditions {
		stuck := cond.Type == appsv1.DeploymentProgressing && cond.Status == corev1.ConditionFalse
		if stuck || cond.Type == appsv1.DeploymentReplicaFailure && cond.Status == corev1.ConditionTrue {
			w.Problems = append(w.Problems, cond.Message)
		}
	}
	// A paused Deployment gets no ReplicaSet and no revision for its changed template, so
	// that the last ones still look current.
	w.Paused = live.Spec.Paused && w.Observed && w.Updated == 0 && w.Desired > 0
	w.Halt = live.halt()
	current := map[types.UID]bool{} // by the ReplicaSet
	for _, s := range sets {
		if metav1.IsControlledBy(&s, &live) {
			current[s.UID] = s.Annotations[revisionAnnotation] == live.Annotations[revisionAnnotation] && !w.Paused
		}
	}
	for _, p := range pods {
		owner := metav1.GetControllerOfNoCopy(&p)
		if owner == nil {
			continue
		}
		isCurrent, ours := current[owner.UID]
		if owner.UID == live.UID { // a StatefulSet
			isCurrent, ours = p.Labels[appsv1.StatefulSetRevisionLabel] == live.Status.UpdateRevision, true
		}
		if ours {
			pod := newPod(p)
			pod.Current = isCurrent
			w.Pods = append(w.Pods, pod)
		}
	}
	slices.SortFunc(w.Pods, func(a, b Pod) int {
		return cmp.Or(a.Created.Compare(b.Created), strings.Compare(a.Name, b.Name))
	})
	return w
}
