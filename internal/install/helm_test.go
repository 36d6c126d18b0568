package install

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/hint"
	"github.com/secretctl/secretctl/internal/provision"
)

func TestHelmsFailureIsOneLineWithTheCommandAsHint(t *testing.T) {
	tests := map[string]struct{ script, want string }{
		"warnings, then an error of several lines": {
			`printf 'WARNING: Kubernetes configuration file is group-readable\nRelease "csi" does not exist.\nError: 1 error occurred:\n\t* DaemonSet.apps "csi" is\n  invalid\n\n' >&2; exit 1`,
			`helm: release "csi" in namespace "kube-system": 1 error occurred: * DaemonSet.apps "csi" is invalid`,
		},
		"no error line": {`echo 'unknown flag' >&2; exit 1`, `helm: release "csi" in namespace "kube-system": unknown flag`},
		"silent":        {`exit 7`, `helm: release "csi" in namespace "kube-system": exit status 7`},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			f := newFake(t, vaultThere)
			f.write("upgrade", test.script)
			changes, err := f.run(Options{}, withVault(""))
			if err == nil || err.Error() != test.want || changes != nil {
				t.Errorf("%v, %v", changes, err)
			}
			if next := hint.Of(err); !strings.HasPrefix(next, "to see all that helm says, run: helm upgrade --install csi ") {
				t.Error(next)
			}
		})
	}
}

func TestUnexpectedOutputOfHelmIsAnError(t *testing.T) {
	tests := map[string]struct{ file, text, want string }{
		"old":             {"version", "v3.13.9", `helm: version "v3.13.9" is too old, or not a version`},
		"another program": {"version", "usage: helm the boat", `helm: version "usage: helm the boat" is too old, or not a version`},
		"list":            {"list", "NAME NAMESPACE", "helm: list of releases: unexpected output, not JSON"},
		"values":          {"values-csi", "[]", `helm: release "csi" in namespace "kube-system": unexpected output, not JSON`},
		"status":          {"status", "", `helm: release "csi" in namespace "kube-system": unexpected output, not JSON`},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			f := newFake(t, driverThere, vaultThere)
			f.write(test.file, test.text)
			if _, err := f.run(Options{}, withVault("")); err == nil || err.Error() != test.want || hint.Of(err) == "" {
				t.Errorf("%v\nhint: %s", err, hint.Of(err))
			}
		})
	}
}

func TestMissingHelmIsAnErrorWithAHint(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	if _, err := Find(); err == nil || !strings.Contains(hint.Of(err), "--dry-run") {
		t.Errorf("%v\nhint: %s", err, hint.Of(err))
	}
}

func TestHelmGetsNoSecretOfTheEnvironment(t *testing.T) {
	set := map[string]string{
		"PATH": os.Getenv("PATH"), "KUBECONFIG": "/some/where", "HTTPS_PROXY": "http://127.0.0.1:1", "HELM_KUBETOKEN": "of-helm-itself",
		"VAULT_TOKEN": "canary", "AIDBOX_CLIENT_SECRET": "canary", "AZURE_CLIENT_SECRET": "canary", "SECRETCTL_CONFIG": "x", "CLIENT_SECRET": "canary",
	}
	f := newFake(t)
	set["HOME"] = f.home
	h := f.helm()
	h.Env = Environment(func(name string) (string, bool) { v, ok := set[name]; return v, ok })
	if _, err := provision.Run(t.Context(), h.Steps(Releases(known, []*config.Delivery{withVault("vault")}, Options{Namespace: "default"})), nil, false); err != nil {
		t.Fatal(err)
	}
	var names []string
	for line := range strings.Lines(f.read("environment")) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		if strings.Contains(value, "canary") {
			t.Error(line)
		}
		names = append(names, name)
	}
	slices.Sort(names)
	names = slices.DeleteFunc(slices.Compact(names), func(n string) bool { return slices.Contains([]string{"PWD", "SHLVL", "_", "OLDPWD"}, n) }) // of the shell
	if d := cmp.Diff([]string{"HELM_KUBETOKEN", "HOME", "HTTPS_PROXY", "KUBECONFIG", "PATH"}, names); d != "" {
		t.Error(d)
	}
}

func TestInterruptReachesHelm(t *testing.T) {
	f := newFake(t, vaultThere)
	f.write("upgrade", `trap 'echo tidy >"$HOME/tidied"; exit 1' INT; echo >"$HOME/started"; while :; do sleep 0.01; done`)
	ctx := f.endingWhen(func() bool { return f.read("started") != "" })
	_, err := provision.Run(ctx, f.helm().Steps(Releases(known, []*config.Delivery{withVault("")}, Options{Namespace: "default"})), nil, false)
	if !errors.Is(err, context.Canceled) || f.read("tidied") == "" {
		t.Errorf("%v; tidied %q", err, f.read("tidied"))
	}
}

func TestHelmThatDoesNotEndIsKilled(t *testing.T) {
	f := newFake(t, vaultThere)
	f.write("upgrade", `trap '' INT; echo $$ >"$HOME/started"; while :; do sleep 0.01; done`)
	ctx := f.endingWhen(func() bool { return f.read("started") != "" })
	h := f.helm()
	h.grace = 300 * time.Millisecond
	_, err := provision.Run(ctx, h.Steps(Releases(known, []*config.Delivery{withVault("")}, Options{Namespace: "default"})), nil, false)
	if !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(f.read("started")))
	if err != nil {
		t.Fatal(err)
	}
	helm, err := os.FindProcess(pid)
	if err == nil && helm.Signal(syscall.Signal(0)) == nil {
		t.Error("helm is still there")
	}
}

func TestCommandsAreWhatAShellRuns(t *testing.T) {
	f := newFake(t)
	h := f.helm()
	h.Context = "my cluster; $(false)"
	releases := Releases(known, []*config.Delivery{withVault("it's `a` \"vault\"\\ $HOME,x=[1]")}, Options{Namespace: "default"})
	for _, command := range h.Commands(releases) {
		sh := exec.CommandContext(t.Context(), "sh", "-c", command)
		sh.Env = []string{"HOME=" + f.home, "PATH=testdata/bin:" + os.Getenv("PATH")}
		if out, err := sh.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	shown := f.upgrades()
	f.write("calls", "")
	if _, err := provision.Run(t.Context(), h.Steps(releases), nil, false); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(shown, f.upgrades()); d != "" || len(shown) != 2 {
		t.Error("shown and run differ:", d)
	}
}
