package cmd_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/secretctl/secretctl/cmd"
)

// runWith runs secretctl on a config, in an environment.
func runWith(t *testing.T, config string, env map[string]string, args ...string) (code int, out, narration string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "secretctl.yaml")
	if err := os.WriteFile(path, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	var stdout, stderr lockedBuffer
	code = cmd.Run(t.Context(), append(args, "-c", path), cmd.IO{
		In: strings.NewReader(""), Out: &stdout, Err: &stderr,
		LookupEnv: func(name string) (string, bool) { value, ok := env[name]; return value, ok },
	})
	return code, stdout.String(), stderr.String()
}

const fromEnvironmentConfig = `apiVersion: secretctl.dev/v1
provider: vault
vault: {address: "http://127.0.0.1:1"}
aidbox: {url: "http://127.0.0.1:1"}
secrets: [{name: a, scope: [Client], value: {env: SECRETCTL_SECRET}}]
`

func TestValueInAVariableNamedLikeAFlagIsNotTakenForTheFlag(t *testing.T) {
	env := map[string]string{"SECRETCTL_SECRET": "hunter2-value", "SECRETCTL_ALL": "true"}
	code, out, narration := runWith(t, fromEnvironmentConfig, env, "verify", "mount", "--mount-path", t.TempDir())
	if code != 1 || strings.Contains(out+narration, "hunter2") {
		t.Errorf("exit code %d\n%s%s", code, out, narration)
	}
	if _, out, _ = runWith(t, fromEnvironmentConfig, env, "verify", "--mount-path", t.TempDir()); strings.Contains(out, "rotation/") {
		t.Errorf("SECRETCTL_ALL ran the groups that write\n%s", out)
	}
}
