package cluster

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/secretctl/secretctl/internal/store"
)

// owned returns the metadata of an object with a controller.
func owned(name string, uid, owner types.UID, created int64) metav1.ObjectMeta {
	meta := metav1.ObjectMeta{Name: name, UID: uid, CreationTimestamp: metav1.Unix(created, 0)}
	if owner != "" {
		isController := true
		meta.OwnerReferences = []metav1.OwnerReference{{UID: owner, Controller: &isController}}
	}
	return meta
}

func TestDeploymentFindsPodsByTheirOwner(t *testing.T) {
	set := func(uid, owner types.UID, revision string) appsv1.ReplicaSet {
		s := appsv1.ReplicaSet{ObjectMeta: owned(string(uid), uid, owner, 0)}
		s.Annotations = map[string]string{revisionAnnotation: revision}
		return s
	}
	pod := func(name string, owner types.UID, created int64) corev1.Pod {
		return corev1.Pod{ObjectMeta: owned(name, types.UID(name), owner, created)}
	}
	d := controller{ObjectMeta: owned("aidbox", "d", "", 0)}
	d.Annotations = map[string]string{revisionAnnotation: "2"}
	w := newWorkload("Deployment", d,
		[]appsv1.ReplicaSet{set("old", "d", "1"), set("new", "d", "2"), set("other", "e", "2"), set("orphan", "", "2")},
		[]corev1.Pod{pod("c", "new", 3), pod("b", "new", 3), pod("a", "old", 4), pod("x", "other", 1), pod("y", "orphan", 1), pod("z", "", 1)},
	)
	var got []string
	for _, p := range w.Pods {
		got = append(got, fmt.Sprintf("%s %t", p.Name, p.Current))
	}
	if diff := cmp.Diff([]string{"b true", "c true", "a false"}, got); diff != "" {
		t.Error(diff)
	}
	if w.Desired != 1 || w.Template.ServiceAccount != "default" {
		t.Errorf("workload is %+v", w)
	}
}

func TestStatefulSetFindsPodsByTheirOwner(t *testing.T) {
	s := controller{ObjectMeta: owned("aidbox", "s", "", 0)}
	s.Generation, s.Status.ObservedGeneration = 2, 1
	s.Status.UpdateRevision, s.Status.UpdatedReplicas, s.Status.ReadyReplicas = "aidbox-2", 1, 2
	pod := func(name string, owner types.UID, revision string, created int64) corev1.Pod {
		p := corev1.Pod{ObjectMeta: owned(name, types.UID(name), owner, created)}
		p.Labels = map[string]string{appsv1.StatefulSetRevisionLabel: revision}
		return p
	}
	w := newWorkload("StatefulSet", s, nil, []corev1.Pod{pod("aidbox-1", "s", "aidbox-2", 2), pod("aidbox-0", "s", "aidbox-1", 1), pod("other-0", "o", "aidbox-2", 1), pod("z", "", "aidbox-2", 1)})
	var got []string
	for _, p := range w.Pods {
		got = append(got, fmt.Sprintf("%s %t", p.Name, p.Current))
	}
	if diff := cmp.Diff([]string{"aidbox-0 false", "aidbox-1 true"}, got); diff != "" {
		t.Error(diff)
	}
	if w.Kind != "StatefulSet" || w.Desired != 1 || w.Updated != 1 || w.Ready != 2 || w.Observed {
		t.Errorf("workload is %+v", w)
	}
	s.Status.ObservedGeneration, s.Spec.Replicas = 2, new(int32(3))
	if w := newWorkload("StatefulSet", s, nil, nil); !w.Observed || w.Desired != 3 {
		t.Errorf("workload is %+v", w)
	}
}

func TestWorkloadHasItsProblems(t *testing.T) {
	var d controller
	d.Status.Conditions = []appsv1.DeploymentCondition{
		{Type: appsv1.DeploymentAvailable, Status: corev1.ConditionFalse, Message: "is said otherwise"},
		{Type: appsv1.DeploymentProgressing, Status: corev1.ConditionTrue, Message: "is well"},
		{Type: appsv1.DeploymentProgressing, Status: corev1.ConditionFalse, Message: "timed out"},
		{Type: appsv1.DeploymentReplicaFailure, Status: corev1.ConditionTrue, Message: "quota"},
	}
	if diff := cmp.Diff([]string{"timed out", "quota"}, newWorkload("Deployment", d, nil, nil).Problems); diff != "" {
		t.Error(diff)
	}
}

func TestPodHasTheStatusOfItsContainers(t *testing.T) {
	now := metav1.Now().Rfc3339Copy()
	p := corev1.Pod{Status: corev1.PodStatus{
		Phase: corev1.PodRunning, Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionFalse}},
		ContainerStatuses: []corev1.ContainerStatus{
			{Name: "up", RestartCount: 2, State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: now}}},
			{Name: "waits", State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "CrashLoopBackOff"}}},
			{Name: "ended", State: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{Reason: "OOMKilled"}}},
		},
	}}
	p.DeletionTimestamp = &now
	got := newPod(p)
	want := []ContainerStatus{
		{Name: "up", Running: true, Restarts: 2, StartedAt: now.Time},
		{Name: "waits", Reason: "CrashLoopBackOff"},
		{Name: "ended", Reason: "OOMKilled"},
	}
	if diff := cmp.Diff(want, got.Statuses); diff != "" || got.Ready || !got.Terminating || got.Phase != "Running" {
		t.Errorf("%+v %s", got, diff)
	}
	if s := got.Status("none"); s != (ContainerStatus{Name: "none"}) {
		t.Errorf("status is %+v", s)
	}
}

func TestSpecKeepsTheVolumesThatMatter(t *testing.T) {
	yes := true
	csi := func(driver string, readOnly *bool) corev1.VolumeSource {
		return corev1.VolumeSource{CSI: &corev1.CSIVolumeSource{Driver: driver, ReadOnly: readOnly, VolumeAttributes: map[string]string{"secretProviderClass": "c"}}}
	}
	s := newSpec(corev1.PodSpec{
		Volumes: []corev1.Volume{
			{Name: "secrets", VolumeSource: csi(store.DriverName, &yes)},
			{Name: "writable", VolumeSource: csi(store.DriverName, nil)},
			{Name: "other", VolumeSource: csi("example.org", &yes)},
			{Name: "tmp"},
		},
		Containers: []corev1.Container{{Name: "app", VolumeMounts: []corev1.VolumeMount{
			{Name: "secrets", MountPath: "/a"}, {Name: "secrets", MountPath: "/b", SubPathExpr: "$(X)"}, {Name: "tmp", MountPath: "/tmp"},
		}}},
	})
	secrets := Volume{Name: "secrets", SecretProviderClass: "c", ReadOnly: true}
	if diff := cmp.Diff([]Volume{secrets, {Name: "writable", SecretProviderClass: "c"}}, s.Volumes); diff != "" {
		t.Error(diff)
	}
	want := []Mount{{Path: "/a", Volume: secrets}, {Path: "/b", SubPath: "$(X)", Volume: secrets}}
	if diff := cmp.Diff(want, s.SecretMounts("c")); diff != "" {
		t.Error(diff)
	}
	if got := s.SecretMounts(""); got != nil {
		t.Errorf("mounts are %v", got)
	}
}

func TestPodStatusHasTheTimeOfItsLastChange(t *testing.T) {
	at := func(s int64) *metav1.Time { m := metav1.Unix(s, 0); return &m }
	meta := metav1.ObjectMeta{CreationTimestamp: *at(5)}
	if got := changed(meta); !got.Equal(time.Unix(5, 0)) {
		t.Errorf("changed at %s", got)
	}
	meta.ManagedFields = []metav1.ManagedFieldsEntry{{Time: at(7)}, {}, {Time: at(9)}, {Time: at(8)}}
	if got := changed(meta); !got.Equal(time.Unix(9, 0)) {
		t.Errorf("changed at %s", got)
	}
}
