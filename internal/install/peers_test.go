package install

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	storagev1 "k8s.io/api/storage/v1"
	"sigs.k8s.io/yaml"

	"github.com/secretctl/secretctl/internal/config"
)

const (
	driverModule = "sigs.k8s.io/secrets-store-csi-driver"
	azureModule  = "github.com/Azure/secrets-store-csi-driver-provider-azure"
	azureSources = "../../test/cluster/azureprovider"
	azureChart   = "csi-secrets-store-provider-azure"
)

// The real charts come with the sources of the driver and the provider.
func TestPeerDriverChartKnowsTheValuesThatAreSet(t *testing.T) {
	helm := realHelm(t)
	chart := filepath.Join(moduleFolder(t, ".", driverModule), "charts", driverChart)
	objects := rendered(t, helm, chart, withVault("vault"), withAzure(config.IdentityWorkload))

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

// The cluster of the tests runs the Azure provider as the chart would.
func TestPeerAzureChartInstallsWhatTheTestClusterRuns(t *testing.T) {
	helm := realHelm(t)
	chart := filepath.Join(t.TempDir(), azureChart)
	for to, from := range map[string]string{
		chart: filepath.Join(moduleFolder(t, azureSources, azureModule), "charts", azureChart),
		filepath.Join(chart, "charts", driverChart): filepath.Join(moduleFolder(t, ".", driverModule), "charts", driverChart),
	} {
		if err := os.CopyFS(to, os.DirFS(from)); err != nil {
			t.Fatal(err)
		}
	}
	objects := rendered(t, helm, chart, withAzure(config.IdentityKubelet))
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

// realHelm returns the real helm, or skips the test.
func realHelm(t *testing.T) string {
	t.Helper()
	folder := os.Getenv("SECRETCTL_TEST_PEERS")
	if folder == "" {
		if os.Getenv("SECRETCTL_REQUIRE_PEERS") != "" {
			t.Fatal("SECRETCTL_TEST_PEERS is not set")
		}
		t.Skip("SECRETCTL_TEST_PEERS is not set: see test/peers/with")
	}
	return filepath.Join(folder, "helm")
}

// rendered has the real helm render a chart with what install gives it for a new
// cluster.
func rendered(t *testing.T, helm, chart string, deliveries ...*config.Delivery) string {
	t.Helper()
	f := newFake(t)
	if _, err := f.run(Options{}, deliveries...); err != nil {
		t.Fatal(err)
	}
	for _, call := range f.upgrades() {
		words := strings.Fields(call) // upgrade --install RELEASE CHART --repo URL --version VERSION ...
		if words[3] != filepath.Base(chart) {
			continue
		}
		args := append([]string{"template", words[2], chart, "--kube-version=1.36.3"}, words[8:]...)
		out, err := exec.CommandContext(t.Context(), helm, args...).CombinedOutput()
		if err != nil {
			t.Fatalf("helm %v: %s", args, out)
		}
		return string(out)
	}
	t.Fatalf("nothing installs %s", chart)
	return ""
}

// moduleFolder returns the sources of a module that the one in dir requires.
func moduleFolder(t *testing.T, dir, module string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "-C", dir, "mod", "download", "-json", module).Output()
	var found struct{ Dir string }
	if err != nil || json.Unmarshal(out, &found) != nil || found.Dir == "" {
		t.Fatalf("%s: %v %s", module, err, out)
	}
	return found.Dir
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
