package install

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	storagev1 "k8s.io/api/storage/v1"
	"sigs.k8s.io/yaml"

	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/test/charts"
)

// The real charts come with the sources of the driver and the provider.
func TestPeerDriverChartKnowsTheValuesThatAreSet(t *testing.T) {
	objects := rendered(t, charts.OfDriver(t), withVault("vault"), withAzure(config.IdentityWorkload))

	driver := find[storagev1.CSIDriver](t, objects, "CSIDriver")
	var audiences []string
	for _, request := range driver.Spec.TokenRequests {
		audiences = append(audiences, request.Audience)
	}
	if diff := cmp.Diff([]string{"api://AzureADTokenExchange", "vault"}, audiences); diff != "" {
		t.Errorf("audiences (-want +got):\n%s", diff)
	}
	if driver.Spec.RequiresRepublish == nil || !*driver.Spec.RequiresRepublish {
		t.Error("the CSIDriver object does not require republishing")
	}
	for _, want := range []string{"--enable-secret-rotation=true", "--rotation-poll-interval=30s"} {
		if !strings.Contains(objects, want) {
			t.Errorf("the driver does not run with %s", want)
		}
	}
}

// The test cluster runs the Azure provider as the chart does.
func TestPeerAzureChartInstallsWhatTheTestClusterRuns(t *testing.T) {
	objects := rendered(t, charts.OfAzureProvider(t), withAzure(config.IdentityKubelet))
	if strings.Contains(objects, "kind: CSIDriver") {
		t.Error("it installs a driver of its own")
	}
	manifest, err := os.ReadFile("../../test/cluster/manifests/provider-azure.yaml")
	if err != nil {
		t.Fatal(err)
	}
	got, want := find[appsv1.DaemonSet](t, objects, "DaemonSet"), find[appsv1.DaemonSet](t, string(manifest), "DaemonSet")
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the manifest of the tests, and the chart's (-manifest +chart):\n%s", diff)
	}
}

// rendered renders a chart with the real helm, and the values of install for a new cluster.
func rendered(t *testing.T, chart string, deliveries ...*config.Delivery) string {
	t.Helper()
	f := newFake(t)
	if _, err := f.run(Options{}, deliveries...); err != nil {
		t.Fatal(err)
	}
	for _, call := range f.upgrades() {
		words := strings.Fields(call) // upgrade --install RELEASE CHART --repo URL --version VERSION ...
		if words[3] == filepath.Base(chart) {
			return charts.Render(t, words[2], chart, words[8:]...)
		}
	}
	t.Fatalf("nothing installs %s", chart)
	return ""
}

// find returns the only object of a kind.
func find[T any](t *testing.T, documents, kind string) *T {
	t.Helper()
	var found []*T
	for text := range strings.SplitSeq(documents, "\n---") {
		if !strings.Contains("\n"+text, "\nkind: "+kind+"\n") {
			continue
		}
		o := new(T)
		if err := yaml.Unmarshal([]byte(text), o); err != nil {
			t.Fatal(err)
		}
		found = append(found, o)
	}
	if len(found) != 1 {
		t.Fatalf("%d objects of kind %s", len(found), kind)
	}
	return found[0]
}
