package render

import (
	"bytes"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/hint"
	"github.com/secretctl/secretctl/internal/secret"
	"github.com/secretctl/secretctl/internal/store/keyvault/azure"
	"github.com/secretctl/secretctl/internal/store/providers"
)

var update = flag.Bool("update", false, "write the golden files")

// vaultDelivery is a small config with its defaults filled in.
func vaultDelivery() *config.Delivery {
	replicas := int32(1)
	return &config.Delivery{
		APIVersion: config.APIVersion, Name: "aidbox", Provider: config.ProviderVault, Namespace: "default",
		Vault: &config.Vault{
			Address: "http://127.0.0.1:8200", CSIAddress: "http://vault.default:8200", KVMount: "secret",
			AuthMount: "kubernetes", Role: "aidbox", Policy: "aidbox", PolicyScope: config.PolicyExact,
			TokenTTL: "1h", KubernetesHost: "https://kubernetes.default.svc",
		},
		Aidbox: config.Aidbox{
			URL: "http://localhost:8888", ScopeFormat: config.ScopeReferences,
			Workload:       config.Workload{Kind: config.KindDeployment, Name: "aidbox", Container: "aidbox", ManagedBy: config.ManagedBySecretctl},
			ServiceAccount: "aidbox", Image: "healthsamurai/aidboxone:2602", Replicas: &replicas, Port: 8080,
			Probe: "/fhir/Patient",
		},
		MountPath: "/run/vault-secrets",
		Secrets: []config.Secret{{
			Name: "client-secret", Path: "aidbox/client", Key: "client-secret", ObjectName: "client-secret",
			Scope: []string{"Client/basic"}, Value: secret.Source{Generate: &secret.Generate{Length: 40}},
		}},
		RotateJob: rotateJob(),
		Resources: []config.Resource{{Type: "Client", ID: "basic", Secrets: map[string]string{"secret": "client-secret"}}},
	}
}

func rotateJob() *config.RotateJob {
	return &config.RotateJob{Secrets: []string{"client-secret"}, Schedule: "17 3 * * *"}
}

// vaultEverything sets every optional key.
func vaultEverything() *config.Delivery {
	d := vaultDelivery()
	d.Name, d.Namespace = "clinic", "prod"
	d.Vault.Namespace, d.Vault.Audience, d.Vault.AuthMount, d.Vault.KVMount = "admin/clinic", "vault", "k8s/prod", "kv"
	d.Vault.CSIAddress = "https://vault.vault.svc:8200"
	d.Vault.CSICACertPath, d.Vault.CSICADirectory, d.Vault.CSITLSServerName, d.Vault.CSISkipTLSVerify = "/vault/ca/ca.crt", "/vault/ca", "vault.example.com", true
	d.Aidbox.ScopeFormat = config.ScopeObject
	d.Aidbox.Workload.Name, d.Aidbox.ServiceAccount = "clinic-aidbox", "clinic"
	*d.Aidbox.Replicas = 3
	d.Aidbox.Env = []corev1.EnvVar{
		{Name: "BOX_DB_HOST", Value: "db"},
		{Name: "BOX_DB_PASSWORD", ValueFrom: &corev1.EnvVarSource{SecretKeyRef: &corev1.SecretKeySelector{
			LocalObjectReference: corev1.LocalObjectReference{Name: "db"}, Key: "password",
		}}},
	}
	d.Aidbox.EnvFrom = []corev1.EnvFromSource{{SecretRef: &corev1.SecretEnvSource{
		LocalObjectReference: corev1.LocalObjectReference{Name: "aidbox-env"},
	}}}
	d.Aidbox.Resources = corev1.ResourceRequirements{
		Requests: corev1.ResourceList{"cpu": resource.MustParse("500m"), "memory": resource.MustParse("1.5Gi")},
		Limits:   corev1.ResourceList{"memory": resource.MustParse("4Gi")},
	}
	d.Secrets = append(d.Secrets, config.Secret{
		Name: "jwt-key", File: "jwt.key", Path: "aidbox/jwt", Key: "k", ObjectName: "jwt-key", Scope: []string{"TokenIntrospector"},
	})
	return d
}

func azureDelivery(identity config.Identity) *config.Delivery {
	d := vaultDelivery()
	d.Provider, d.Vault, d.MountPath = config.ProviderAzure, nil, "/run/azure-secrets"
	d.Azure = &config.Azure{
		KeyVault: "contoso-aidbox", TenantID: "00000000-0000-0000-0000-000000000000", Cloud: "AzurePublicCloud",
		Identity: identity,
	}
	d.RotateJob.ClientID = "22222222-2222-2222-2222-222222222222"
	d.Secrets = append(d.Secrets, config.Secret{
		Name: "idp-key", ObjectName: "contoso-idp-key", Scope: []string{"IdentityProvider/entra", "Client"},
	})
	return d
}

const clientID = "11111111-1111-1111-1111-111111111111"

var deliveries = map[string]func() *config.Delivery{
	"vault":            vaultDelivery,
	"vault-everything": vaultEverything,
	"vault-statefulset": func() *config.Delivery {
		d := vaultDelivery()
		d.Aidbox.Workload.Kind, d.Aidbox.Workload.Name, d.Aidbox.Workload.Container = config.KindStatefulSet, "records", "app"
		d.Aidbox.RunAs = config.RunAsCluster
		return d
	},
	"vault-kustomize": func() *config.Delivery {
		d := vaultDelivery()
		d.Aidbox.Workload = config.Workload{Kind: config.KindStatefulSet, Name: "records", Container: "app", ManagedBy: config.ManagedByKustomize}
		d.Aidbox.Image, d.Aidbox.Replicas = "", nil
		d.Vault.CSIAddress = config.CSIAgent
		return d
	},
	"azure-kubelet": func() *config.Delivery {
		return azureDelivery(config.Identity{Type: config.IdentityKubelet, ClientID: clientID})
	},
	"azure-workload": func() *config.Delivery {
		return azureDelivery(config.Identity{Type: config.IdentityWorkload, ClientID: clientID})
	},
	"azure-system": func() *config.Delivery {
		return azureDelivery(config.Identity{Type: config.IdentitySystem})
	},
	"azure-vaults": func() *config.Delivery {
		d := azureDelivery(config.Identity{Type: config.IdentityKubelet, ClientID: clientID})
		d.Secrets[1].KeyVault = "Fabrikam-keys"
		d.Secrets = append(d.Secrets, config.Secret{
			Name: "other", ObjectName: "client-secret", KeyVault: "fabrikam-keys", Scope: []string{"Client"},
		})
		return d
	},
}

func objectsOf(d *config.Delivery, o Options) ([]Object, error) {
	return Objects(d, providers.Of(providers.All(azure.Access{}), d), o)
}

func isUsage(err error) bool {
	usage, ok := errors.AsType[interface {
		error
		Usage() bool
	}](err)
	return ok && usage.Usage()
}

func mustRender(t testing.TB, d *config.Delivery, o Options) []Object {
	t.Helper()
	objects, err := objectsOf(d, o)
	if err != nil {
		t.Fatal(err)
	}
	return objects
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", path, diff)
	}
}

func TestManifestsAreAsRecorded(t *testing.T) {
	for name, delivery := range deliveries {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			if err := WriteYAML(&out, mustRender(t, delivery(), Options{})); err != nil {
				t.Fatal(err)
			}
			golden(t, name+".yaml", out.Bytes())
			for line := range strings.Lines(out.String()) {
				if body := strings.TrimSuffix(line, "\n"); body != strings.TrimRight(body, " \t\r") || body == "" {
					t.Errorf("line %q is blank or ends in white space", line)
				}
			}
		})
	}
}

func TestJSONIsAListAsRecorded(t *testing.T) {
	var out bytes.Buffer
	if err := WriteJSON(&out, mustRender(t, vaultDelivery(), Options{})); err != nil {
		t.Fatal(err)
	}
	golden(t, "vault.json", out.Bytes())
}

func TestSameDeliveryGivesTheSameBytes(t *testing.T) {
	first := mustRender(t, vaultEverything(), Options{})
	for range 5 {
		if diff := cmp.Diff(first, mustRender(t, vaultEverything(), Options{})); diff != "" {
			t.Fatal(diff)
		}
	}
}

func kindsOf(objects []Object) (names []string) {
	for _, o := range objects {
		names = append(names, o.Kind)
	}
	return names
}

func TestOnlyAndSkipChooseKindsInAnyCase(t *testing.T) {
	for _, tt := range []struct{ only, skip, want []string }{
		{nil, nil, []string{"ServiceAccount", "SecretProviderClass", "ConfigMap", "Deployment"}},
		{[]string{"deployment", "SERVICEACCOUNT"}, nil, []string{"ServiceAccount", "Deployment"}},
		{nil, []string{"Deployment"}, []string{"ServiceAccount", "SecretProviderClass", "ConfigMap"}},
		{[]string{"ConfigMap", "Deployment"}, []string{"configmap"}, []string{"Deployment"}},
	} {
		got := kindsOf(mustRender(t, vaultDelivery(), Options{Only: tt.only, Skip: tt.skip}))
		if !slices.Equal(got, tt.want) {
			t.Errorf("only %v, skip %v: got %v, want %v", tt.only, tt.skip, got, tt.want)
		}
	}
}

func TestUnknownKindIsAnErrorThatListsTheKinds(t *testing.T) {
	for _, tt := range []struct {
		options    Options
		want, hint string
	}{
		{Options{Only: []string{"deploymnet"}}, `unknown kind "deploymnet"`, "kinds are ServiceAccount, SecretProviderClass, ConfigMap, Deployment; groups are rbac, verify-job, rotate-job"},
		{Options{Skip: []string{"Pod"}}, `unknown kind "Pod"`, "kinds are ServiceAccount, SecretProviderClass, ConfigMap, Deployment; groups are rbac, verify-job, rotate-job"},
		{Options{Only: []string{"ConfigMap"}, Skip: []string{"ConfigMap"}}, "no kind is left to render", "name fewer kinds to skip"},
	} {
		_, err := objectsOf(vaultDelivery(), tt.options)
		if !isUsage(err) || err.Error() != tt.want || hint.Of(err) != tt.hint {
			t.Errorf("%+v: got %T %v, hint %q", tt.options, err, err, hint.Of(err))
		}
	}
}

func TestCollisionsNameBothDeliveries(t *testing.T) {
	one, other := vaultDelivery(), vaultDelivery()
	other.Name = "second"
	objects := append(mustRender(t, one, Options{}), mustRender(t, other, Options{})...)
	err := Collisions(objects)
	want := `ServiceAccount default/aidbox is in delivery "aidbox" and in "second"; ` +
		`Deployment default/aidbox is in delivery "aidbox" and in "second"`
	if !isUsage(err) || err.Error() != want {
		t.Errorf("got %v", err)
	}
	other.Namespace = "elsewhere"
	objects = append(mustRender(t, one, Options{}), mustRender(t, other, Options{})...)
	if err := Collisions(objects); err != nil {
		t.Errorf("another namespace: %v", err)
	}
}
