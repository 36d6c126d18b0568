package cmd_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/secretctl/secretctl/test/testenv"
)

// Commands that find no address in a config would go to what a developer runs on
// this machine, as whom its environment says.
func TestScriptsReachNothingOfTheMachine(t *testing.T) {
	traps := testenv.Trap(t)
	home := t.TempDir()
	kubeconfig := filepath.Join(home, ".kube", "config")
	if err := os.Mkdir(filepath.Dir(kubeconfig), 0o700); err != nil {
		t.Fatal(err)
	}
	testenv.WriteFile(t, kubeconfig, []byte(`{apiVersion: v1, kind: Config, current-context: x, contexts: [{name: x, context: {cluster: x, user: x}}],
		clusters: [{name: x, cluster: {server: "http://127.0.0.1:6443"}}], users: [{name: x, user: {token: x}}]}`))
	testenv.WriteFile(t, filepath.Join(home, ".vault-token"), []byte("hostile"))

	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	scripts := []string{"TestScripts/doctor-diff", "TestAzureScripts/doctor-diff", "TestScripts/usage", "TestScripts/see"}
	c := exec.CommandContext(t.Context(), self, "-test.v", "-test.run=^Test(Azure)?Scripts$/^(doctor-diff|usage|see)$")
	c.Env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + home, "KUBECONFIG=" + kubeconfig,
		"VAULT_ADDR=http://127.0.0.1:8200", "VAULT_TOKEN=hostile", "VAULT_NAMESPACE=hostile", "VAULT_CLIENT_TIMEOUT=1",
		"AZURE_TENANT_ID=hostile", "AZURE_CLIENT_ID=hostile", "AZURE_CLIENT_SECRET=hostile",
		"SECRETCTL_TIMEOUT=1ms", "SECRETCTL_CONFIG=/hostile", "SECRETCTL_AIDBOX_URL=http://127.0.0.1:8888", "AIDBOX_CLIENT_SECRET=hostile",
	}
	out, err := c.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, name := range scripts {
		if !strings.Contains(string(out), fmt.Sprintf("--- PASS: %s ", name)) {
			t.Errorf("%s did not run", name)
		}
	}
	if noted := traps.Noted(); len(noted) > 0 {
		t.Errorf("reached: %q", noted)
	}
}
