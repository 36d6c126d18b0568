package cluster

import (
	"cmp"
	"context"

	corev1 "k8s.io/api/core/v1"

	"github.com/secretctl/secretctl/internal/store"
)

// Pod returns a pod as it is now, without Current.
func (c *Cluster) Pod(ctx context.Context, namespace, name string) (Pod, error) {
	p, err := get[corev1.Pod](ctx, c, coreObject("pods", namespace, name), nil)
	if err != nil {
		return Pod{}, err
	}
	return newPod(p), nil
}

func newPod(p corev1.Pod) Pod {
	pod := Pod{
		Namespace: p.Namespace, Name: p.Name, UID: string(p.UID), Node: p.Spec.NodeName,
		Phase: string(p.Status.Phase), Terminating: p.DeletionTimestamp != nil,
		Created: p.CreationTimestamp.Time, Spec: newSpec(p.Spec),
	}
	for _, cond := range p.Status.Conditions {
		if cond.Type == corev1.PodReady {
			pod.Ready = cond.Status == corev1.ConditionTrue
		}
	}
	for _, s := range p.Status.ContainerStatuses {
		pod.Statuses = append(pod.Statuses, newStatus(s))
	}
	for _, s := range p.Status.InitContainerStatuses {
		status := newStatus(s)
		status.Passed = s.State.Terminated != nil && s.State.Terminated.ExitCode == 0 || status.Running && s.Started != nil && *s.Started
		pod.Inits = append(pod.Inits, status)
	}
	return pod
}

func newStatus(s corev1.ContainerStatus) ContainerStatus {
	status := ContainerStatus{Name: s.Name, Restarts: s.RestartCount}
	switch {
	case s.State.Running != nil:
		status.Running, status.StartedAt = true, s.State.Running.StartedAt.Time
	case s.State.Waiting != nil:
		status.Reason = s.State.Waiting.Reason
	case s.State.Terminated != nil:
		status.Reason = s.State.Terminated.Reason
	}
	return status
}

func newSpec(spec corev1.PodSpec) Spec {
	s := Spec{ServiceAccount: cmp.Or(spec.ServiceAccountName, "default"), Placement: newPlacement(spec)}
	volumes := map[string]Volume{}
	for _, v := range spec.Volumes {
		volume := Volume{Name: v.Name}
		switch {
		case v.CSI != nil && v.CSI.Driver == store.DriverName:
			volume.SecretProviderClass = v.CSI.VolumeAttributes["secretProviderClass"]
			volume.ReadOnly = v.CSI.ReadOnly != nil && *v.CSI.ReadOnly
		case v.ConfigMap != nil:
			volume.ConfigMap = v.ConfigMap.Name
		default:
			continue
		}
		volumes[v.Name] = volume
		s.Volumes = append(s.Volumes, volume)
	}
	for _, c := range spec.Containers {
		s.Containers = append(s.Containers, newContainer(c, volumes))
	}
	return s
}

// VaultConfigOf returns the path in BOX_VAULT_CONFIG, or else in AIDBOX_VAULT_CONFIG; other is
// the path in the latter if the two differ. set is whether the container has one of the two,
// even if its value comes from another object.
func VaultConfigOf(c corev1.Container) (file, other string, set bool) {
	values := map[string]string{}
	for _, e := range c.Env {
		if e.Name == "BOX_VAULT_CONFIG" || e.Name == "AIDBOX_VAULT_CONFIG" {
			values[e.Name] = e.Value
		}
	}
	file, other = cmp.Or(values["BOX_VAULT_CONFIG"], values["AIDBOX_VAULT_CONFIG"]), values["AIDBOX_VAULT_CONFIG"]
	if other == file {
		other = ""
	}
	return file, other, len(values) > 0
}

func newContainer(c corev1.Container, volumes map[string]Volume) Container {
	file, other, set := VaultConfigOf(c)
	container := Container{Name: c.Name, Image: c.Image, VaultConfig: file, OtherVaultConfig: other, VaultConfigUnset: !set && len(c.EnvFrom) == 0}
	for _, m := range c.VolumeMounts {
		if volume, ok := volumes[m.Name]; ok {
			container.Mounts = append(container.Mounts, Mount{Path: m.MountPath, SubPath: m.SubPath + m.SubPathExpr, Volume: volume})
		}
	}
	return container
}
