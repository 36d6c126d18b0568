package cmd_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	eventsv1 "k8s.io/api/events/v1"

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

// kubeconfigFor names an API server without credentials.
func kubeconfigFor(t *testing.T, address string) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "kubeconfig")
	text := fmt.Sprintf("apiVersion: v1\nkind: Config\ncurrent-context: x\ncontexts: [{name: x, context: {cluster: x}}]\nclusters: [{name: x, cluster: {server: %q}}]\n", address)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestResultsArePushedWrittenAndLeftAtTheDeployment(t *testing.T) {
	var pushed string
	gateway := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, req *http.Request) {
		body, _ := io.ReadAll(req.Body)
		pushed = req.Method + " " + req.URL.Path + "\n" + string(body)
	}))
	defer gateway.Close()
	var event eventsv1.Event
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if req.Method == http.MethodPost {
			_ = json.NewDecoder(req.Body).Decode(&event)
			w.WriteHeader(http.StatusCreated)
		}
		_, _ = w.Write([]byte(`{"metadata": {"uid": "u-1"}}`))
	}))
	defer api.Close()
	dir := here(t)
	file := filepath.Join(dir, "secretctl.prom")
	code, out, narration := runIn(t, dir, "verify", "mount", "--target", "local", "--mount-path", filepath.Join(dir, "absent"),
		"--metrics-file", file, "--push-url", gateway.URL, "--event", "--kubeconfig", kubeconfigFor(t, api.URL))
	if code != 1 {
		t.Fatalf("ended with %d\n%s%s", code, out, narration)
	}
	written, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if pushed != "PUT /metrics/job/secretctl\n"+string(written) || !strings.Contains(pushed, `id="mount/present",subject="client-secret local",status="fail"} 1`) {
		t.Errorf("pushed %s\nwritten %s", pushed, written)
	}
	if event.Reason != "SecretctlVerifyFailed" || event.Type != "Warning" || event.Regarding.Name != "aidbox" || !strings.Contains(event.Note, "mount/present client-secret local is fail") {
		t.Errorf("event is %+v", event)
	}
}

func TestResultsThatCannotBeHandedOnAreAnError(t *testing.T) {
	dir := here(t)
	code, out, narration := runIn(t, dir, "verify", "mount", "--target", "local", "--mount-path", dir,
		"--metrics-file", filepath.Join(dir, "absent", "x.prom"), "--event", "--kubeconfig", kubeconfigFor(t, "http://127.0.0.1:1"))
	if code != 3 || !strings.Contains(out, "mount/present") || !strings.Contains(narration, "x.prom: no such file") || !strings.Contains(narration, "event: kubernetes: ") {
		t.Errorf("ended with %d\n%s%s", code, out, narration)
	}
}

func TestWhereNothingCouldBeHandedOnNothingIsAttempted(t *testing.T) {
	t.Setenv("KUBECONFIG", filepath.Join(t.TempDir(), "absent"))
	t.Setenv("HOME", t.TempDir())
	dir := here(t)
	for _, tt := range []struct {
		args []string
		want string
	}{
		{[]string{"--push-url", "http://pushgateway.example:9091"}, "plain http"},
		{[]string{"--push-url", "https://user:canary@pushgateway"}, "credentials"},
		{[]string{"--event"}, "no cluster is configured"},
	} {
		for _, command := range [][]string{{"verify", "mount", "--target", "local"}, {"rotate", "client-secret", "--target", "local"}} {
			code, out, narration := runIn(t, dir, append(command, tt.args...)...)
			if code != 2 || out != "" || !strings.Contains(narration, tt.want) || strings.Contains(narration, "canary") {
				t.Errorf("%v: ended with %d\n%s%s", tt.args, code, out, narration)
			}
		}
	}
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
		{[]string{"--aidbox-url", "https://aidbox.example", "--push-url", "http://localhost:9091"}, 2, "--push-url is this machine"},
		{[]string{"--aidbox-url", "service", "--image", ""}, 2, "which is no release"},
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
