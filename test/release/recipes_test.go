package recipes

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// What stands for secretctl: it tells what it was called with, and what it found.
const standIn = `#!/bin/sh
echo "verify: $*"
echo "login: ${SECRETCTL_VAULT_LOGIN:-} ${SECRETCTL_ID_TOKEN:-}"
if [ -n "${AZURE_FEDERATED_TOKEN_FILE:-}" ]; then
  echo "azure: $AZURE_CLIENT_ID $AZURE_TENANT_ID $(cat "$AZURE_FEDERATED_TOKEN_FILE") $(stat -c %a "$AZURE_FEDERATED_TOKEN_FILE")"
fi
exit ${EXIT:-0}
`

type action struct {
	Inputs map[string]struct{ Default string }
	Runs   struct {
		Steps []struct {
			Name, Run string
			Env       map[string]string
		}
	}
}

func TestGitHubActionInstallsLogsInAndVerifies(t *testing.T) {
	var a action
	parse(t, "github/action.yml", &a)
	s := newServer(t)
	r := &runner{t: t, dir: t.TempDir(), inputs: map[string]string{
		"version": "v1.2.3", "arguments": "mount auth", "releases": s.URL, "vault-audience": "https://github.com/acme",
		"vault-login": "jwt/ci", "azure-client-id": "client", "azure-tenant-id": "tenant",
	}}
	r.env = []string{"ACTIONS_ID_TOKEN_REQUEST_URL=" + s.URL + "/token?api-version=2", "ACTIONS_ID_TOKEN_REQUEST_TOKEN=request-token"}
	r.run(a, 0)
	want := "verify: verify mount auth --junit-file secretctl.xml -o github\n" +
		"login: jwt/ci token-for-https://github.com/acme\n" +
		"azure: client tenant token-for-api://AzureADTokenExchange 600\n"
	if got := r.read("summary"); got != want {
		t.Errorf("the summary is\n%s", got)
	}
	if _, err := os.Stat(filepath.Join(r.dir, "secretctl-azure-token")); err == nil {
		t.Error("the token's file is left")
	}

	r.env = append(r.env, "EXIT=1")
	r.inputs["vault-login"], r.inputs["azure-client-id"], r.inputs["arguments"] = "", "", ""
	r.run(a, 1)
	if got := r.read("summary"); !strings.HasSuffix(got, "verify: verify --junit-file secretctl.xml -o github\nlogin:  \n") {
		t.Errorf("without a login the summary is\n%s", got)
	}
	r.inputs["vault-login"], r.env = "jwt/ci", nil
	if said := r.run(a, 2); !strings.Contains(said, "id-token: write") {
		t.Errorf("without the permission it says\n%s", said)
	}
	s.tampered = true
	r.run(a, 1)
}

func TestGitHubWorkflowIsOne(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "go", "tool", "actionlint", "-shellcheck=", "-pyflakes=", "../../docs/ci/github/verify.yml").CombinedOutput()
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	var a action
	parse(t, "github/action.yml", &a)
	var workflow struct {
		Jobs map[string]struct {
			Steps []struct {
				Uses string
				With map[string]string
			}
		}
	}
	parse(t, "github/verify.yml", &workflow)
	for _, step := range workflow.Jobs["verify"].Steps {
		for input := range step.With {
			if _, known := a.Inputs[input]; !known && strings.HasPrefix(step.Uses, "secretctl/") {
				t.Errorf("the action has no input %q", input)
			}
		}
	}
}

func TestGitLabTemplateInstallsLogsInAndVerifies(t *testing.T) {
	var template map[string]struct {
		IDTokens     map[string]struct{ Aud string } `yaml:"id_tokens"`
		Variables    map[string]string
		BeforeScript []string `yaml:"before_script"`
		Script       []string
		Artifacts    struct{ Reports struct{ JUnit string } }
	}
	parse(t, "gitlab/secretctl.gitlab-ci.yml", &template)
	job := template[".secretctl-verify"]
	s := newServer(t)
	env := append(os.Environ(), "SECRETCTL_VERSION=1.2.3", "SECRETCTL_VAULT_LOGIN=jwt/ci", "AZURE_CLIENT_ID=client", "AZURE_TENANT_ID=tenant")
	for name, value := range job.Variables {
		env = append(env, name+"="+value)
	}
	for name, token := range job.IDTokens {
		env = append(env, name+"=token-for-"+token.Aud)
	}
	env = append(env, "SECRETCTL_RELEASES="+s.URL, "SECRETCTL_ARGUMENTS=mount auth")
	cmd := exec.CommandContext(t.Context(), "sh", "-c", strings.Join(append(job.BeforeScript, job.Script...), "\n"))
	cmd.Env = env
	out, err := cmd.Output()
	want := "verify: verify mount auth --junit-file " + job.Artifacts.Reports.JUnit + "\n" +
		"login: jwt/ci token-for-$CI_SERVER_URL\n" +
		"azure: client tenant token-for-api://AzureADTokenExchange 600\n"
	if err != nil || !strings.HasSuffix(string(out), want) {
		t.Errorf("%v\n%s", err, out)
	}
}

func parse(t *testing.T, file string, into any) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("../../docs/ci", file))
	if err == nil {
		err = yaml.Unmarshal(text, into)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// runner runs a composite action's steps as GitHub's does, as far as this one goes.
type runner struct {
	t      *testing.T
	dir    string
	inputs map[string]string
	env    []string
}

func (r *runner) run(a action, code int) (said string) {
	r.t.Helper()
	for _, step := range a.Runs.Steps {
		cmd := exec.CommandContext(r.t.Context(), "bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step.Run)
		arch := map[string]string{"amd64": "X64", "arm64": "ARM64"}[runtime.GOARCH]
		cmd.Env = append(os.Environ(), "RUNNER_OS=Linux", "RUNNER_ARCH="+arch, "RUNNER_TEMP="+r.dir,
			"GITHUB_PATH="+filepath.Join(r.dir, "path"), "GITHUB_STEP_SUMMARY="+filepath.Join(r.dir, "summary"))
		for name, value := range step.Env {
			input := strings.TrimSuffix(strings.TrimPrefix(value, "${{ inputs."), " }}")
			given, ok := r.inputs[input]
			if !ok {
				given = a.Inputs[input].Default
			}
			cmd.Env = append(cmd.Env, name+"="+given)
		}
		cmd.Env = append(cmd.Env, r.env...)
		if path, err := os.ReadFile(filepath.Join(r.dir, "path")); err == nil {
			cmd.Env = append(cmd.Env, "PATH="+strings.Split(string(path), "\n")[0]+":"+os.Getenv("PATH"))
		}
		out, err := cmd.CombinedOutput()
		said += string(out)
		if err != nil && code == 0 {
			r.t.Fatalf("%s: %v\n%s", step.Name, err, out)
		}
		if err != nil {
			if got := cmd.ProcessState.ExitCode(); got != code {
				r.t.Errorf("%s: exit code %d\n%s", step.Name, got, out)
			}
			return said
		}
	}
	if code != 0 {
		r.t.Errorf("no step failed\n%s", said)
	}
	return said
}

func (r *runner) read(name string) string {
	r.t.Helper()
	text, err := os.ReadFile(filepath.Join(r.dir, name))
	if err != nil {
		r.t.Fatal(err)
	}
	return string(text)
}

// server has a release and gives OIDC tokens.
type server struct {
	*httptest.Server

	tampered bool
}

func newServer(t *testing.T) *server {
	t.Helper()
	s := &server{}
	archive := pack(t, standIn)
	name := "secretctl_1.2.3_linux_" + runtime.GOARCH + ".tar.gz"
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/v1.2.3/checksums.txt":
			_, _ = fmt.Fprintf(w, "%064d  %s.sbom\n%x  %s\n", 0, "other", sha256.Sum256(archive), name)
		case "/v1.2.3/" + name:
			content := archive
			if s.tampered {
				content = pack(t, "#!/bin/sh\n")
			}
			_, _ = w.Write(content)
		case "/token":
			if r.Header.Get("Authorization") != "bearer request-token" || r.URL.Query().Get("api-version") != "2" {
				w.WriteHeader(http.StatusUnauthorized)
			}
			_, _ = fmt.Fprintf(w, `{"value": "token-for-%s"}`, r.URL.Query().Get("audience"))
		default:
			w.WriteHeader(http.StatusNotFound)
		}
	}))
	t.Cleanup(s.Close)
	return s
}

func pack(t *testing.T, program string) []byte {
	t.Helper()
	var out bytes.Buffer
	zip := gzip.NewWriter(&out)
	w := tar.NewWriter(zip)
	for _, err := range []error{
		w.WriteHeader(&tar.Header{Name: "secretctl", Mode: 0o755, Size: int64(len(program))}),
		func() error { _, err := w.Write([]byte(program)); return err }(), w.Close(), zip.Close(),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	return out.Bytes()
}
