package verify

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/secretctl/secretctl/internal/config"
)

// in is a fixture in a fake cluster, with changes.
func in(setup func(w *fakeCluster, s *fixture)) func(*testing.T, *fixture) {
	return func(t *testing.T, s *fixture) {
		w := newFakeCluster(t, s)
		s.inPods = true
		if setup != nil {
			setup(w, s)
		}
	}
}

// objectsAre gives the SecretProviderClass other objects.
func objectsAre(text string) func(*testing.T, *fixture) {
	return in(func(w *fakeCluster, _ *fixture) { w.class.Spec.Parameters["objects"] = text })
}

func parameterIs(key, value string) func(*testing.T, *fixture) {
	return in(func(w *fakeCluster, _ *fixture) { w.class.Spec.Parameters[key] = value })
}

func forbidding(path string) func(*testing.T, *fixture) {
	return in(func(w *fakeCluster, _ *fixture) { w.refuse = path })
}

// pending makes the first pod wait for its volumes, with an event about it.
func pending(more func(w *fakeCluster, s *fixture)) func(*testing.T, *fixture) {
	return in(func(w *fakeCluster, s *fixture) {
		w.pods[0].Status = corev1.PodStatus{Phase: corev1.PodPending, ContainerStatuses: []corev1.ContainerStatus{
			{Name: "app", State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "ContainerCreating"}}},
		}}
		w.events = []corev1.Event{
			{Type: "Normal", Reason: "Scheduled", LastTimestamp: metav1.Now()},
			{Type: "Warning", Reason: "BackOff", Message: "back-off", LastTimestamp: metav1.NewTime(time.Now().Add(time.Minute))},
			{
				Type: "Warning", Reason: "FailedMount", LastTimestamp: metav1.Now(),
				Message: "MountVolume.SetUp failed for volume \"secrets\" : rpc error: code = Unknown desc = failed to mount, err: rpc error: code = X desc = provider: 403 for " + canary,
			},
		}
		if more != nil {
			more(w, s)
		}
	})
}

// initContainers has the first pod wait for one of its init containers.
func initContainers(all ...corev1.ContainerStatus) func(*fakeCluster, *fixture) {
	return func(w *fakeCluster, _ *fixture) {
		status := &w.pods[0].Status
		status.InitContainerStatuses, status.ContainerStatuses[0].State.Waiting.Reason = all, "PodInitializing"
	}
}

// statefulSet has the pods belong to a StatefulSet, the first one with an earlier template.
func statefulSet(updateStrategy string) func(*testing.T, *fixture) {
	return in(func(w *fakeCluster, s *fixture) {
		s.d.Aidbox.Workload.Kind = config.KindStatefulSet
		for i, revision := range []string{"aidbox-1", "aidbox-2"} {
			w.pods[i].OwnerReferences[0].Kind, w.pods[i].OwnerReferences[0].UID = "StatefulSet", "s"
			w.pods[i].Labels = map[string]string{appsv1.StatefulSetRevisionLabel: revision}
		}
		w.fixed["/apis/apps/v1/namespaces/default/statefulsets/aidbox"] = `{"metadata": {"name": "aidbox", "namespace": "default", "uid": "s"},
			"spec": {"replicas": 2, "selector": {}, "template": {"spec": {"serviceAccountName": "aidbox"}}, "updateStrategy": ` + updateStrategy + `},
			"status": {"readyReplicas": 2, "updatedReplicas": 1, "updateRevision": "aidbox-2"}}`
	})
}

func workloadRows() []row {
	const (
		account    = "workload/service-account serviceaccount/aidbox"
		class      = "workload/secret-provider-class secretproviderclass/aidbox-vault-secrets"
		configMap  = "workload/vault-config configmap/aidbox-vault-config"
		deployment = "workload/deployment deployment/aidbox"
		stateful   = "workload/deployment statefulset/aidbox"
		noSubPath  = "workload/no-subpath deployment/aidbox"
	)
	spec := func(change func(*corev1.PodSpec)) func(*testing.T, *fixture) {
		return in(func(w *fakeCluster, _ *fixture) { change(&w.pods[1].Spec) })
	}
	return []row{
		{"there", in(nil), account, StatusPass, "the pods run as it"},
		{"absent", in(func(w *fakeCluster, _ *fixture) { w.account = nil }), account, StatusFail, "secretctl render | kubectl apply"},
		{"absent, beside a kustomization", in(func(w *fakeCluster, s *fixture) {
			w.account, s.d.Aidbox.Workload.ManagedBy = nil, config.ManagedByKustomize
		}), account, StatusFail, "secretctl render --skip Deployment | kubectl apply"},
		{"forbidden", forbidding("serviceaccounts"), account, StatusUnknown, "docs/rbac.md"},
		{"another", in(func(w *fakeCluster, _ *fixture) { w.deployment.Spec.Template.Spec.ServiceAccountName = "default" }), account, StatusFail, "ServiceAccount aidbox exists, but Deployment aidbox runs its pods as default"},
		{"no Deployment", in(func(w *fakeCluster, _ *fixture) {
			w.fixed["/apis/apps/v1/namespaces/default/deployments/aidbox"] = notFound
		}), account, StatusPass, "found in namespace default |"},
		{"pods forbidden", forbidding("deployments"), account, StatusUnknown, "found in namespace default; the pods are not known: "},
		{"without the identity", in(func(_ *fakeCluster, s *fixture) {
			s.d.Provider = config.ProviderAzure
			s.d.Azure = &config.Azure{Identity: config.Identity{Type: config.IdentityWorkload, ClientID: "1"}}
		}), account, StatusFail, "azure.workload.identity/client-id"},

		{"as rendered", in(nil), class, StatusPass, "parameters and 1 object match the config"},
		{"absent", in(func(w *fakeCluster, _ *fixture) { w.class = nil }), class, StatusFail, "get no new values"},
		{"forbidden", forbidding("secretproviderclasses"), class, StatusUnknown, "docs/rbac.md"},
		{"wrong provider", in(func(w *fakeCluster, _ *fixture) { w.class.Spec.Provider = "azure" }), class, StatusFail, "provider is azure, not vault"},
		{"wrong role", parameterIs("roleName", "other"), class, StatusFail, `roleName is "other", not "aidbox"`},
		{
			"misspelt key", objectsAre("- {objectName: client-secret, secretPath: secret/data/aidbox/client, secretKey: client-secret, filePermissions: 0600}"),
			class, StatusWarn, "does not know the key filePermissions",
		},
		{
			"one more", objectsAre("- {objectName: client-secret, secretPath: secret/data/aidbox/client, secretKey: client-secret}\n- {objectName: more}"),
			class, StatusWarn, "also more",
		},

		{"as rendered", in(nil), configMap, StatusPass, "and the pods were created for it"},
		{"absent", in(func(w *fakeCluster, _ *fixture) { w.configMap = nil }), configMap, StatusFail, "not found in namespace default"},
		{"without its key", in(func(w *fakeCluster, _ *fixture) { w.configMap.Data = nil }), configMap, StatusFail, "has no key vault-config.json"},
		{"forbidden", forbidding("configmaps"), configMap, StatusUnknown, "docs/rbac.md"},
		{"another scope", in(func(w *fakeCluster, _ *fixture) {
			w.configMap.Data[config.VaultConfigKey] = strings.ReplaceAll(w.configMap.Data[config.VaultConfigKey], "basic", "other")
		}), configMap, StatusFail, "has scope Client/other, not Client/basic"},
		{"pods of another, beside a kustomization", in(func(w *fakeCluster, s *fixture) {
			w.deployment.Spec.Template.Annotations[checksumAnnotation] = "0"
			s.d.Aidbox.Workload.ManagedBy = config.ManagedByKustomize
		}), configMap, StatusFail, "secretctl render --patch | kubectl patch -n default deployment aidbox"},
		{"pods of another, of a chart", in(func(w *fakeCluster, s *fixture) {
			w.deployment.Spec.Template.Annotations[checksumAnnotation] = "0"
			s.d.Aidbox.Workload.ManagedBy = config.ManagedByHelm
		}), configMap, StatusFail, "helm upgrade, with the values that secretctl render writes"},
		{"pods of another", in(func(w *fakeCluster, _ *fixture) { w.deployment.Spec.Template.Annotations[checksumAnnotation] = "0" }), configMap, StatusFail, "created for another one"},
		{"no annotation", in(func(w *fakeCluster, _ *fixture) { w.deployment.Spec.Template.Annotations = nil }), configMap, StatusPass, "have no annotation"},
		{"no annotation where it matters", in(func(w *fakeCluster, s *fixture) {
			s.d.Aidbox.ScopeFormat = config.ScopeObject
			w.configMap.Data[config.VaultConfigKey] = string(s.d.VaultConfig())
			w.deployment.Spec.Template.Annotations = nil
		}), configMap, StatusWarn, "does not replace them"},
		{"rolling", in(func(w *fakeCluster, _ *fixture) { w.pods[0].OwnerReferences[0].UID = "old" }), configMap, StatusWarn, "a rollout is in progress, and some pods have an earlier template"},
		{"no Deployment", in(func(w *fakeCluster, _ *fixture) {
			w.fixed["/apis/apps/v1/namespaces/default/deployments/aidbox"] = notFound
		}), configMap, StatusPass, "path and scope of 1 secret match the config |"},
		{"pods forbidden", forbidding("deployments"), configMap, StatusUnknown, "match the config; the pods are not known: "},

		{"runs", in(nil), deployment, StatusPass, "2 of 2 replicas ready"},
		{"absent", in(func(w *fakeCluster, _ *fixture) {
			w.fixed["/apis/apps/v1/namespaces/default/deployments/aidbox"] = notFound
		}), deployment, StatusFail, "no Deployment aidbox in namespace default"},
		{"absent, and not ours", in(func(w *fakeCluster, s *fixture) {
			w.fixed["/apis/apps/v1/namespaces/default/deployments/aidbox"] = notFound
			s.d.Aidbox.Workload.ManagedBy = config.ManagedByHelm
		}), deployment, StatusFail, "no Deployment aidbox in namespace default | deploy it"},
		{"forbidden", forbidding("deployments"), deployment, StatusUnknown, "docs/rbac.md"},
		{"scaled down", in(func(w *fakeCluster, _ *fixture) { w.deployment.Spec.Replicas, w.pods = new(int32), nil }), deployment, StatusFail, "deployment/aidbox has 0 replicas, so nothing runs | kubectl scale -n default deployment/aidbox --replicas=1"},
		{"no pods", in(func(w *fakeCluster, _ *fixture) { w.pods = nil }), deployment, StatusFail, "has no pods"},
		{"not observed", in(func(w *fakeCluster, _ *fixture) { w.deployment.Generation = 2 }), deployment, StatusUnknown, "not observed yet"},
		{"not ready", in(func(w *fakeCluster, _ *fixture) { w.deployment.Status.ReadyReplicas = 1 }), deployment, StatusFail, "1 of 2 replicas ready"},
		{"quota", in(func(w *fakeCluster, _ *fixture) {
			w.deployment.Status.Conditions = []appsv1.DeploymentCondition{{Type: appsv1.DeploymentReplicaFailure, Status: corev1.ConditionTrue, Message: "exceeded quota"}}
		}), deployment, StatusFail, "exceeded quota"},
		{"crashing", in(func(w *fakeCluster, _ *fixture) {
			w.pods[1].Status.ContainerStatuses[0].State = corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "CrashLoopBackOff"}}
		}), deployment, StatusFail, "pod/b: container app does not run: CrashLoopBackOff; 2 of 2 replicas ready | kubectl logs -n default b -c app --previous"},
		{"rolling", in(func(w *fakeCluster, _ *fixture) { w.pods[0].OwnerReferences[0].UID = "old" }), deployment, StatusWarn, "a rollout is in progress: pod/a"},
		{"rolling, and paused", in(func(w *fakeCluster, _ *fixture) {
			w.pods[0].OwnerReferences[0].UID, w.deployment.Spec.Paused, w.deployment.Status.UpdatedReplicas = "old", true, 1
		}), deployment, StatusWarn, "a rollout is paused: pod/a is terminating or has an earlier template | kubectl rollout resume -n default deployment/aidbox"},
		{"StatefulSet that waits for deletions", statefulSet(`{"type": "OnDelete"}`), stateful, StatusWarn, "the updateStrategy is OnDelete: pod/a is terminating or has an earlier template | delete the pods one after the other"},
		{"StatefulSet with a partition", statefulSet(`{"rollingUpdate": {"partition": 1}}`), stateful, StatusWarn, "the updateStrategy has a partition: pod/a is"},
		{"StatefulSet that rolls", statefulSet(`{"rollingUpdate": {"partition": 0}}`), stateful, StatusWarn, "a rollout is in progress: pod/a is terminating or has an earlier template | kubectl rollout status -n default statefulset/aidbox"},
		{"ended pod of an old template", in(func(w *fakeCluster, _ *fixture) {
			w.pods = append(w.pods, *w.pods[0].DeepCopy())
			w.pods[2].Name, w.pods[2].UID, w.pods[2].OwnerReferences[0].UID = "evicted", "uid-evicted", "old"
			w.pods[2].Status = corev1.PodStatus{Phase: corev1.PodFailed}
		}), deployment, StatusPass, "2 of 2 replicas ready, of the current template"},
		{"paused with another template", in(func(w *fakeCluster, _ *fixture) {
			w.deployment.Spec.Paused, w.deployment.Status.UpdatedReplicas = true, 0
		}), deployment, StatusWarn, "deployment/aidbox is paused, and its template has changed: no replica has it | kubectl rollout resume -n default deployment/aidbox"},
		{"paused with another vault config", in(func(w *fakeCluster, _ *fixture) {
			w.deployment.Spec.Paused, w.deployment.Status.UpdatedReplicas = true, 0
		}), "workload/vault-config configmap/aidbox-vault-config", StatusWarn, "is paused, so the pods were created for an earlier template"},
		{"sidecar crashes", in(func(w *fakeCluster, _ *fixture) {
			w.deployment.Status.ReadyReplicas = 1
			p := &w.pods[1].Status
			p.Conditions[0].Status = corev1.ConditionFalse
			p.ContainerStatuses = append(p.ContainerStatuses, corev1.ContainerStatus{
				Name: "sidecar", RestartCount: 4, State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "CrashLoopBackOff"}},
			})
		}), deployment, StatusFail, "pod/b: container sidecar does not run: CrashLoopBackOff; 1 of 2 replicas ready | kubectl logs -n default b -c sidecar --previous"},
		{"native sidecar crashes", in(func(w *fakeCluster, _ *fixture) {
			w.deployment.Status.ReadyReplicas = 1
			p := &w.pods[1].Status
			p.Conditions[0].Status = corev1.ConditionFalse
			p.InitContainerStatuses = []corev1.ContainerStatus{
				{Name: "migrate", RestartCount: 2, State: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{Reason: "Completed"}}},
				{Name: "proxy", State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "CrashLoopBackOff"}}},
			}
		}), deployment, StatusFail, "pod/b: container proxy does not run: CrashLoopBackOff; 1 of 2 replicas ready"},
		{"sidecar was restarted", in(func(w *fakeCluster, _ *fixture) {
			w.deployment.Status.ReadyReplicas = 1
			p := &w.pods[1].Status
			p.Conditions[0].Status = corev1.ConditionFalse
			p.ContainerStatuses = append(p.ContainerStatuses, corev1.ContainerStatus{
				Name: "side;car", RestartCount: 4, State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}},
			})
		}), deployment, StatusFail, "pod/b is not ready: container side;car was restarted, 4 times so far; 1 of 2 replicas ready | kubectl logs -n default b -c 'side;car' --previous"},
		{"cannot mount", pending(nil), deployment, StatusFail, "pod/a is Pending (ContainerCreating); event FailedMount: (message withheld: it repeats a secret value)"},
		{"cannot mount, trimmed", pending(func(w *fakeCluster, _ *fixture) {
			w.events[2].Message = strings.TrimSuffix(w.events[2].Message, canary) + "you"
		}), deployment, StatusFail, "event FailedMount: provider: 403 for you; the pod's login, tried from here: connection refused | kubectl describe pod -n default a"},
		{"only its node logs in, and the secret is gone", pending(func(w *fakeCluster, s *fixture) {
			w.events = nil
			s.w.Granted = func(context.Context) (string, error) { return "the role is assigned", nil }
			clear(s.store)
		}), deployment, StatusFail, "(ContainerCreating); file does not exist"},
		{"no class", pending(func(w *fakeCluster, _ *fixture) { w.class = nil }), deployment, StatusFail, "not found | secretctl render"},
		{"no account", pending(func(w *fakeCluster, _ *fixture) { w.account = nil }), deployment, StatusFail, "so no pod can start | secretctl render"},
		{"writable volume", pending(func(w *fakeCluster, _ *fixture) { w.pods[0].Spec.Volumes[0].CSI.ReadOnly = nil }), deployment, StatusFail, "is not readOnly: true"},
		{"no driver", pending(func(w *fakeCluster, _ *fixture) { w.fixed[driverPath] = notFound }), deployment, StatusFail, "driver is not installed"},
		{"no driver on the node", pending(func(w *fakeCluster, _ *fixture) { w.fixed[nodesPath] = `{"items": []}` }), deployment, StatusFail, "does not run on node n1"},
		{"no provider", pending(func(w *fakeCluster, _ *fixture) { w.fixed[daemonsPath] = daemons(driverDaemon("true", 1)) }), deployment, StatusFail, "no DaemonSet of provider vault"},
		{"provider down", pending(func(w *fakeCluster, _ *fixture) {
			w.fixed[daemonsPath] = daemons(driverDaemon("true", 1), providerDaemon(0))
		}), deployment, StatusFail, "0 of 1 pods ready"},
		{"login refused", pending(func(_ *fakeCluster, s *fixture) { s.w.LogIn = refusedLogin }), deployment, StatusFail, "the pod's login, tried from here: "},
		{"no node, and no class", pending(func(w *fakeCluster, _ *fixture) {
			w.class, w.pods[0].Spec.NodeName, w.pods[0].Status.ContainerStatuses = nil, "", nil
			w.events = []corev1.Event{{Type: "Warning", Reason: "FailedScheduling", Message: "0/1 nodes are available"}}
		}), deployment, StatusFail, "pod/a is Pending; event FailedScheduling: 0/1 nodes are available | kubectl describe pod -n default a"},
		{"no image, and no class", pending(func(w *fakeCluster, _ *fixture) {
			w.class, w.pods[0].Status.ContainerStatuses[0].State.Waiting.Reason = nil, "ErrImagePull"
		}), deployment, StatusFail, "pod/a is Pending (ErrImagePull); event BackOff: back-off | kubectl describe pod -n default a"},
		{"an init container crashes", pending(initContainers(
			corev1.ContainerStatus{Name: "proxy", Started: new(true), State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}}, // a native sidecar
			corev1.ContainerStatus{Name: "migrate", State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "CrashLoopBackOff"}}},
		)), deployment, StatusFail, "(PodInitializing); event BackOff: back-off; it waits for init container migrate | kubectl logs -n default a -c migrate"},
		{"cannot mount before an init container", pending(initContainers(
			corev1.ContainerStatus{Name: "migrate", State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "PodInitializing"}}},
		)), deployment, StatusFail, "the pod's login, tried from here"},
		{"events forbidden", pending(func(w *fakeCluster, _ *fixture) { w.refuse = "events" }), deployment, StatusFail, "its events cannot be read"},

		{"none", in(nil), noSubPath, StatusPass, "in the template and in 2 pods"},
		{"forbidden", forbidding("deployments"), noSubPath, StatusUnknown, "docs/rbac.md"},
		{"a secret", spec(func(p *corev1.PodSpec) { p.Containers[1].VolumeMounts[0].SubPath = "client-secret" }), noSubPath, StatusFail, "pod/b mounts client-secret of secrets"},
		{"the vault config", spec(func(p *corev1.PodSpec) { p.Containers[1].VolumeMounts[1].SubPath = "vault-config.json" }), noSubPath, StatusWarn, "needs new pods"},
	}
}

func TestEachWorkloadCheckSaysWhatIsWrong(t *testing.T) {
	for _, r := range slices.Concat(workloadRows(), podRows()) {
		t.Run(r.check+"/"+r.name, func(t *testing.T) {
			t.Parallel()
			r.run(t)
		})
	}
}

func TestCauseIsWhatTheLastOneSaid(t *testing.T) {
	const kubelet = `MountVolume.SetUp failed for volume "secrets" : rpc error: code = Unknown desc = failed to mount, err: rpc error: code = Unknown desc = `
	for message, want := range map[string]string{
		"no pod may start": "no pod may start",
		kubelet + `failed to login: Error making API request. URL: POST http://vault:8200/v1/auth/kubernetes/login Code: 400. Errors: * invalid role name "x"`: `Code: 400. Errors: * invalid role name "x"`,
		kubelet + `couldn't read secret "a": Code: 404. Errors:`: "Code: 404. Errors:",
		kubelet + `key "a" does not exist at the secret path`:    `key "a" does not exist at the secret path`,
		"the end is desc = ": "the end is desc = ",
	} {
		if got := lastCause(message); got != want {
			t.Errorf("%s: %q", message, got)
		}
	}
}
