package cluster

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/vault/api"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/yaml"
)

const firstSecret = "canary-of-the-mount"

// fixture is a namespace of a real cluster with the objects of testdata/fixture.yaml,
// and a Vault that has a secret for it.
type fixture struct {
	admin     *Cluster
	namespace string
	vault     *api.Client
}

// newFixture needs KUBECONFIG, VAULT_ADDR and VAULT_TOKEN of a cluster and a Vault
// that reach each other, made for tests. Without SECRETCTL_TEST_CLUSTER it skips
// the test, or with SECRETCTL_REQUIRE_CLUSTER fails it.
func newFixture(t *testing.T) *fixture {
	t.Helper()
	switch {
	case os.Getenv("SECRETCTL_TEST_CLUSTER") != "":
	case os.Getenv("SECRETCTL_REQUIRE_CLUSTER") != "":
		t.Fatal("SECRETCTL_REQUIRE_CLUSTER is set, and SECRETCTL_TEST_CLUSTER is not")
	default:
		t.Skip("SECRETCTL_TEST_CLUSTER is not set")
	}
	admin, err := Connect(Options{})
	if err != nil {
		t.Fatal(err)
	}
	vault, err := api.NewClient(nil)
	if err != nil {
		t.Fatal(err)
	}
	s := &fixture{admin, "secretctl-test-" + randomHex(), vault}
	s.apply(t, "apiVersion: v1\nkind: Namespace\nmetadata: {name: "+s.namespace+"}")
	t.Cleanup(func() {
		o := object{version: "v1", resource: "namespaces", name: s.namespace}
		if err := s.admin.client.Delete().AbsPath(o.path()).Do(context.Background()).Error(); err != nil {
			t.Error(err)
		}
	})
	s.prepareVault(t)
	s.applyFile(t, "testdata/fixture.yaml")
	return s
}

func randomHex() string {
	b := make([]byte, 4)
	_, _ = rand.Read(b)
	return hex.EncodeToString(b)
}

// prepareVault gives the namespace an auth mount, a policy, a role and a secret of
// its own.
func (s *fixture) prepareVault(t *testing.T) {
	t.Helper()
	s.apply(t, strings.ReplaceAll(`
apiVersion: v1
kind: ServiceAccount
metadata: {name: reviewer}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: NAMESPACE-reviewer}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: system:auth-delegator}
subjects: [{kind: ServiceAccount, name: reviewer, namespace: NAMESPACE}]`, "NAMESPACE", s.namespace))
	s.deleteLater(t, "clusterrolebindings", s.namespace+"-reviewer")
	reviewer, err := s.admin.ServiceAccountToken(t.Context(), s.namespace, "reviewer", nil, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	ca := s.admin.config.CAData
	if file := s.admin.config.CAFile; file != "" {
		if ca, err = os.ReadFile(file); err != nil {
			t.Fatal(err)
		}
	}
	sys := s.vault.Sys()
	if err := sys.EnableAuthWithOptions(s.namespace, &api.EnableAuthOptions{Type: "kubernetes"}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = sys.DisableAuth(s.namespace)
		_ = sys.DeletePolicy(s.namespace)
		_, _ = s.vault.Logical().Delete("secret/metadata/" + s.namespace)
	})
	if err := sys.PutPolicy(s.namespace, `path "secret/data/`+s.namespace+`" { capabilities = ["read"] }`); err != nil {
		t.Fatal(err)
	}
	for path, data := range map[string]map[string]any{
		"auth/" + s.namespace + "/config": {
			"kubernetes_host": s.admin.Host(), "kubernetes_ca_cert": string(ca), "token_reviewer_jwt": string(reviewer.Reveal()),
		},
		"auth/" + s.namespace + "/role/" + s.namespace: {
			"bound_service_account_names": "aidbox", "bound_service_account_namespaces": s.namespace,
			"audience": "vault", "policies": s.namespace, "ttl": "1h",
		},
	} {
		if _, err := s.vault.Logical().Write(path, data); err != nil {
			t.Fatal(err)
		}
	}
	s.put(t, firstSecret)
}

func (s *fixture) put(t *testing.T, value string) {
	t.Helper()
	data := map[string]any{"data": map[string]any{"client-secret": value}}
	if _, err := s.vault.Logical().Write("secret/data/"+s.namespace, data); err != nil {
		t.Fatal(err)
	}
}

func (s *fixture) applyFile(t *testing.T, file string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	s.apply(t, strings.NewReplacer("NAMESPACE", s.namespace, "VAULT_ADDRESS", "http://vault.default:8200").Replace(string(text)))
}

// apply applies YAML documents, in the fixture's namespace if they have one.
func (s *fixture) apply(t *testing.T, documents string) {
	t.Helper()
	for doc := range strings.SplitSeq(documents, "\n---\n") {
		body, err := yaml.YAMLToJSON([]byte(doc))
		if err != nil {
			t.Fatal(err)
		}
		var u unstructured.Unstructured
		if err := u.UnmarshalJSON(body); err != nil {
			t.Fatal(err)
		}
		o, err := s.admin.locate(t.Context(), u.GroupVersionKind(), s.namespace, u.GetName())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := patch[[]byte](t.Context(), s.admin, o, types.ApplyPatchType, body, query{"fieldManager": "tests", "force": "true"}); err != nil {
			t.Fatal(err)
		}
	}
}

func (s *fixture) deleteLater(t *testing.T, resource, name string) {
	t.Cleanup(func() {
		o := object{group: "rbac.authorization.k8s.io", version: "v1", resource: resource, name: name}
		_ = s.admin.client.Delete().AbsPath(o.path()).Do(context.Background()).Error()
	})
}

// as connects with the token of a ServiceAccount of the fixture.
func (s *fixture) as(t *testing.T, serviceAccount string) *Cluster {
	t.Helper()
	token, err := s.admin.ServiceAccountToken(t.Context(), s.namespace, serviceAccount, nil, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	config := rest.AnonymousClientConfig(s.admin.config)
	config.BearerToken = string(token.Reveal())
	c, err := newCluster(config, Options{})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// documented connects with the rights of docs/rbac.md and no others.
func (s *fixture) documented(t *testing.T) *Cluster {
	t.Helper()
	page, err := os.ReadFile("../../docs/rbac.md")
	if err != nil {
		t.Fatal(err)
	}
	block := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindSubmatch(page)
	if block == nil {
		t.Fatal("docs/rbac.md has no YAML")
	}
	text := string(block[1])
	for old, replacement := range map[string]string{
		"namespace: default": "namespace: " + s.namespace, "namespace: kube-system": "namespace: " + s.namespace,
		"kind: ClusterRole\nmetadata: {name: secretctl}": "kind: ClusterRole\nmetadata: {name: " + s.namespace + "}",
	} {
		if !strings.Contains(text, old) {
			t.Fatalf("docs/rbac.md has no %q", old)
		}
		text = strings.ReplaceAll(text, old, replacement)
	}
	s.apply(t, text)
	s.apply(t, strings.ReplaceAll(`
apiVersion: v1
kind: ServiceAccount
metadata: {name: secretctl}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: secretctl}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: secretctl}
subjects: [{kind: ServiceAccount, name: secretctl, namespace: NAMESPACE}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: secretctl-driver}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: secretctl-driver}
subjects: [{kind: ServiceAccount, name: secretctl, namespace: NAMESPACE}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: NAMESPACE}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: NAMESPACE}
subjects: [{kind: ServiceAccount, name: secretctl, namespace: NAMESPACE}]`, "NAMESPACE", s.namespace))
	s.deleteLater(t, "clusterroles", s.namespace)
	s.deleteLater(t, "clusterrolebindings", s.namespace)
	return s.as(t, "secretctl")
}

// eventually polls until done, or fails the test.
func eventually(t *testing.T, what string, so func(context.Context) bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 90*time.Second)
	defer cancel()
	for tick := time.NewTicker(100 * time.Millisecond); !so(ctx); {
		select {
		case <-ctx.Done():
			t.Fatalf("it never came that %s", what)
		case <-tick.C:
		}
	}
}
