// Package charts has the real Helm charts of the driver and of the Azure provider, which
// come with their sources, for tests whose working directory is two levels down.
package charts

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// The names of the charts.
const (
	Driver        = "secrets-store-csi-driver"
	AzureProvider = "csi-secrets-store-provider-azure"
)

const (
	driverModule = "sigs.k8s.io/secrets-store-csi-driver"
	azureModule  = "github.com/Azure/secrets-store-csi-driver-provider-azure"
	azureSources = "../../test/cluster/azureprovider"
)

// OfDriver returns the folder of the driver's chart.
func OfDriver(t *testing.T) string {
	t.Helper()
	return filepath.Join(moduleFolder(t, ".", driverModule), "charts", Driver)
}

// OfAzureProvider returns the folder of the provider's chart, with the driver's in it.
func OfAzureProvider(t *testing.T) string {
	t.Helper()
	chart := filepath.Join(t.TempDir(), AzureProvider)
	for to, from := range map[string]string{
		chart:                                  filepath.Join(moduleFolder(t, azureSources, azureModule), "charts", AzureProvider),
		filepath.Join(chart, "charts", Driver): OfDriver(t),
	} {
		if err := os.CopyFS(to, os.DirFS(from)); err != nil {
			t.Fatal(err)
		}
	}
	return chart
}

// Render has the real helm render a chart. Without SECRETCTL_TEST_PEERS it skips the
// test, or fails it if SECRETCTL_REQUIRE_PEERS is set.
func Render(t *testing.T, release, chart string, args ...string) string {
	t.Helper()
	args = append([]string{"template", release, chart, "--kube-version=1.36.3"}, args...)
	out, err := exec.CommandContext(t.Context(), filepath.Join(peers(t), "helm"), args...).CombinedOutput()
	if err != nil {
		t.Fatalf("helm %v: %s", args, out)
	}
	return string(out)
}

func peers(t *testing.T) string {
	t.Helper()
	folder := os.Getenv("SECRETCTL_TEST_PEERS")
	if folder == "" && os.Getenv("SECRETCTL_REQUIRE_PEERS") != "" {
		t.Fatal("SECRETCTL_TEST_PEERS is not set")
	}
	if folder == "" {
		t.Skip("SECRETCTL_TEST_PEERS is not set: see test/peers/with")
	}
	return folder
}

// moduleFolder returns the sources of a module that the one in dir requires.
func moduleFolder(t *testing.T, dir, module string) string {
	t.Helper()
	peers(t) // the sources need not be here where the test is skipped
	out, err := exec.CommandContext(t.Context(), "go", "-C", dir, "mod", "download", "-json", module).Output()
	var found struct{ Dir string }
	if err != nil || json.Unmarshal(out, &found) != nil || found.Dir == "" {
		t.Fatalf("%s: %v %s", module, err, out)
	}
	return found.Dir
}
