package cmd_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
)

const leftoverConfig = `apiVersion: secretctl.dev/v1
provider: vault
canary: true
vault: {address: %s, csiAddress: "http://vault.default:8200", kubernetesHost: %s}
aidbox: {url: %s}
secrets: [{name: client-secret, path: aidbox/client, scope: [Client/basic], value: {generate: {}}}]
resources: [{type: Client, id: basic, secrets: {secret: client-secret}, body: {grant_types: [basic]}, accessPolicy: allow}]
`

// A process is killed when a server has done its nth write and before it hears of it.
// After the next run of any command that asks Aidbox, the only Clients there are those
// of the config, and the canary may do nothing.
func TestNothingThatAuthenticatesIsLeftBehindByAKill(t *testing.T) {
	dir := t.TempDir()
	s := startServers(t, dir)
	var victims atomic.Pointer[victim]
	between := func(address string) string {
		target, err := url.Parse(address)
		if err != nil {
			t.Fatal(err)
		}
		proxy := httputil.NewSingleHostReverseProxy(target)
		proxy.ModifyResponse = func(r *http.Response) error {
			if v := victims.Load(); v != nil && r.Request.Method != http.MethodGet && v.writes.Add(1) == v.n {
				v.kill()
				return errors.New("nobody is there to answer")
			}
			return nil
		}
		proxy.ErrorHandler = func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) }
		server := quiet(proxy)
		server.Start()
		t.Cleanup(server.Close)
		return server.URL
	}
	aidbox := between(s.aidbox.URL)
	conf := filepath.Join(dir, "secretctl.yaml")
	if err := os.WriteFile(conf, fmt.Appendf(nil, leftoverConfig, between(s.vault.URL), s.kubernetes.URL, aidbox), 0o600); err != nil {
		t.Fatal(err)
	}
	process := func(ctx context.Context, command string) *exec.Cmd {
		c := exec.CommandContext(ctx, "secretctl", append(strings.Fields(command), "-c", conf)...)
		c.Env = []string{"GORACE=atexit_sleep_ms=0", "VAULT_TOKEN=" + s.vault.RootToken, "AIDBOX_CLIENT_SECRET=" + s.aidbox.RootSecret}
		return c
	}
	run := func(command string) string {
		t.Helper()
		out, err := process(t.Context(), command).Output()
		if err != nil {
			t.Fatalf("%s: %v\n%s", command, err, out)
		}
		return string(out)
	}
	run("provision")
	s.apply(t, run("render"))
	run("client apply")
	local := " --mount-path " + s.mountPath() + " --vault-config " + s.vaultConfig()
	left := func() bool {
		return status(t, s, "root", s.aidbox.RootSecret, "/fhir/Client/secretctl-scope-default-aidbox") == http.StatusOK
	}
	found := false
	for _, command := range []string{"verify scope" + local, "rotate --canary" + local} {
		for n, next := range []string{"client get", "diff --only aidbox", "verify client" + local, "rotate --canary" + local, "client apply"} {
			ctx, kill := context.WithCancel(t.Context())
			victims.Store(&victim{kill: kill, n: int64(n + 1)})
			_ = process(ctx, command).Run()
			kill()
			victims.Store(nil)
			found = found || left()
			run(next)
			if left() {
				t.Errorf("%s, killed at write %d, then %s: the Client outside the scope is still there", command, n+1, next)
			}
		}
	}
	if !found {
		t.Error("no kill left anything behind, so nothing was tested")
	}
	value := readMounted(t, s, "secretctl-canary")
	if got := status(t, s, "secretctl-canary", value, "/fhir/Patient"); got != http.StatusForbidden {
		t.Errorf("the canary may ask for patients: %d", got)
	}
}

func readMounted(t *testing.T, s *servers, name string) string {
	t.Helper()
	value, err := os.ReadFile(filepath.Join(s.mountPath(), name))
	if err != nil {
		t.Fatal(err)
	}
	return string(value)
}

// status returns what the Aidbox answers to a request of a Client.
func status(t *testing.T, s *servers, client, value, path string) int {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.aidbox.URL+path, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	req.SetBasicAuth(client, value)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, resp.Body)
	_ = resp.Body.Close()
	return resp.StatusCode
}
