package cmd_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
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

func TestVariablesThatHeldASecretAreTakenOutOfTheEnvironment(t *testing.T) {
	path := filepath.Join(t.TempDir(), "secretctl.yaml")
	first := fromEnvironmentConfig + "resources: [{type: Client, id: x, secrets: {secret: a}}]\n"
	other := strings.NewReplacer("SECRETCTL_SECRET", "AWS_OTHER", "provider:", "name: other\nprovider:", "127.0.0.1:1", "127.0.0.1:2").Replace(fromEnvironmentConfig)
	if err := os.WriteFile(path, []byte(first+"---\n"+other), 0o600); err != nil {
		t.Fatal(err)
	}
	for command, want := range map[string][]string{
		"provision --dry-run --vault-login jwt/ci": {"AIDBOX_CLIENT_SECRET", "AWS_OTHER", "SECRETCTL_ID_TOKEN", "SECRETCTL_SECRET", "VAULT_TOKEN"},
		"provision --dry-run":                      {"AIDBOX_CLIENT_SECRET", "AWS_OTHER", "SECRETCTL_SECRET", "VAULT_TOKEN"},
		"client get":                               {"AIDBOX_CLIENT_SECRET", "AWS_OTHER", "SECRETCTL_SECRET"},
		"render":                                   {"AIDBOX_CLIENT_SECRET", "AWS_OTHER", "SECRETCTL_SECRET"},
		"render --delivery aidbox":                 {"AIDBOX_CLIENT_SECRET", "AWS_OTHER", "SECRETCTL_SECRET"},
	} {
		env := map[string]string{
			"SECRETCTL_SECRET": "hunter2-value", "VAULT_TOKEN": "hunter2-token", "AIDBOX_CLIENT_SECRET": "hunter2-admin", "SECRETCTL_ID_TOKEN": "hunter2-jwt", "AWS_OTHER": "hunter2-other",
			"PATH": "/usr/bin",
		}
		var mu sync.Mutex
		var taken []string
		var out, narration lockedBuffer
		cmd.Run(t.Context(), append(strings.Fields(command), "-c", path, "--timeout", "300ms"), cmd.IO{
			In: strings.NewReader(""), Out: &out, Err: &narration,
			LookupEnv: func(name string) (string, bool) { v, ok := env[name]; return v, ok },
			Unsetenv: func(name string) error {
				mu.Lock()
				defer mu.Unlock()
				taken = append(taken, name)
				return nil
			},
		})
		slices.Sort(taken)
		if taken = slices.Compact(taken); !slices.Equal(taken, want) {
			t.Errorf("%s took %v\n%s", command, taken, narration.String())
		}
	}
}
