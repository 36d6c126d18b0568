package verify

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"github.com/secretctl/secretctl/internal/cluster"
	"github.com/secretctl/secretctl/internal/config"
)

// api is a fake API server: its answers by path, the status first
// unless it is 200. All other paths are not found.
type api map[string]string

const (
	groupPath    = "/apis/secrets-store.csi.x-k8s.io"
	driverPath   = "/apis/storage.k8s.io/v1/csidrivers/secrets-store.csi.k8s.io"
	nodesPath    = "/apis/storage.k8s.io/v1/csinodes"
	daemonsPath  = "/apis/apps/v1/daemonsets"
	tokenPath    = "/api/v1/namespaces/default/serviceaccounts/aidbox/token"
	aDriver      = `{"spec": {"requiresRepublish": true, "tokenRequests": [{"audience": "vault"}]}}`
	denial       = `403 {"kind": "Status", "apiVersion": "v1", "code": 403, "reason": "Forbidden", "message": "User \"ci\" cannot do that"}`
	unauthorized = `401 {"kind": "Status", "apiVersion": "v1", "code": 401, "reason": "Unauthorized", "message": "Unauthorized"}`
	notFound     = `404 {"kind": "Status", "apiVersion": "v1", "code": 404, "reason": "NotFound", "message": "it is not found"}`
)

// newAPI has all prerequisites of a delivery.
func newAPI() api {
	return api{
		groupPath:         `{"kind": "APIGroup", "versions": [{"version": "v1"}]}`,
		groupPath + "/v1": `{"kind": "APIResourceList", "resources": [{"name": "secretproviderclasses"}, {"name": "secretproviderclasspodstatuses"}]}`,
		driverPath:        aDriver,
		nodesPath:         `{"items": [{"metadata": {"name": "n1"}, "spec": {"drivers": [{"name": "secrets-store.csi.k8s.io"}]}}]}`,
		daemonsPath:       daemons(driverDaemon("true", 1), providerDaemon(1)),
		tokenPath:         `{"status": {"token": "canary-token"}}`,
	}
}

func daemons(items ...string) string { return `{"items": [` + strings.Join(items, ",") + `]}` }

func driverDaemon(rotates string, ready int) string {
	return daemon("csi", "registry.k8s.io/csi-secrets-store/driver:v1.6.0", "--provider-volume=/p", "--enable-secret-rotation="+rotates, ready)
}

func providerDaemon(ready int) string {
	return daemon("vault-csi", "hashicorp/vault-csi-provider:1.7.4", "-endpoint=/provider/vault.sock", "-x", ready)
}

func daemon(name, image, flag1, flag2 string, ready int) string {
	return fmt.Sprintf(`{"metadata": {"name": %q, "namespace": "kube-system"}, "spec": {"selector": {}, "template": {"spec": {"containers": [
		{"name": "c", "image": %q, "args": [%q, %q]}]}}}, "status": {"desiredNumberScheduled": 1, "numberReady": %d}}`, name, image, flag1, flag2, ready)
}

func (a api) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	answer, found := a[r.URL.Path]
	if !found {
		answer = notFound
	}
	status := http.StatusOK
	if code, body, ok := strings.Cut(answer, " {"); ok && code != "" && !strings.HasPrefix(answer, "{") {
		_, _ = fmt.Sscan(code, &status)
		answer = "{" + body
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(answer))
}

func (a api) serve(t *testing.T, s *fixture) {
	t.Helper()
	connect(t, s, a)
}

// connect starts an API server and connects the fixture to it.
func connect(t *testing.T, s *fixture, h http.Handler) {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	path := filepath.Join(t.TempDir(), "kubeconfig")
	write(t, path, fmt.Sprintf(`{"apiVersion": "v1", "kind": "Config", "current-context": "c", "contexts": [{"name": "c", "context": {"cluster": "c"}}],
		"clusters": [{"name": "c", "cluster": {"server": %q}}]}`, server.URL))
	var err error
	s.w.Cluster, err = cluster.Connect(cluster.Options{Kubeconfig: path})
	must(t, err)
}

// with changes some answers of the cluster.
func with(answers ...string) func(*testing.T, *fixture) {
	return func(t *testing.T, s *fixture) {
		a := newAPI()
		for i := 0; i < len(answers); i += 2 {
			a[answers[i]] = answers[i+1]
		}
		a.serve(t, s)
	}
}

// onAzure changes the provider of the delivery to Azure.
func onAzure(identity string, next func(*testing.T, *fixture)) func(*testing.T, *fixture) {
	return func(t *testing.T, s *fixture) {
		s.d.Provider, s.d.Vault = config.ProviderAzure, nil
		s.d.Azure = &config.Azure{Identity: config.Identity{Type: identity}}
		next(t, s)
	}
}

func withAudience(audience string, next func(*testing.T, *fixture)) func(*testing.T, *fixture) {
	return func(t *testing.T, s *fixture) {
		s.d.Vault.Audience = audience
		next(t, s)
	}
}

func withCA(path string, next func(*testing.T, *fixture)) func(*testing.T, *fixture) {
	return func(t *testing.T, s *fixture) {
		s.d.Vault.CSICACertPath = path
		next(t, s)
	}
}

const classPath = groupPath + "/v1/namespaces/default/secretproviderclasses/aidbox-vault-secrets"

// ofOwner is an object with the label of its owner.
func ofOwner(name string) string {
	return fmt.Sprintf(`{"metadata": {"labels": {"app.kubernetes.io/managed-by": %q}}}`, name)
}

func clusterRows() []row {
	return []row{
		{"answers", with(), "cluster/api", StatusPass, "http://127.0.0.1"},
		{"without the driver's API", with(groupPath, notFound), "cluster/api", StatusPass, "responds"},
		{"not accepted", with(groupPath, unauthorized), "cluster/api", StatusUnknown, "credentials"},
		{"not looked at", nil, "cluster/api", StatusSkip, "no cluster"},
		{"not there", func(_ *testing.T, s *fixture) { s.w.NoCluster = errUnreachable }, "cluster/api", StatusUnknown, "refused"},

		{"runs", with(), "cluster/csi-driver", StatusPass, "driver 1.6.0 runs on 1 node (DaemonSet kube-system/csi)"},
		{"runs somehow", with(daemonsPath, daemons()), "cluster/csi-driver", StatusPass, "runs on 1 node"},
		{"not installed", with(driverPath, notFound), "cluster/csi-driver", StatusFail, "secretctl install"},
		{"on no node", with(nodesPath, `{"items": []}`), "cluster/csi-driver", StatusFail, "on no node"},
		{"not ready", with(daemonsPath, daemons(driverDaemon("true", 0))), "cluster/csi-driver", StatusFail, "0 of 1 pods ready"},
		{"forbidden", with(driverPath, denial), "cluster/csi-driver", StatusUnknown, "docs/rbac.md"},
		{"nodes forbidden", with(nodesPath, denial), "cluster/csi-driver", StatusUnknown, "csinodes"},
		{"no API", with(groupPath, unauthorized), "cluster/csi-driver", StatusSkip, "cluster/api"},

		{"rotates", with(), "cluster/rotation-enabled", StatusPass, "2m0s"},
		{"flag off", with(daemonsPath, daemons(driverDaemon("false", 1))), "cluster/rotation-enabled", StatusFail, "enableSecretRotation=true"},
		{"not republished", with(driverPath, `{"spec": {}}`), "cluster/rotation-enabled", StatusFail, "lacks requiresRepublish"},
		{"flags not known", with(daemonsPath, daemons()), "cluster/rotation-enabled", StatusUnknown, "has requiresRepublish"},
		{"nothing known", with(daemonsPath, daemons(), driverPath, `{"spec": {}}`), "cluster/rotation-enabled", StatusUnknown, "do not rotate"},
		{"forbidden", with(daemonsPath, denial), "cluster/rotation-enabled", StatusUnknown, "daemonsets"},
		{"no driver", with(driverPath, notFound), "cluster/rotation-enabled", StatusSkip, "cluster/csi-driver"},

		{"runs", with(), "cluster/provider", StatusPass, "provider vault 1.7.4 runs"},
		{"not installed", with(daemonsPath, daemons(driverDaemon("true", 1))), "cluster/provider", StatusFail, "csi.enabled=true"},
		{"not ready", with(daemonsPath, daemons(driverDaemon("true", 1), providerDaemon(0))), "cluster/provider", StatusFail, "0 of 1 pods ready"},
		{"without the CA", withCA("/vault/ca.pem", with()), "cluster/provider", StatusWarn, "DaemonSet kube-system/vault-csi mounts nothing at /vault/ca.pem"},
		{"with the CA", withCA("/vault/tls/ca.pem", with(daemonsPath, daemons(driverDaemon("true", 1), strings.Replace(providerDaemon(1), `"name": "c"`, `"name": "c", "volumeMounts": [{"mountPath": "/vault/tls"}]`, 1)))), "cluster/provider", StatusPass, "runs"},
		{"of another store", onAzure("kubelet", with()), "cluster/provider", StatusFail, "csi-secrets-store-provider-azure"},
		{"not known", with(daemonsPath, daemons()), "cluster/provider", StatusUnknown, "neither"},
		{"forbidden", with(daemonsPath, denial), "cluster/provider", StatusUnknown, "docs/rbac.md"},
		{"no driver", with(driverPath, notFound), "cluster/provider", StatusSkip, "cluster/csi-driver"},

		{"served", with(), "cluster/crds", StatusPass, "v1"},
		{"not installed", with(groupPath, notFound), "cluster/crds", StatusFail, "secretctl install"},
		{"old", with(groupPath, `{"versions": [{"version": "v1alpha1"}]}`, groupPath+"/v1alpha1", `{"resources": [{"name": "secretproviderclasses"}]}`), "cluster/crds", StatusFail, "does not serve v1 of secretproviderclasses, secretproviderclasspodstatuses"},
		{"half", with(groupPath+"/v1", denial), "cluster/api", StatusUnknown, "forbidden"},
		{"no API", nil, "cluster/crds", StatusSkip, "cluster/api"},

		{"nothing there", with(), "cluster/ownership", StatusPass, "each of 3 objects was made by secretctl, or does not exist yet"},
		{"its own", with(core+"configmaps/aidbox-vault-config", ofOwner("secretctl")), "cluster/ownership", StatusPass, "each of 3"},
		{"made by hand", with(core+"serviceaccounts/aidbox", `{"metadata": {}}`), "cluster/ownership", StatusWarn, "ServiceAccount default/aidbox was made by something other than secretctl: applying"},
		{"of Helm", with(classPath, ofOwner("Helm")), "cluster/ownership", StatusWarn, `SecretProviderClass default/aidbox-vault-secrets is managed by "Helm": applying`},
		{"forbidden", with(core+"configmaps/aidbox-vault-config", denial), "cluster/ownership", StatusUnknown, "configmaps"},
		{"no API", with(groupPath, unauthorized), "cluster/ownership", StatusSkip, "cluster/api"},

		{"for vault", with(), "cluster/token-requests", StatusPass, `["vault"]`},
		{"made by the provider", with(driverPath, `{"spec": {}}`), "cluster/token-requests", StatusPass, "API server's own"},
		{"for the role", withAudience("vault", with()), "cluster/token-requests", StatusPass, `["vault"]`},
		{"for another role", withAudience("other", with()), "cluster/token-requests", StatusPass, `for the audience "other"`},
		{"workload identity", onAzure(config.IdentityWorkload, with(driverPath, `{"spec": {"tokenRequests": [{"audience": "api://AzureADTokenExchange"}]}}`)), "cluster/token-requests", StatusPass, "AzureAD"},
		{"workload identity without", onAzure(config.IdentityWorkload, with()), "cluster/token-requests", StatusFail, "spec.tokenRequests"},
		{"kubelet identity", onAzure("kubelet", with()), "cluster/token-requests", StatusSkip, "needs no Kubernetes token"},
	}
}

func TestEachPrerequisiteSaysWhatIsMissing(t *testing.T) {
	for _, r := range prerequisiteRows() {
		t.Run(r.check+"/"+r.name, func(t *testing.T) {
			t.Parallel()
			r.run(t)
		})
	}
}
