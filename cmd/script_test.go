package cmd_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/secretctl/secretctl/cmd"
	"github.com/secretctl/secretctl/internal/sandbox/aidbox"
	"github.com/secretctl/secretctl/internal/sandbox/kubernetes"
	"github.com/secretctl/secretctl/internal/sandbox/mount"
	"github.com/secretctl/secretctl/internal/sandbox/vault"
	"github.com/secretctl/secretctl/test/realvault"
	"github.com/secretctl/secretctl/test/sandboxtest"
	"github.com/secretctl/secretctl/test/testenv"
)

// exitFile keeps the last exit code, which testscript itself does not tell.
const exitFile = "exit-code"

func TestMain(m *testing.M) {
	testscript.Main(testenv.Isolate(m, "secretctl"), map[string]func(){"secretctl": func() {
		os.Args = append(os.Args, mountFlags(os.Args[1:])...)
		work := os.Getenv("WORK") // which Main takes out of the environment
		code := runHere(cmd.Main)
		if work != "" {
			_ = os.WriteFile(filepath.Join(work, exitFile), []byte(strconv.Itoa(code)), 0o600)
		}
		os.Exit(code)
	}})
}

// The variables by which a script says where the mount and the vault config are.
const (
	mountVariable       = "TEST_MOUNT"
	vaultConfigVariable = "TEST_VAULT_CONFIG"
)

// mountFlags returns the flags by which a command finds what a script has mounted:
// on a real machine these are the defaults.
func mountFlags(args []string) []string {
	mount := os.Getenv(mountVariable)
	if mount == "" || len(args) == 0 || !slices.Contains([]string{"verify", "rotate", "status"}, args[0]) || slices.Contains(args, "--mount-path") {
		return nil
	}
	if args[0] == "status" { // which reads no vault config
		return []string{"--mount-path", mount}
	}
	return []string{"--mount-path", mount, "--vault-config", os.Getenv(vaultConfigVariable)}
}

func TestScripts(t *testing.T) {
	runScripts(t, func(t *testing.T) store {
		v, err := vault.Start()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(v.Close)
		return store{v.URL, v.RootToken, v.UnsealKey}
	})
}

func TestScriptsOnRealVault(t *testing.T) {
	runScripts(t, func(t *testing.T) store {
		v := realvault.Start(t, realvault.File()) // which can be unsealed again
		return store{v.Address, v.RootToken, v.UnsealKey}
	})
}

// store is a Vault, real or not.
type store struct{ address, rootToken, unsealKey string }

func runScripts(t *testing.T, startVault func(*testing.T) store) {
	files, err := filepath.Glob("testdata/script/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			t.Parallel()
			w := &scriptEnv{vault: startVault(t)}
			testscript.Run(t, testscript.Params{
				Files: []string{file},
				Setup: func(env *testscript.Env) error {
					env.Setenv("NO_PROXY", "127.0.0.1")
					env.Setenv("GORACE", "atexit_sleep_ms=0") // else each process ends a second after its work
					return nil
				},
				Cmds: map[string]func(*testscript.TestScript, bool, []string){
					"stores": w.stores, "apply": w.apply, "kvversion": w.kvVersion, "when-version": w.whenVersion, "exits": exits, "token": w.token, "contexts": contexts, "impostor": impostor,
					"mount": w.changeMount, "aidbox": w.changeAidbox, "vault": w.changeVault,
					"when-hanging": w.whenHanging,
					"passes":       hasStatus("pass"), "failed": hasStatus("fail"), "unknown": hasStatus("unknown"), "skipped": hasStatus("skip"),
					"fails": verifies("fail"), "warns": verifies("warn"),
				},
			})
		})
	}
}

// scriptEnv is the servers that a script has started.
type scriptEnv struct {
	vault      store
	kubernetes *kubernetes.Server
	mount      *mount.Mount
	aidbox     *sandboxtest.Aidbox
	manifests  string
	root       string // what stands for the root of the container's file system
}

// stores starts Kubernetes, and tells the environment and the config of it and
// of Vault.
func (w *scriptEnv) stores(ts *testscript.TestScript, _ bool, _ []string) {
	var err error
	w.kubernetes, err = kubernetes.Start()
	ts.Check(err)
	ts.Defer(w.kubernetes.Close)
	ts.Setenv("VAULT_ADDR", w.vault.address)
	ts.Setenv("VAULT_TOKEN", w.vault.rootToken)
	configs, err := filepath.Glob(ts.MkAbs("*.yaml"))
	ts.Check(err)
	for _, path := range configs {
		text, err := os.ReadFile(path)
		ts.Check(err)
		text = []byte(strings.ReplaceAll(string(text), "KUBERNETES_HOST", w.kubernetes.URL))
		ts.Check(os.WriteFile(path, text, 0o600))
	}
}

// apply mounts what a file of manifests describes and starts Aidbox on it.
func (w *scriptEnv) apply(ts *testscript.TestScript, _ bool, args []string) {
	w.root, w.manifests = ts.MkAbs("root"), ts.ReadFile(args[0])
	w.startMount(ts)
	var err error
	w.aidbox, err = sandboxtest.StartAidbox(aidbox.Options{
		VaultConfig: "/etc/aidbox/vault-config.json", Root: w.root, CacheTTL: 20 * time.Millisecond,
	})
	ts.Check(err)
	ts.Defer(w.aidbox.Close)
	ts.Setenv("SECRETCTL_AIDBOX_URL", w.aidbox.URL)
	ts.Setenv("AIDBOX_CLIENT_SECRET", w.aidbox.RootSecret)
	ts.Setenv(mountVariable, w.mountPath())
	ts.Setenv(vaultConfigVariable, w.vaultConfig())
}

func (w *scriptEnv) startMount(ts *testscript.TestScript) {
	var err error
	w.mount, err = mount.Start(context.Background(), mount.Options{
		Manifests: []byte(w.manifests), Root: w.root, Kubernetes: w.kubernetes,
		VaultAddress: w.vault.address, Interval: 50 * time.Millisecond,
	})
	ts.Check(err)
	ts.Defer(w.mount.Close)
}

func (w *scriptEnv) mountPath() string { return filepath.Join(w.root, "run/vault-secrets") }
func (w *scriptEnv) vaultConfig() string {
	return filepath.Join(w.root, "etc/aidbox/vault-config.json")
}

// kvVersion PATH N wants the current version of a KV path to be N; 0 is none.
func (w *scriptEnv) kvVersion(ts *testscript.TestScript, _ bool, args []string) {
	if got := w.versionOf(ts, args[0]); got != args[1] {
		ts.Fatalf("%s is at version %s, not %s", args[0], got, args[1])
	}
}

// whenVersion PATH N waits until a KV path has a version, and whoever wrote it knows.
func (w *scriptEnv) whenVersion(ts *testscript.TestScript, _ bool, args []string) {
	for deadline := time.Now().Add(20 * time.Second); w.versionOf(ts, args[0]) != args[1]; <-time.After(100 * time.Millisecond) {
		if time.Now().After(deadline) {
			ts.Fatalf("%s never came to version %s", args[0], args[1])
		}
	}
	<-time.After(time.Second)
}

func (w *scriptEnv) versionOf(ts *testscript.TestScript, of string) string {
	mount, path, _ := strings.Cut(of, "/")
	req, err := http.NewRequestWithContext(context.Background(), http.MethodGet, w.vault.address+"/v1/"+mount+"/metadata/"+path, http.NoBody)
	ts.Check(err)
	req.Header.Set("X-Vault-Token", w.vault.rootToken)
	resp, err := http.DefaultClient.Do(req)
	ts.Check(err)
	defer func() { _ = resp.Body.Close() }()
	var answer struct {
		Data struct {
			Version int `json:"current_version"`
		}
	}
	ts.Check(json.NewDecoder(resp.Body).Decode(&answer))
	return strconv.Itoa(answer.Data.Version)
}

// token FILE [ACCOUNT] writes a token of the pod's ServiceAccount, or of another one.
func (w *scriptEnv) token(ts *testscript.TestScript, _ bool, args []string) {
	token, err := w.kubernetes.Token("default", append(args, "aidbox")[1])
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(token), 0o600))
}

// contexts NAME... starts a cluster for each name, and writes a kubeconfig with a
// context of that name. The variable NAME has its address.
func contexts(ts *testscript.TestScript, _ bool, names []string) {
	var contexts, clusters, users []string
	for _, name := range names {
		k, err := kubernetes.Start()
		ts.Check(err)
		ts.Defer(k.Close)
		token, err := k.Token("default", "operator")
		ts.Check(err)
		contexts = append(contexts, fmt.Sprintf("{name: %s, context: {cluster: %[1]s, user: %[1]s}}", name))
		clusters = append(clusters, fmt.Sprintf("{name: %s, cluster: {server: %q}}", name, k.URL))
		users = append(users, fmt.Sprintf("{name: %s, user: {token: %q}}", name, token))
		ts.Setenv(strings.ToUpper(name), strings.TrimPrefix(k.URL, "http://"))
	}
	text := fmt.Sprintf("{apiVersion: v1, kind: Config, contexts: [%s], clusters: [%s], users: [%s]}",
		strings.Join(contexts, ", "), strings.Join(clusters, ", "), strings.Join(users, ", "))
	path := ts.MkAbs("kubeconfig")
	ts.Check(os.WriteFile(path, []byte(text), 0o600))
	ts.Setenv("KUBECONFIG", path)
}

// exits N wants the last secretctl to have ended with exit code N.
func exits(ts *testscript.TestScript, _ bool, args []string) {
	if got := ts.ReadFile(filepath.Join(ts.Getenv("WORK"), exitFile)); got != args[0] {
		ts.Fatalf("exit code %s, not %s", got, args[0])
	}
}

// hasStatus wants each check that is named to have that status, and no other, in
// the JSON report on stdout.
func hasStatus(status string) func(*testscript.TestScript, bool, []string) {
	return func(ts *testscript.TestScript, _ bool, ids []string) {
		var report struct {
			Deliveries []struct {
				Checks []struct{ ID, Status, Detail string }
			}
		}
		ts.Check(json.Unmarshal([]byte(ts.ReadFile("stdout")), &report))
		for _, id := range ids {
			var found []string
			for _, d := range report.Deliveries {
				for _, c := range d.Checks {
					if c.ID == id {
						found = append(found, fmt.Sprintf("%s (%s)", c.Status, c.Detail))
					}
				}
			}
			if len(found) == 0 || !strings.HasPrefix(strings.Join(found, ";"), status+" ") {
				ts.Fatalf("%s is %v, not %s", id, found, status)
			}
		}
	}
}

// verifies runs verify for the group of the check that is named, and wants that
// check to end with the status.
func verifies(status string) func(*testscript.TestScript, bool, []string) {
	return func(ts *testscript.TestScript, _ bool, ids []string) {
		group, _, _ := strings.Cut(ids[0], "/")
		err := ts.Exec("secretctl", "verify", group, "-o", "json")
		if (err == nil) == (status == "fail") {
			ts.Fatalf("verify %s ended with: %v", group, err)
		}
		hasStatus(status)(ts, false, ids)
		if status == "fail" {
			exits(ts, false, []string{"1"})
		}
	}
}
