package infra

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"k8s.io/client-go/tools/clientcmd"

	"github.com/secretctl/secretctl/internal/hint"
	"github.com/secretctl/secretctl/internal/secret"
)

const canary = "canary-a8e1c0"

const fetched = `apiVersion: v1
kind: Config
clusters: [{name: aidbox_aks, cluster: {server: "https://aks.example:443"}}]
users: [{name: clusterUser, user: {token: ` + canary + `}}]
contexts: [{name: aidbox_aks, context: {cluster: aidbox_aks, user: clusterUser}}]
current-context: aidbox_aks
`

const there = `apiVersion: v1
kind: Config
clusters: [{name: home, cluster: {server: "https://home.example", certificate-authority: ca.pem}}]
users: [{name: me, user: {token: mine}}]
contexts: [{name: home, context: {cluster: home, user: me}}]
current-context: home
`

func TestKubeconfigIsFetchedAndMerged(t *testing.T) {
	w := newWorld(t)
	if _, err := w.infra(delivery()).Kubeconfig(t.Context()); err == nil || hint.Of(err) != "run: secretctl infra" {
		t.Error(err)
	}
	if _, err := w.run(delivery(), false); err != nil {
		t.Fatal(err)
	}
	got, err := w.infra(delivery()).Kubeconfig(t.Context())
	if err != nil {
		t.Fatal(err)
	}

	dir := t.TempDir()
	file, link := filepath.Join(dir, "config"), filepath.Join(dir, "link")
	if err := os.WriteFile(file, []byte(there), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(file, link); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := WriteKubeconfig(link, got); err != nil {
			t.Fatal(err)
		}
	}
	info, err := os.Lstat(file)
	if err != nil || info.Mode() != 0o600 {
		t.Error(info, err)
	}
	all, err := clientcmd.LoadFromFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if all.CurrentContext != "aidbox_aks" || all.AuthInfos["clusterUser"].Token != canary || all.AuthInfos["me"].Token != "mine" ||
		all.Clusters["home"].CertificateAuthority != "ca.pem" || len(all.Contexts) != 2 {
		t.Errorf("%+v", all)
	}
	files, err := os.ReadDir(dir)
	if err != nil || len(files) != 2 {
		t.Errorf("something is left behind: %v, %v", files, err)
	}
}

func TestKubeconfigGoesIntoANewFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "new")
	if err := WriteKubeconfig(file, secret.New([]byte(fetched))); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(file)
	if err != nil || info.Mode() != 0o600 {
		t.Error(info, err)
	}
}

func TestKubeconfigThatCannotBeWrittenLeavesTheFileAsItIs(t *testing.T) {
	tests := map[string]struct{ there, fetched, want string }{
		"another cluster of the name": {strings.ReplaceAll(there, "home", "aidbox_aks"), fetched, `has a cluster "aidbox_aks" at another address, https://aidbox_aks.example`},
		"credentials in its address":  {strings.NewReplacer("home", "aidbox_aks", "https://", "https://admin:hunter2@").Replace(there), fetched, `has a cluster "aidbox_aks" at another address, https://aidbox_aks.example`},
		"no kubeconfig there":         {"[" + canary, fetched, "is not a kubeconfig"},
		"no kubeconfig fetched":       {there, "[" + canary, "Azure's answer is not a kubeconfig"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "config")
			if err := os.WriteFile(file, []byte(test.there), 0o600); err != nil {
				t.Fatal(err)
			}
			err := WriteKubeconfig(file, secret.New([]byte(test.fetched)))
			if err == nil || err.Error() != "kubeconfig "+file+": "+test.want {
				t.Error(err)
			}
			if text, err := os.ReadFile(file); err != nil || string(text) != test.there {
				t.Errorf("the file is now %q, %v", text, err)
			}
		})
	}
	err := WriteKubeconfig(filepath.Join(t.TempDir(), "no", "folder"), secret.New([]byte(fetched)))
	if err == nil || !strings.HasSuffix(err.Error(), "no such file or directory") || strings.Count(err.Error(), "folder") != 1 {
		t.Error(err)
	}
}
