package cluster

import (
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/secretctl/secretctl/internal/hint"
	"github.com/secretctl/secretctl/internal/secret"
	"github.com/secretctl/secretctl/test/secrettest"
)

const (
	token  = "kube-T0ken-abcdef0123456789"
	attack = secrettest.Attack + token
)

// kubeconfigOf writes a kubeconfig for a server. more is added to the cluster, and user is
// the user, both in YAML's flow style.
func kubeconfigOf(t *testing.T, server, more, user string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "config")
	text := fmt.Sprintf(`{apiVersion: v1, kind: Config, current-context: a, contexts: [{name: a, context: {cluster: a, user: a}}],
		clusters: [{name: a, cluster: {server: %q%s}}], users: [{name: a, user: %s}]}`, server, more, user)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// secure serves over TLS, since client-go sends no credentials without. It returns the
// address, and its CA for [kubeconfigOf].
func secure(t *testing.T, handle http.HandlerFunc) (server, more string) {
	t.Helper()
	s := httptest.NewTLSServer(handle)
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	t.Cleanup(s.Close)
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
	return s.URL, ", certificate-authority-data: " + base64.StdEncoding.EncodeToString(ca)
}

func quoted(text string) string {
	b, _ := json.Marshal(text)
	return string(b)
}

func TestPlainHTTPToAnotherHostIsRefused(t *testing.T) {
	t.Setenv("HTTPS_PROXY", "")
	for name, tt := range map[string]struct {
		server, more string
		allow        bool
		want         string // of the error
	}{
		"https":              {"https://kube.example", "", false, ""},
		"http":               {"http://kube.example:8001", "", false, "kubeconfig: server: http://kube.example:8001 would carry secrets over plain http to another host"},
		"no scheme":          {"kube.example:8001", "", false, "kubeconfig: server: http://kube.example:8001 would carry secrets over plain http to another host"},
		"allowed":            {"http://kube.example:8001", "", true, ""},
		"loopback":           {"http://127.0.0.1:8001", "", false, ""},
		"localhost":          {"localhost:8001", "", false, ""},
		"a name, not here":   {"http://kube.localhost:8001", "", false, "kubeconfig: server: http://kube.localhost:8001 would carry secrets over plain http to another host"},
		"in capitals":        {"http://kube.LOCALHOST:8001", "", false, "kubeconfig: server: http://kube.LOCALHOST:8001 would carry secrets over plain http to another host"},
		"loopback, by proxy": {"http://127.0.0.1:8001", `, proxy-url: "http://proxy.example"`, false, "kubeconfig: proxy-url: the proxy would receive requests to http://127.0.0.1:8001 in plain text"},
		"https, by proxy":    {"https://kube.example", `, proxy-url: "http://proxy.example"`, false, ""},
	} {
		_, err := Connect(Options{Kubeconfig: kubeconfigOf(t, tt.server, tt.more, "{}"), AllowHTTP: tt.allow})
		if (err == nil) != (tt.want == "") || err != nil && (err.Error() != tt.want || !strings.Contains(hint.Of(err), "--allow-http")) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestCredentialsInAddressesAreRefusedOrNotShown(t *testing.T) {
	for _, tt := range []struct{ server, more, want string }{
		{"https://admin:hunter2@kube.example:6443", "", "kubeconfig: server: has credentials in the address"},
		{"https://hunter2@kube.example", "", "kubeconfig: server: has credentials in the address"},
		{"http://admin:hunter2@127.0.0.1:8001", "", "kubeconfig: server: has credentials in the address"},
		{"admin:hunter2@kube.example:6443", "", "kubeconfig: server: has credentials in the address"},
		{"admin:hunter2@kube.example:6443/path", "", "kubeconfig: server: has credentials in the address"},
		{"https://admin:hunter2@kube example", "", "kubeconfig: server: must be an http or https URL"},
		{"https://kube.example/?token=hunter2", "", "kubeconfig: server: has a query or fragment in the address"},
		{"https://kube.example/#hunter2", "", "kubeconfig: server: has a query or fragment in the address"},
		{"https://kube.example", `, proxy-url: "me:hunter2@proxy.example:3128"`, "kubeconfig: proxy-url must be an http, https or socks5 URL"},
		{"https://kube.example", `, proxy-url: "http://me:hunter2@proxy example"`, "kubeconfig: proxy-url must be an http, https or socks5 URL"},
	} {
		_, err := Connect(Options{Kubeconfig: kubeconfigOf(t, tt.server, tt.more, "{}"), AllowHTTP: true})
		if invalid, ok := errors.AsType[*ConfigError](err); !ok || err.Error() != tt.want || hint.Of(invalid) == "" {
			t.Errorf("%s%s: %v", tt.server, tt.more, err)
		}
	}
}

func TestPasswordOfAProxyIsLearned(t *testing.T) {
	s := &secret.Sanitizer{}
	c, err := Connect(Options{Kubeconfig: kubeconfigOf(t, "https://kube.example", `, proxy-url: "http://me:hunter2-of-the-proxy@127.0.0.1:1"`, "{}"), Sanitizer: s})
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.ConfigMap(t.Context(), "default", "x")
	if err == nil || strings.Contains(err.Error(), "hunter2") || !s.Repeats("cannot connect to http://me:hunter2-of-the-proxy@127.0.0.1:1") {
		t.Error(err)
	}
}

func TestSkippedVerificationIsWarnedAbout(t *testing.T) {
	for more, want := range map[string]int{"": 0, ", insecure-skip-tls-verify: true": 1} {
		c, err := Connect(Options{Kubeconfig: kubeconfigOf(t, "https://kube.example", more, "{}")})
		if err != nil || len(c.Warnings()) != want {
			t.Errorf("%q: %v, %v", more, c.Warnings(), err)
		}
	}
}

// plugin writes a login program that records its environment and then runs more.
func plugin(t *testing.T, more string) (program, noted string) {
	t.Helper()
	dir := t.TempDir()
	program, noted = filepath.Join(dir, "login"), filepath.Join(dir, "noted")
	if err := os.WriteFile(program, []byte("#!/bin/sh\nenv >"+noted+"\n"+more+"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	return program, noted
}

func execUser(program string) string {
	return fmt.Sprintf(`{exec: {apiVersion: client.authentication.k8s.io/v1, command: %q, interactiveMode: Never, env: [{name: OWN_VALUE, value: of the kubeconfig}]}}`, program)
}

func TestLoginProgramGetsNoSecretAndItsTokenIsLearned(t *testing.T) {
	for name, value := range map[string]string{
		"VAULT_TOKEN": "s3cret-of-vault", "AIDBOX_CLIENT_SECRET": "s3cret-of-aidbox", "MY_VALUE": "s3cret-of-mine", "OWN_VALUE": "s3cret-of-env",
		"SECRETCTL_ID_TOKEN": "s3cret-of-ci", "AZURE_CLIENT_ID": "for-kubelogin",
	} {
		t.Setenv(name, value)
	}
	program, noted := plugin(t, `echo '{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","status":{"token":"`+token+`"}}'`)
	server, ca := secure(t, func(w http.ResponseWriter, req *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusForbidden)
		_, _ = fmt.Fprintf(w, `{"kind":"Status","apiVersion":"v1","status":"Failure","code":403,"reason":"Forbidden","message":%s}`, quoted("not with "+req.Header.Get("Authorization")))
	})
	sanitizer := &secret.Sanitizer{}
	c, err := Connect(Options{Kubeconfig: kubeconfigOf(t, server, ca, execUser(program)), Sanitizer: sanitizer})
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.ConfigMap(t.Context(), "default", "x")
	if err == nil || strings.Contains(err.Error(), token) || !strings.Contains(err.Error(), "withheld") {
		t.Errorf("error is %v", err)
	}
	env, err := os.ReadFile(noted)
	if err != nil {
		t.Fatal(err)
	}
	if got := string(env); strings.Contains(got, "s3cret") || !strings.Contains(got, "AZURE_CLIENT_ID=for-kubelogin") || !strings.Contains(got, "OWN_VALUE=of the kubeconfig") || !strings.Contains(got, "PATH=/") {
		t.Errorf("the program has\n%s", got)
	}
}

// A login program may print what it was told.
func TestWhatTheKubeconfigTellsALoginProgramIsLearned(t *testing.T) {
	user := `{exec: {apiVersion: client.authentication.k8s.io/v1, command: login, interactiveMode: Never,
		args: [get-token, --client-secret=of-the-flag-1, --password, of-the-next-2, --login, azurecli, --server-id, 6dae42f8-4368-4678-94ff-3960e28e3630],
		env: [{name: FROM_KUBECONFIG, value: kubeconfigSecret99}, {name: MY_PASSWORD, value: by-its-name-3}, {name: AWS_PROFILE, value: prod-admin-1}, {name: AWS_REGION, value: eu-central-1}]}}`
	s := &secret.Sanitizer{}
	if _, err := Connect(Options{Kubeconfig: kubeconfigOf(t, "https://kube.example", "", user), Sanitizer: s}); err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]bool{
		"of-the-flag-1": true, "of-the-next-2": true, "kubeconfigSecret99": true, "by-its-name-3": true,
		"prod-admin-1": false, "https://x.eu-central-1.eks.amazonaws.com": false, "azurecli": false, "6dae42f8-4368-4678-94ff-3960e28e3630": false,
	} {
		if got := s.Repeats("login failed: " + text); got != want {
			t.Errorf("%s: %t", text, got)
		}
	}
}

func TestFailedLoginProgramIsNotBlamedOnTheServer(t *testing.T) {
	program, _ := plugin(t, "exit 3")
	server, ca := secure(t, func(http.ResponseWriter, *http.Request) { t.Error("a request was sent") })
	c, err := Connect(Options{Kubeconfig: kubeconfigOf(t, server, ca, execUser(program))})
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.ConfigMap(t.Context(), "default", "x")
	if err == nil || !strings.Contains(err.Error(), "failed with exit code 3") || !strings.Contains(hint.Of(err), "log in") || strings.Contains(err.Error(), "\n") {
		t.Errorf("error is %v, hint %q", err, hint.Of(err))
	}
}
