package verify

import (
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	"sigs.k8s.io/yaml"

	"github.com/secretctl/secretctl/test/charts"
)

// AKS installs the charts as its add-on, under names of its own. Their DaemonSets for
// Windows have no nodes here.
func TestPeerChecksKnowTheAddonOfAKS(t *testing.T) {
	const driver, provider = "aks-secrets-store-csi-driver", "aks-secrets-store-provider-azure"
	chart := charts.OfAzureProvider(t)
	for name, tt := range map[string]struct{ flag, check, status, says string }{
		"driver":       {"true", "cluster/csi-driver", "pass", "driver 1.5.6 runs on 1 node (DaemonSet kube-system/" + driver + ")"},
		"provider":     {"true", "cluster/provider", "pass", "provider azure 1.8.2 runs (DaemonSet kube-system/" + provider + ")"},
		"rotation":     {"true", "cluster/rotation-enabled", "pass", "and looks for new values by itself"},
		"no rotation":  {"false", "cluster/rotation-enabled", "fail", "az aks addon update --resource-group RG --name CLUSTER"},
		"verify mount": {"true", "mount/matches-store client-secret pod/b", "pass", "equal to the store"},
	} {
		t.Run(name, func(t *testing.T) {
			var sets []string
			for text := range strings.SplitSeq(charts.Render(t, "aks", chart, "--namespace=kube-system", "--set=fullnameOverride="+provider,
				"--set=windows.enabled=true,secrets-store-csi-driver.windows.enabled=true", "--set=secrets-store-csi-driver.fullnameOverride="+driver,
				"--set=secrets-store-csi-driver.enableSecretRotation="+tt.flag), "\n---") {
				var set appsv1.DaemonSet
				must(t, yaml.Unmarshal([]byte(text), &set))
				if set.Kind != "DaemonSet" {
					continue
				}
				if !strings.HasSuffix(set.Name, "-windows") {
					set.Status.DesiredNumberScheduled, set.Status.NumberReady = 1, 1
				}
				sets = append(sets, object(set))
			}
			if len(sets) != 4 {
				t.Fatalf("%d DaemonSets", len(sets))
			}
			s := newFixture(t)
			s.inPods, s.o.Selected = true, []string{"cluster", "workload", "mount"}
			w := newFakeCluster(t, s)
			twoKeyVaults(t, w, s)
			w.fixed[daemonsPath] = daemons(sets...)
			results, _, err := s.run(t.Context())
			must(t, err)
			if got := results[tt.check]; string(got.Status) != tt.status || !strings.Contains(got.Detail+got.Hint, tt.says) {
				t.Errorf("%s: %s: %s | %s", tt.check, got.Status, got.Detail, got.Hint)
			}
			for id, r := range results {
				elsewhere := r.ID == "cluster/token-requests" || r.ID == "cluster/ownership" // which are not about the add-on
				if r.Status != StatusPass && !elsewhere && id != tt.check {
					t.Errorf("%s: %s: %s", id, r.Status, r.Detail)
				}
			}
		})
	}
}
