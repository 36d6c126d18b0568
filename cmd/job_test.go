package cmd_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/secretctl/secretctl/cmd"
)

// here is a folder with a config, whose mount can have a file in it.
func here(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	const text = `apiVersion: secretctl.dev/v1
provider: azure
azure: {keyVault: contoso-aidbox, tenantID: 00000000-0000-0000-0000-000000000000, identity: {type: system}}
aidbox: {url: "http://127.0.0.1:1"}
secrets: [{name: client-secret, scope: [Client]}]
`
	if err := os.WriteFile(filepath.Join(dir, "secretctl.yaml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

func runIn(t *testing.T, dir string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, narration bytes.Buffer
	args = append(args, "-c", filepath.Join(dir, "secretctl.yaml"))
	code = cmd.Run(t.Context(), args, cmd.IO{
		In: strings.NewReader(""), Out: &out, Err: &narration, LookupEnv: func(string) (string, bool) { return "", false },
	})
	return code, out.String(), narration.String()
}

func TestJobThatCouldNotWorkIsNotRendered(t *testing.T) {
	dir := here(t)
	job := []string{"render", "--only", "verify-job", "--image", "x:1"}
	for _, tt := range []struct {
		args []string
		code int
		want string
	}{
		{nil, 2, "aidbox.url is this machine"},
		{[]string{"--aidbox-url", "http://aidbox.example"}, 2, "plain http"},
		{[]string{"--aidbox-url", "https://localhost:8888"}, 2, "aidbox.url is this machine"},
		{[]string{"--aidbox-url", "service", "--image", ""}, 2, "is not a release"},
		{[]string{"--aidbox-url", "http://aidbox.example", "--allow-http"}, 0, ""},
		{[]string{"--aidbox-url", "service"}, 0, ""},
	} {
		code, out, narration := runIn(t, dir, append(job, tt.args...)...)
		if code != tt.code || !strings.Contains(narration, tt.want) || (code == 0) != strings.Contains(out, "kind: CronJob") {
			t.Errorf("%v: ended with %d\n%s%s", tt.args, code, out, narration)
		}
		if allowed := strings.Contains(out, "SECRETCTL_ALLOW_HTTP"); allowed != strings.Contains(strings.Join(tt.args, " "), "--allow-http") {
			t.Errorf("%v: plain http allowed: %t", tt.args, allowed)
		}
	}
}
