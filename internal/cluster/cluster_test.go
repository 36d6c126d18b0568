package cluster

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/secretctl/secretctl/internal/hint"
)

const kubeconfig = `
apiVersion: v1
kind: Config
clusters: [{name: a, cluster: {server: "https://a.example"}}, {name: b, cluster: {server: "https://b.example"}}]
users: [{name: u, user: {token: canary}}]
contexts: [{name: a, context: {cluster: a, user: u}}, {name: b, context: {cluster: b, user: u}}, {name: broken, context: {cluster: none, user: u}}]
current-context: a
`

// configured makes a home with only this kubeconfig, or none.
func configured(t *testing.T, config string) (path string) {
	t.Helper()
	dir := t.TempDir()
	t.Setenv("HOME", dir)
	t.Setenv("KUBERNETES_SERVICE_HOST", "")
	path = filepath.Join(dir, "config")
	if config == "" {
		t.Setenv("KUBECONFIG", "")
		return path
	}
	t.Setenv("KUBECONFIG", path)
	if err := os.WriteFile(path, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestConnectTakesTheContext(t *testing.T) {
	path := configured(t, kubeconfig)
	for want, o := range map[string]Options{
		"https://a.example": {},
		"https://b.example": {Context: "b"},
	} {
		if c, err := Connect(o); err != nil || c.Host() != want {
			t.Errorf("%+v: %v, %v", o, c, err)
		}
		if !Configured(o) {
			t.Errorf("%+v is not configured", o)
		}
	}
	t.Setenv("KUBECONFIG", "")
	if Configured(Options{}) {
		t.Error("something is configured")
	}
	if c, err := Connect(Options{Kubeconfig: path}); err != nil || c.Host() != "https://a.example" {
		t.Errorf("%v, %v", c, err)
	}
}

func TestConnectExplainsABrokenConfiguration(t *testing.T) {
	folder := t.TempDir()
	for name, tt := range map[string]struct {
		config     string
		options    Options
		want, hint string
		configured bool
	}{
		"nothing":            {"", Options{}, "kubeconfig: no cluster is configured", "KUBECONFIG", false},
		"absent file":        {"", Options{Kubeconfig: "/nonexistent/config"}, "kubeconfig: /nonexistent/config: no such file or directory", "--kubeconfig", true},
		"folder":             {"", Options{Kubeconfig: folder}, "kubeconfig: " + folder + ": is a directory", "--kubeconfig", true},
		"below a file":       {"", Options{Kubeconfig: "/dev/null/config"}, "kubeconfig: /dev/null/config: not a directory", "--kubeconfig", true},
		"no YAML":            {"token: canary\n: canary", Options{}, "kubeconfig: cannot be parsed", "kubectl config view", true},
		"wrong type":         {"apiVersion: v1\nkind: Config\nusers: canary", Options{}, "kubeconfig: cannot be parsed", "kubectl config view", true},
		"unknown context":    {kubeconfig, Options{Context: "c"}, `kubeconfig: context "c" does not exist`, "available: a, b, broken", true},
		"context of none":    {"", Options{Context: "c"}, `kubeconfig: context "c" does not exist`, "available: none; set KUBECONFIG", true},
		"no current context": {strings.Replace(kubeconfig, "current-context: a", "", 1), Options{}, "kubeconfig: has no current context", "use-context", false},
		"context of nothing": {kubeconfig, Options{Context: "broken"}, "kubeconfig: the context has no cluster", "kubectl config view", true},
		"bad certificate": {
			strings.Replace(kubeconfig, "token: canary", "token: canary, client-certificate-data: Y2FuYXJ5, client-key-data: Y2FuYXJ5", 1),
			Options{},
			"kubeconfig: tls: failed to find any PEM data", "kubectl config view", true,
		},
	} {
		t.Run(name, func(t *testing.T) {
			configured(t, tt.config)
			_, err := Connect(tt.options)
			var config *ConfigError
			if !errors.As(err, &config) || !strings.HasPrefix(err.Error(), tt.want) || strings.Contains(err.Error(), "canary") || strings.Contains(err.Error(), "\n") {
				t.Errorf("error is %v, want %q", err, tt.want)
			}
			if !strings.Contains(hint.Of(err), tt.hint) {
				t.Errorf("hint is %q, want %q in it", hint.Of(err), tt.hint)
			}
			if Configured(tt.options) != tt.configured {
				t.Errorf("configured is %t", !tt.configured)
			}
		})
	}
}

func TestKubeconfigThatDoesNotExistIsNamed(t *testing.T) {
	there := configured(t, kubeconfig)
	t.Setenv("KUBECONFIG", "/nonexistent/a:/nonexistent/b")
	_, err := Connect(Options{})
	if want := "kubeconfig: /nonexistent/a, /nonexistent/b does not exist"; err == nil || err.Error() != want {
		t.Errorf("error is %v, want %s", err, want)
	}
	if !Configured(Options{}) {
		t.Error("it counts as not configured")
	}
	t.Setenv("KUBECONFIG", "/nonexistent/a:"+there)
	if _, err := Connect(Options{}); err != nil {
		t.Error(err)
	}
	t.Setenv("KUBECONFIG", "/nonexistent/a")
	if _, err := Connect(Options{Kubeconfig: there}); err != nil {
		t.Error(err)
	}
}

func TestKubeconfigThatCannotBeReadIsNamed(t *testing.T) {
	folder := t.TempDir()
	closed := filepath.Join(folder, "config")
	if err := os.WriteFile(closed, []byte(kubeconfig), 0o000); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{folder: "kubeconfig: " + folder + ": is a directory"}
	if os.Getuid() != 0 { // root may read it
		want[closed] = "kubeconfig: " + closed + ": permission denied"
	}
	for file, want := range want {
		t.Setenv("KUBECONFIG", "/nonexistent/a:"+file)
		_, err := Connect(Options{})
		if err == nil || err.Error() != want || hint.Of(err) != "KUBECONFIG or --kubeconfig must name a file that you can read" {
			t.Errorf("error is %v, want %s", err, want)
		}
	}
}

func TestRequestsAreLoggedWithoutTheirContent(t *testing.T) {
	c := fakeAPI{"/api/v1/namespaces/default/configmaps/x": {200, `{"data": {"a": "canary"}}`}}.connect(t)
	var log bytes.Buffer
	config := *c.config
	config.BearerToken = "canary"
	config.WrapTransport = nil
	c, err := newCluster(&config, Options{Log: &log})
	if err != nil {
		t.Fatal(err)
	}
	if data, err := c.ConfigMap(t.Context(), "default", "x"); data["a"] != "canary" || err != nil {
		t.Errorf("%v, %v", data, err)
	}
	if got := log.String(); !strings.HasPrefix(got, "GET "+c.Host()+"/api/v1/namespaces/default/configmaps/x 200 ") || strings.Contains(got, "canary") {
		t.Errorf("log is %q", got)
	}
}

func TestErrorsSayWhereTheAddressOfTheClusterWasSet(t *testing.T) {
	file := filepath.Join(t.TempDir(), "config")
	text := `{"apiVersion": "v1", "kind": "Config", "current-context": "a", "contexts": [{"name": "a", "context": {"cluster": "x"}}, {"name": "b", "context": {"cluster": "x"}}],
		"clusters": [{"name": "x", "cluster": {"server": "http://127.0.0.1:1"}}]}`
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	refused := func(o Options, want string) {
		t.Helper()
		c, err := Connect(o)
		if err != nil {
			t.Fatal(err)
		}
		_, err = c.ConfigMap(t.Context(), "default", "x")
		if want = "kubernetes http://127.0.0.1:1 (" + want + "): connection refused"; err == nil || err.Error() != want {
			t.Errorf("error %v, want %s", err, want)
		}
	}
	refused(Options{Kubeconfig: file}, "--kubeconfig, context a")
	refused(Options{Kubeconfig: file, From: "SECRETCTL_KUBECONFIG"}, "SECRETCTL_KUBECONFIG, context a")
	refused(Options{Kubeconfig: file, Context: "b"}, "--kubeconfig, context b")
	t.Setenv("KUBECONFIG", file)
	refused(Options{}, "KUBECONFIG, context a")
}

func TestNameIsNeverAPath(t *testing.T) {
	c := fakeAPI{"/api/v1/namespaces/default/secrets/x": {200, `{"data": {"a": "canary"}}`}}.connect(t)
	if data, err := c.ConfigMap(t.Context(), "default", "../secrets/x"); err == nil {
		t.Errorf("read another object: %q", data)
	}
}
