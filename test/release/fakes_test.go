package recipes

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"fmt"
	"io"
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

// fakeSecretctl prints its arguments and what it finds in its environment.
const fakeSecretctl = `#!/bin/sh
echo "verify: $*"
echo "login: ${SECRETCTL_VAULT_LOGIN:-} ${SECRETCTL_ID_TOKEN:-} ${AIDBOX_CLIENT_SECRET:-}"
if [ -n "${AZURE_FEDERATED_TOKEN_FILE:-}" ]; then
  echo "azure: $AZURE_CLIENT_ID $AZURE_TENANT_ID $(cat "$AZURE_FEDERATED_TOKEN_FILE") $(stat -c %a "$AZURE_FEDERATED_TOKEN_FILE")"
fi
exit ${EXIT:-0}
`

// fakeCosign checks that it is asked for the release workflow of secretctl, and trusts a
// file that is its own signature. It fails if it can see a secret.
const fakeCosign = `#!/bin/sh
env | grep -E '^(SECRETCTL_ID_TOKEN|SECRETCTL_AZURE_TOKEN|AIDBOX_|AZURE_FEDERATED)' && exit 9
[ "$*" = "verify-blob checksums.txt --bundle checksums.txt.sigstore.json --certificate-identity https://github.com/secretctl/secretctl/.github/workflows/release.yml@refs/tags/v1.2.3 --certificate-oidc-issuer https://token.actions.githubusercontent.com" ] || exit 8
cmp checksums.txt checksums.txt.sigstore.json
`

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

// fakeTools returns a folder with cosign, and with the package manager that installs it.
func fakeTools(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for name, script := range map[string]string{"cosign": fakeCosign, "apk": "#!/bin/sh\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(script), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// runner runs the steps of a composite action, as far as this action goes.
type runner struct {
	t      *testing.T
	dir    string
	inputs map[string]string
	env    []string
}

func (r *runner) run(a action, code int) (said string) {
	r.t.Helper()
	tools := fakeTools(r.t)
	for _, step := range a.Runs.Steps {
		if strings.HasPrefix(step.Uses, "sigstore/cosign-installer@") {
			r.env = append(r.env, "PATH="+tools+":"+os.Getenv("PATH"))
			continue
		}
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
			cmd.Env = append(cmd.Env, "PATH="+strings.Split(string(path), "\n")[0]+":"+tools+":"+os.Getenv("PATH"))
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

	archive   []byte
	checksums string
	signature string // see fakeCosign
}

const archiveName = "secretctl_1.2.3_linux_" + runtime.GOARCH + ".tar.gz"

func checksumsOf(archive []byte) string {
	return fmt.Sprintf("%064d  other.cdx.json\n%x  %s\n", 0, sha256.Sum256(archive), archiveName)
}

func newServer(t *testing.T) *server {
	t.Helper()
	s := &server{archive: pack(t, fakeSecretctl)}
	s.checksums = checksumsOf(s.archive)
	s.signature = s.checksums
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/v1.2.3/checksums.txt":
			_, _ = io.WriteString(w, s.checksums)
		case "/v1.2.3/checksums.txt.sigstore.json":
			_, _ = io.WriteString(w, s.signature)
		case "/v1.2.3/" + archiveName:
			_, _ = w.Write(s.archive)
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
