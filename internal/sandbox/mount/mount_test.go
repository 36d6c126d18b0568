package mount_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/secretctl/secretctl/internal/sandbox/kubernetes"
	"github.com/secretctl/secretctl/internal/sandbox/mount"
	"github.com/secretctl/secretctl/internal/sandbox/vault"
	"github.com/secretctl/secretctl/test/sandboxtest"
)

const podManifests = `
apiVersion: v1
kind: ServiceAccount
metadata: {name: aidbox, namespace: default}
---
apiVersion: secrets-store.csi.x-k8s.io/v1
kind: SecretProviderClass
metadata: {name: aidbox-vault-secrets, namespace: default}
spec:
  provider: vault
  parameters:
    roleName: aidbox
    vaultAddress: http://vault.default:8200
    vaultKubernetesMountPath: kubernetes
    objects: |
      - objectName: client-secret
        secretPath: secret/data/aidbox/client
        secretKey: client-secret
      - objectName: other
        secretPath: secret/data/aidbox/client
        secretKey: other
        encoding: hex
---
apiVersion: v1
kind: ConfigMap
metadata: {name: aidbox-vault-config, namespace: default}
data:
  vault-config.json: |
    {"secret": {"client-secret": {"path": "/run/vault-secrets/client-secret", "scope": ["Client/basic"]}}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: aidbox, namespace: default}
spec:
  selector: {matchLabels: {app: aidbox}}
  template:
    metadata: {labels: {app: aidbox}}
    spec:
      serviceAccountName: aidbox
      containers:
        - name: aidbox
          image: healthsamurai/aidboxone:2602
          volumeMounts:
            - {name: secrets, mountPath: /run/vault-secrets, readOnly: true}
            - {name: config, mountPath: /etc/aidbox, readOnly: true}
      volumes:
        - name: secrets
          csi:
            driver: secrets-store.csi.k8s.io
            readOnly: true
            volumeAttributes: {secretProviderClass: aidbox-vault-secrets}
        - name: config
          configMap: {name: aidbox-vault-config}
`

// fixture is a Vault and a cluster, and a pod that reads from them.
type fixture struct {
	sandboxtest.VaultClient
	standIn *vault.Server
	cluster *kubernetes.Server
	options mount.Options
}

func newFixture(t *testing.T) fixture {
	t.Helper()
	s := fixture{standIn: sandboxtest.StartVault(t), cluster: sandboxtest.StartKubernetes(t)}
	s.VaultClient = sandboxtest.VaultClient{URL: s.standIn.URL, Token: s.standIn.RootToken}
	s.Deliver(t, s.cluster, "first")
	s.options = mount.Options{
		Manifests: []byte(podManifests), Root: t.TempDir(), Kubernetes: s.cluster, VaultAddress: s.URL,
	}
	return s
}

func (s fixture) mount(t *testing.T) *mount.Mount {
	t.Helper()
	m, err := mount.Start(t.Context(), s.options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Close)
	return m
}

func (s fixture) path(name string) string {
	return filepath.Join(s.options.Root, "run/vault-secrets", name)
}

func (s fixture) read(t *testing.T, name string) string {
	t.Helper()
	content, err := os.ReadFile(s.path(name))
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

func TestMountLaysFilesOutAsTheDriverDoes(t *testing.T) {
	s := newFixture(t)
	defer syscall.Umask(syscall.Umask(0o077)) // which the modes do not depend on
	s.mount(t)
	if got := s.read(t, "client-secret") + " " + s.read(t, "other"); got != "first \x00\xff" {
		t.Errorf("content %q", got)
	}
	links := map[string]string{}
	var folders []string
	entries, err := os.ReadDir(s.path(""))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.IsDir() {
			folders = append(folders, e.Name())
			continue
		}
		if links[e.Name()], err = os.Readlink(s.path(e.Name())); err != nil {
			t.Error(err)
		}
	}
	if len(folders) != 1 || !strings.HasPrefix(folders[0], "..2") {
		t.Fatalf("folders %v", folders)
	}
	want := map[string]string{"..data": folders[0], "client-secret": "..data/client-secret", "other": "..data/other"}
	if diff := cmp.Diff(want, links); diff != "" {
		t.Errorf("links (-want +got):\n%s", diff)
	}
	for name, want := range map[string]fs.FileMode{"client-secret": 0o644, "other": 0o644, "..data": 0o755 | fs.ModeDir, ".": 0o755 | fs.ModeDir} {
		info, err := os.Stat(s.path(name))
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode() != want {
			t.Errorf("%s has mode %v, want %v", name, info.Mode(), want)
		}
	}
	config := filepath.Join(s.options.Root, "etc/aidbox/vault-config.json")
	if content, err := os.ReadFile(config); err != nil || !strings.HasPrefix(string(content), `{"secret": {"client-secret"`) {
		t.Errorf("vault config: %s %v", content, err)
	}
}

func TestMountLeavesEqualContentAlone(t *testing.T) {
	s := newFixture(t)
	m := s.mount(t)
	before, err := os.Readlink(s.path("..data"))
	if err != nil {
		t.Fatal(err)
	}
	publish := func() string {
		t.Helper()
		if err := m.Publish(t.Context()); err != nil {
			t.Fatal(err)
		}
		after, err := os.Readlink(s.path("..data"))
		if err != nil {
			t.Fatal(err)
		}
		return after
	}
	s.Store(t, "first") // another version of the same value
	if after := publish(); after != before {
		t.Error("swapped without a change")
	}
	s.Store(t, "second")
	if after := publish(); after == before || s.read(t, "client-secret") != "second" {
		t.Error("not swapped after a change")
	}
	if _, err := os.Lstat(s.path(before)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the former folder is still there: %v", err)
	}
}

func TestMountRefusesWhatAClusterWouldNotRun(t *testing.T) {
	for _, c := range []struct {
		name     string
		old, new string // in the manifests
		vault    []string
		want     string
	}{
		{"wrong role", "roleName: aidbox", "roleName: none", nil, `failed to login: POST URL/v1/auth/kubernetes/login: 400 Bad Request: {"errors":["invalid role name \"none\""]}`},
		{"wrong auth mount", "vaultKubernetesMountPath: kubernetes", "vaultKubernetesMountPath: other", nil, `auth/other/login: 403`},
		{"wrong ServiceAccount", "", "", []string{`POST auth/kubernetes/role/aidbox {"bound_service_account_names":"other"}`}, `403 Forbidden`},
		{"audience on the role alone", "", "", []string{`POST auth/kubernetes/role/aidbox {"audience":"vault"}`}, `403 Forbidden`},
		{"no policy", "", "", []string{`DELETE sys/policies/acl/aidbox`}, `couldn't read secret "client-secret": GET URL/v1/secret/data/aidbox/client: 403`},
		{"path without data/", "secret/data/aidbox/client", "secret/aidbox/client", nil, `403 Forbidden`},
		{"path absent", "secret/data/aidbox/client", "secret/data/aidbox/none", nil, `404 Not Found`},
		{"key absent", "secretKey: other", "secretKey: none", nil, `key "none" does not exist at the secret path`},
		{"not in its encoding", "", "", []string{`POST secret/data/aidbox/client {"data":{"client-secret":"x","other":"x"}}`}, `key "other": the value is not in hex`},
		{"sealed", "", "", []string{`PUT sys/seal`}, `Vault is sealed`},
		{"no objects", "objects: |", "other: |", nil, `no secrets configured`},
		{"a name with a slash", "objectName: other", "objectName: a/../../other", nil, `must be a plain file name`},
		{"SecretProviderClass absent", "secretProviderClass: aidbox-vault-secrets", "secretProviderClass: other", nil, `failed to get secretproviderclass other: not found`},
		{"a provider without its store", "provider: vault", "provider: azure", nil, `provider not found: provider "azure"`},
		{"no ServiceAccount", "kind: ServiceAccount\nmetadata: {name: aidbox,", "kind: ServiceAccount\nmetadata: {name: other,", nil, `serviceaccount "aidbox" not found`},
		{"no ConfigMap", "ConfigMap\nmetadata: {name: aidbox-vault-config,", "ConfigMap\nmetadata: {name: other,", nil, `configmap "aidbox-vault-config" not found`},
		{"not mounted", "{name: secrets, mountPath", "{name: other, mountPath", nil, `no Deployment with a container that mounts a volume of the driver`},
		{"unknown field", "readOnly: true}", "readOnlyy: true}", nil, `unknown field`},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newFixture(t)
			s.Must(t, c.vault...)
			if !strings.Contains(podManifests, c.old) {
				t.Fatalf("%q is not in the manifests", c.old)
			}
			s.options.Manifests = []byte(strings.Replace(podManifests, c.old, c.new, 1))
			m, err := mount.Start(t.Context(), s.options)
			if err == nil {
				m.Close()
				t.Fatal("it started")
			}
			if want := strings.ReplaceAll(c.want, "URL/", s.URL+"/"); !strings.Contains(err.Error(), want) {
				t.Errorf("error %q\nwant   %q", err, want)
			}
			if _, err := os.Lstat(s.path("client-secret")); !errors.Is(err, fs.ErrNotExist) {
				t.Error("there is a file")
			}
		})
	}
}

func TestMountKeepsTheFilesWhenItCannotRead(t *testing.T) {
	for name, request := range map[string]string{
		"sealed": "PUT sys/seal", "deleted": "DELETE secret/data/aidbox/client", "policy gone": "DELETE sys/policies/acl/aidbox",
		"key gone": `POST secret/data/aidbox/client {"data":{"client-secret":"second"}}`,
	} {
		t.Run(name, func(t *testing.T) {
			s := newFixture(t)
			m := s.mount(t)
			s.Must(t, request)
			if err := m.Publish(t.Context()); err == nil {
				t.Error("no error")
			}
			if got := s.read(t, "client-secret"); got != "first" {
				t.Errorf("content %q", got)
			}
		})
	}
}
