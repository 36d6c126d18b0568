package verify

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	secretsstorev1 "sigs.k8s.io/secrets-store-csi-driver/apis/v1"

	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/secret"
)

const (
	ownClass   = "aidbox-azure-secrets"
	otherClass = "aidbox-azure-secrets-fabrikam"
	otherMount = "/run/vault-secrets-fabrikam"
)

// twoKeyVaults is a fake cluster whose pods have a second secret, in another Key Vault.
func twoKeyVaults(t *testing.T, w *fakeCluster, s *fixture) {
	t.Helper()
	s.d.Provider, s.d.Vault = config.ProviderAzure, nil
	s.d.Azure = &config.Azure{KeyVault: "contoso", TenantID: "t", Cloud: "AzurePublicCloud", Identity: config.Identity{Type: config.IdentitySystem}}
	s.d.Secrets[0].ObjectName, s.d.Secrets[0].KeyVault = "client-secret", "contoso"
	s.d.Secrets = append(s.d.Secrets, config.Secret{Name: "other", ObjectName: "other", KeyVault: "fabrikam", Scope: []string{"Client"}})
	s.store["other"] = canary
	s.w.Newest = func(context.Context, config.Secret) ([]string, error) { return []string{fmt.Sprint(s.version)}, nil }
	s.w.LogIn = nil
	s.w.Granted = func(context.Context) (string, error) { return "", nil }
	w.configMap.Data[config.VaultConfigKey] = string(s.d.VaultConfig())
	w.deployment.Spec.Template.Annotations = nil
	for _, wanted := range s.d.Secrets {
		w.addClass(s.d.ClassName(wanted.KeyVault), wanted.KeyVault, wanted.ObjectName)
	}
	w.deployment.Spec.Template.Spec = withSecondVolume(w.deployment.Spec.Template.Spec)
	for i := range w.pods {
		name := w.pods[i].Name
		w.pods[i].Spec = withSecondVolume(w.pods[i].Spec)
		w.statuses[i].Status.SecretProviderClassName = ownClass
		w.statuses[i].Status.Objects[0] = secretsstorev1.SecretProviderClassObject{ID: "secret/client-secret", Version: "3"}
		second := *w.statuses[i].DeepCopy()
		second.Status.SecretProviderClassName = otherClass
		second.Status.Objects[0].ID = "secret/other"
		w.statuses = append(w.statuses, second)
		write(t, filepath.Join(w.root(name), config.VaultConfigFile), string(s.d.VaultConfig()))
		mustRun(t, "mkdir", "-p", filepath.Join(w.root(name), otherMount))
		w.other(name).publish(t, map[string]string{"other": canary}, time.Now().Add(-3*time.Minute))
	}
}

func (w *fakeCluster) addClass(class, keyVault, name string) {
	w.fixed["/apis/secrets-store.csi.x-k8s.io/v1/namespaces/default/secretproviderclasses/"+class] = object(secretsstorev1.SecretProviderClass{Spec: secretsstorev1.SecretProviderClassSpec{
		Provider: "azure", Parameters: map[string]string{
			"keyvaultName": keyVault, "tenantID": "t", "useVMManagedIdentity": "true",
			"objects": "array:\n  - |\n    objectName: " + name + "\n    objectType: secret\n",
		},
	}})
}

func withSecondVolume(spec corev1.PodSpec) corev1.PodSpec {
	spec = *spec.DeepCopy()
	spec.Volumes[0].CSI.VolumeAttributes["secretProviderClass"] = ownClass
	second := *spec.Volumes[0].DeepCopy()
	second.Name, second.CSI.VolumeAttributes["secretProviderClass"] = "more", otherClass
	spec.Volumes = append(spec.Volumes, second)
	app := &spec.Containers[1]
	app.VolumeMounts = append(app.VolumeMounts, corev1.VolumeMount{Name: "more", MountPath: otherMount})
	return spec
}

// other publishes in the second folder of a pod.
func (w *fakeCluster) other(pod string) *fixture {
	return &fixture{local: Local{Dir: filepath.Join(w.root(pod), otherMount)}}
}

func TestEachKeyVaultHasAClassAndAMount(t *testing.T) {
	for name, tt := range map[string]struct {
		setup  func(*testing.T, *fakeCluster, *fixture)
		check  string // "" if all pass
		status Status
		says   string
	}{
		"healthy": {},
		"another file": {func(t *testing.T, w *fakeCluster, _ *fixture) {
			folder := w.other("b").local.Dir
			must(t, os.Rename(filepath.Join(folder, "other"), filepath.Join(folder, "else")))
		}, "mount/present other pod/b", StatusFail, "no file other in /run/vault-secrets-fabrikam; found: else"},
		"no volume": {func(t *testing.T, w *fakeCluster, _ *fixture) {
			must(t, os.RemoveAll(w.other("b").local.Dir))
			w.pods[1].Spec.Volumes = w.pods[1].Spec.Volumes[:2]
		}, "mount/present other pod/b", StatusFail, "mounts no volume of SecretProviderClass aidbox-azure-secrets-fabrikam"},
		"in the other's place": {func(t *testing.T, w *fakeCluster, _ *fixture) {
			must(t, os.RemoveAll(w.other("b").local.Dir))
			w.pods[1].Spec.Containers[1].VolumeMounts[2].MountPath = "/elsewhere"
		}, "mount/present other pod/b", StatusFail, "mounted at /elsewhere, not at /run/vault-secrets-fabrikam"},
		"no status": {func(_ *testing.T, w *fakeCluster, _ *fixture) { w.statuses = w.statuses[:3] }, "mount/status other pod/b", StatusFail, "no SecretProviderClassPodStatus of this pod"},
		"stale status": {
			func(_ *testing.T, w *fakeCluster, _ *fixture) { w.statuses[3].Status.Objects[0].Version = "2" },
			"mount/status other pod/b", StatusFail, "mounted version 2, and the store has 3",
		},
		"no class": {func(_ *testing.T, w *fakeCluster, _ *fixture) {
			w.fixed["/apis/secrets-store.csi.x-k8s.io/v1/namespaces/default/secretproviderclasses/"+otherClass] = notFound
		}, "workload/secret-provider-class secretproviderclass/" + otherClass, StatusFail, "secretproviderclasses/aidbox-azure-secrets-fabrikam in namespace default"},
		"class of the other vault": {
			func(_ *testing.T, w *fakeCluster, _ *fixture) { w.addClass(otherClass, "contoso", "other") },
			"workload/secret-provider-class secretproviderclass/" + otherClass, StatusFail, `keyvaultName is "contoso", not "fabrikam"`,
		},
		"all in one class": {
			func(_ *testing.T, w *fakeCluster, _ *fixture) { w.addClass(ownClass, "contoso", "other") },
			"workload/secret-provider-class secretproviderclass/" + ownClass, StatusFail, "no object makes the file client-secret; also other",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newFixture(t)
			w := newFakeCluster(t, s)
			s.inPods, s.o.Selected = true, []string{"workload", "mount"}
			twoKeyVaults(t, w, s)
			if tt.setup != nil {
				tt.setup(t, w, s)
			}
			results, report, err := s.run(t.Context())
			must(t, err)
			if got := results[tt.check]; tt.check != "" && (got.Status != tt.status || !strings.Contains(got.Detail, tt.says)) {
				t.Errorf("%s is %+v, want %s: %s\nall: %v", tt.check, got, tt.status, tt.says, slices.Sorted(maps.Keys(results)))
			}
			for _, r := range report.Checks {
				where := r.ID + " " + r.Subject
				if about := strings.HasSuffix(tt.check, r.Subject) && r.Subject != ""; r.Status != StatusPass && !about {
					t.Errorf("%s is %s: %s", where, r.Status, r.Detail)
				}
			}
			secretless(t, s, report)
		})
	}
}

func TestRotationInTheSecondKeyVaultIsFollowed(t *testing.T) {
	_, s := rotationInPods(t, func(w *fakeCluster, s *fixture) {
		twoKeyVaults(t, w, s)
		s.o.Rotation.Secret = "other"
		s.w.Put = func(ctx context.Context, c config.Secret, v secret.Value) (string, error) {
			version, err := s.put(ctx, c, v)
			for i, pod := range []string{"a", "b"} {
				w.other(pod).publish(t, map[string]string{"other": rotated}, time.Now())
				w.mu.Lock()
				w.statuses[2+i].Status.Objects[0].Version = version
				w.mu.Unlock()
			}
			return version, err
		}
	})
	_, report, err := s.run(t.Context())
	must(t, err)
	expect(t, report, StatusPass, StatusPass, StatusSkip, StatusSkip, StatusPass) // no Client uses it
	var seen []string
	for _, m := range report.Timeline {
		seen = append(seen, strings.TrimSpace(m.Replica+" "+m.What))
	}
	for _, moment := range []string{"pod/a " + momentFile, "pod/b " + momentFile, "pod/a " + momentStatus, "pod/b " + momentStatus} {
		if slices.Index(seen, moment) < 1 { // after the write
			t.Errorf("the timeline does not have %q: %v", moment, seen)
		}
	}
	secretless(t, s, report)
}
