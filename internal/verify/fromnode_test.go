package verify

import (
	"context"
	"errors"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	secretsstorev1 "sigs.k8s.io/secrets-store-csi-driver/apis/v1"
)

// fromNode is a fixture whose login is tried by a pod in a fake cluster. Each probe must
// be deleted in the end.
func fromNode(change func(w *fakeCluster, s *fixture)) func(*testing.T, *fixture) {
	return func(t *testing.T, s *fixture) {
		var w *fakeCluster
		granted("the role is assigned", nil)(t, s)
		in(func(cluster *fakeCluster, _ *fixture) {
			w = cluster
			w.onProbe = func(p *corev1.Pod) { w.mounted(p.UID) }
			w.pods[0].Spec.Containers[1].Image = "registry.example/aidbox:1"
			w.deployment.Spec.Template.Spec = w.pods[0].Spec
			if change != nil {
				change(w, s)
			}
		})(t, s)
		s.o.FromNode = true
		t.Cleanup(func() {
			for _, p := range w.pods {
				if p.Labels["secretctl.dev/probe"] != "" && w.refuse == "" {
					t.Errorf("%s is left behind", p.Name)
				}
			}
		})
	}
}

// mounted adds the status of the driver for a pod whose volume it has mounted.
func (w *fakeCluster) mounted(pod types.UID) {
	status := secretsstorev1.SecretProviderClassPodStatus{ObjectMeta: metav1.ObjectMeta{OwnerReferences: []metav1.OwnerReference{{Kind: "Pod", UID: pod}}}}
	status.Status.SecretProviderClassName, status.Status.Mounted = "aidbox-vault-secrets", true
	w.statuses = append(w.statuses, status)
}

// failedMount adds an event about the probe.
func failedMount(reason string) func(w *fakeCluster, s *fixture) {
	return func(w *fakeCluster, s *fixture) {
		w.onProbe = func(*corev1.Pod) {
			w.events = []corev1.Event{{Type: "Warning", Reason: reason, LastTimestamp: metav1.Now(), Message: "rpc error: code = X desc = 403 for " + canary}}
		}
		s.w.Granted = func(context.Context) (string, error) { return "", errors.New("the role is not assigned") }
	}
}

func fromNodeRows() []row {
	const pod = "store/pod-can-read serviceaccount/aidbox"
	gone := func(w *fakeCluster, _ *fixture) { w.onProbe = func(*corev1.Pod) { w.pods = w.pods[:2] } }
	return []row{
		{"a pod mounts", fromNode(nil), pod, StatusPass, "a throw-away pod on node n1 mounted 1 secret"},
		{"a pod cannot mount", fromNode(failedMount("FailedMount")), pod, StatusFail, "pod/aidbox-probe-1 is Pending; event FailedMount: (message withheld: it repeats a secret value); only the pod's node can log in, so the login was not tried; the role is not assigned"},
		{"a pod is deleted", fromNode(gone), pod, StatusUnknown, "was deleted before it mounted anything | run it again"},
		{"a pod may not be created", fromNode(func(w *fakeCluster, _ *fixture) { w.refuse = "/pods" }), pod, StatusUnknown, "docs/rbac.md"},
		{"the statuses may not be read", fromNode(func(w *fakeCluster, _ *fixture) { w.onProbe = func(*corev1.Pod) { w.refuse = "podstatuses" } }), pod, StatusUnknown, `"list" on "secretproviderclasspodstatuses"`},
		{"the events may not be read", fromNode(func(w *fakeCluster, _ *fixture) { w.onProbe = func(*corev1.Pod) { w.refuse = "events" } }), pod, StatusUnknown, "why the pod does not mount"},
		{"no SecretProviderClass", fromNode(func(w *fakeCluster, _ *fixture) { w.class = nil }), pod, StatusUnknown, "no pod was created: SecretProviderClass aidbox-vault-secrets: "},
		{"another SecretProviderClass", fromNode(func(w *fakeCluster, _ *fixture) { w.class.Spec.Parameters["roleName"] = "other" }), pod, StatusUnknown, `roleName is "other", not "aidbox" | secretctl render`},
		{"no ServiceAccount for a pod", fromNode(func(w *fakeCluster, _ *fixture) { w.account = nil }), pod, StatusUnknown, "default/aidbox does not exist"},
		{"no image", fromNode(func(w *fakeCluster, _ *fixture) { w.deployment.Spec.Template.Spec.Containers[1].Image = "" }), pod, StatusUnknown, "names an image | deploy Aidbox first"},
	}
}

// The probes of killed runs are deleted first. The new one has everything of a pod of the
// workload that a mount depends on.
func TestProbeIsAPodLikeThoseOfTheWorkload(t *testing.T) {
	s := newFixture(t)
	s.o.Selected = []string{"store"}
	var w *fakeCluster
	fromNode(func(cluster *fakeCluster, _ *fixture) {
		w = cluster
		w.deployment.Spec.Template.Spec.NodeSelector = map[string]string{"pool": "fhir"}
		w.pods = append(w.pods, corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "left", Labels: map[string]string{"secretctl.dev/probe": "aidbox"}}})
	})(t, s)
	_, report, err := s.run(t.Context())
	must(t, err)
	secretless(t, s, report)
	if len(w.probes) != 1 {
		t.Fatalf("%d probes", len(w.probes))
	}
	for _, want := range []string{
		`"image":"registry.example/aidbox:1"`, `"imagePullPolicy":"Never"`, `"serviceAccountName":"aidbox"`, `"nodeSelector":{"pool":"fhir"}`,
		`"secretProviderClass":"aidbox-vault-secrets"`, `"activeDeadlineSeconds":150`, `"automountServiceAccountToken":false`,
	} {
		if !strings.Contains(w.probes[0], want) {
			t.Errorf("no %s in %s", want, w.probes[0])
		}
	}
}

func TestProbeIsDeletedAfterAnInterruption(t *testing.T) {
	s := newFixture(t)
	s.o.Selected = []string{"store"}
	ctx, cancel := context.WithCancel(t.Context())
	fromNode(func(w *fakeCluster, _ *fixture) { w.onProbe = func(*corev1.Pod) { cancel() } })(t, s)
	results, _, _ := s.run(ctx)
	if got := results["store/pod-can-read serviceaccount/aidbox"]; got.Status != StatusUnknown || !strings.Contains(got.Detail, "interrupted") {
		t.Error(got)
	}
}
