package verify

import (
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
)

func TestObserveCountsReplicasWithoutAPod(t *testing.T) {
	for _, tt := range []struct {
		name  string
		pods  int
		wants int32
		quota bool
		want  string // the states of pod a, pod b, and of those without a pod
	}{
		{"as many as wanted", 2, 2, false, "current current"},
		{"more than wanted, during a rollout", 2, 1, false, "current current"},
		{"not created yet", 2, 4, false, "current current missing: no pod for 2 of 4 replicas"},
		{"refused", 2, 3, true, "current current missing: no pod for 1 of 3 replicas: pods \"aidbox-x\" is forbidden: exceeded quota"},
		{"all refused", 0, 2, true, "missing: no pod for 2 of 2 replicas: pods \"aidbox-x\" is forbidden: exceeded quota"},
		{"none wanted", 0, 0, false, "missing: deployment/aidbox has 0 replicas, so nothing is mounted"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newFixture(t)
			w := newFakeCluster(t, s)
			w.deployment.Spec.Replicas, w.pods = &tt.wants, w.pods[:tt.pods]
			if tt.quota {
				w.deployment.Status.Conditions = []appsv1.DeploymentCondition{{
					Type: appsv1.DeploymentReplicaFailure, Status: corev1.ConditionTrue, Message: `pods "aidbox-x" is forbidden: exceeded quota`,
				}}
			}
			var got []string
			replicas := 0
			for _, m := range Observe(t.Context(), s.d, s.w.dependencies(s.d), 4) {
				got, replicas = append(got, string(m.State)), replicas+m.Replicas
				if m.State != StateCurrent {
					got[len(got)-1] += ": " + m.Detail
				}
			}
			if got := strings.Join(got, " "); got != tt.want || replicas != max(tt.pods, int(tt.wants)) {
				t.Errorf("%d replicas\n got %s\nwant %s", replicas, got, tt.want)
			}
		})
	}
}
