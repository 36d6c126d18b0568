package render

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"

	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/store"
)

// peer runs helm or kubectl from the folder in SECRETCTL_TEST_PEERS. Without a folder it
// skips the test; with SECRETCTL_REQUIRE_PEERS set, the test fails.
func peer(t *testing.T, name string, args ...string) (output string, err error) {
	t.Helper()
	folder := os.Getenv("SECRETCTL_TEST_PEERS")
	if folder == "" {
		if os.Getenv("SECRETCTL_REQUIRE_PEERS") != "" {
			t.Fatal("SECRETCTL_TEST_PEERS is not set")
		}
		t.Skip("SECRETCTL_TEST_PEERS is not set: see test/peers/with")
	}
	out, err := exec.CommandContext(t.Context(), filepath.Join(folder, name), args...).CombinedOutput()
	return string(out), err
}

// deploymentIn returns the only Deployment of a stream of documents.
func deploymentIn(t *testing.T, stream string) *appsv1.Deployment {
	t.Helper()
	stream = strings.ReplaceAll(stream, "\nkind: StatefulSet\n", "\nkind: Deployment\n") // which are compared alike
	var found []*appsv1.Deployment
	for text := range strings.SplitSeq(stream, "\n---\n") {
		if !strings.Contains(text, "\nkind: Deployment\n") {
			continue
		}
		var o appsv1.Deployment
		if err := yaml.UnmarshalStrict([]byte(text), &o); err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		found = append(found, &o)
	}
	if len(found) != 1 {
		t.Fatalf("%d Deployments in:\n%s", len(found), stream)
	}
	return found[0]
}

// existing returns a folder with the Deployment of testdata/peers, with another kind, name
// and namespace, in a kustomization next to the component.
func existing(t *testing.T, w config.Workload, head string) (dir, component string) {
	t.Helper()
	text := string(read(t, "testdata/peers", "deployment.yaml"))
	text = strings.Replace(text, "\nkind: Deployment\n", "\nkind: "+w.Kind+"\n", 1)
	dir = folder(t, "deployment.yaml", strings.Replace(text, "name: aidbox\n", "name: "+w.Name+"\n", 1))
	text = head + "resources: [deployment.yaml]\ncomponents: [secretctl]\n"
	if err := os.WriteFile(filepath.Join(dir, "kustomization.yaml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir, filepath.Join(dir, "secretctl")
}

var (
	byName  = cmpopts.SortSlices(func(a, b corev1.Container) bool { return a.Name < b.Name })
	byMount = cmpopts.SortSlices(func(a, b corev1.VolumeMount) bool { return a.MountPath < b.MountPath })
)

// withoutOurs removes from a Deployment what a patch or values added.
func withoutOurs(v *view, o *appsv1.Deployment, container string) {
	pod := &o.Spec.Template
	delete(pod.Annotations, checksumAnnotation)
	delete(pod.Labels, workloadLabel)
	pod.Spec.ServiceAccountName = ""
	pod.Spec.Volumes = slices.DeleteFunc(pod.Spec.Volumes, func(i corev1.Volume) bool { return strings.HasPrefix(i.Name, volumePrefix) })
	for i := range pod.Spec.Containers {
		c := &pod.Spec.Containers[i]
		if c.Name != container {
			continue
		}
		c.VolumeMounts = slices.DeleteFunc(c.VolumeMounts, func(m corev1.VolumeMount) bool { return strings.HasPrefix(m.Name, volumePrefix) })
		c.Env = slices.DeleteFunc(c.Env, func(e corev1.EnvVar) bool {
			return slices.ContainsFunc(v.env(), func(ours corev1.EnvVar) bool { return ours.Name == e.Name })
		})
	}
}

func TestPeerKustomizeMergesThePatchAndLosesNothing(t *testing.T) {
	for name, delivery := range deliveries {
		for _, head := range []string{"", "namespace: elsewhere\n"} {
			t.Run(name+head, func(t *testing.T) {
				d := delivery()
				dir, component := existing(t, d.Aidbox.Workload, head)
				if _, err := WriteDir(component, mustRender(t, d, Options{Patch: true, Container: "web"})); err != nil {
					t.Fatal(err)
				}
				out, err := peer(t, "kubectl", "kustomize", dir)
				if err != nil {
					t.Fatal(out)
				}
				v, merged := newView(d, store.Provider{}), deploymentIn(t, out)
				container, err := named("web", merged.Spec.Template)
				if err == nil {
					err = v.checkPod(merged.Spec.Template, container)
				}
				if err != nil {
					t.Error(err)
				}
				for _, kind := range []string{"ServiceAccount", "SecretProviderClass", "ConfigMap"} {
					if !strings.Contains(out, "\nkind: "+kind+"\n") {
						t.Errorf("%s is missing", kind)
					}
				}
				before := deploymentIn(t, "\n"+string(read(t, dir, "deployment.yaml")))
				withoutOurs(v, merged, "web")
				merged.Namespace = ""
				if diff := cmp.Diff(before, merged, byName, byMount, cmpopts.EquateEmpty()); diff != "" {
					t.Errorf("other than what the patch adds (-before +after):\n%s", diff)
				}
			})
		}
	}
}

func TestPeerKustomizeFailsWhereThereIsNothingToPatch(t *testing.T) {
	for _, tt := range []struct{ deployment, container, want string }{
		{"other", "web", "nothing selected by Deployment"},
		{"aidbox", "", "containers.[name=aidbox].image` is missing"},
	} {
		dir, component := existing(t, config.Workload{Kind: config.KindDeployment, Name: tt.deployment}, "")
		if _, err := WriteDir(component, mustRender(t, vaultDelivery(), Options{Patch: true, Container: tt.container})); err != nil {
			t.Fatal(err)
		}
		if out, err := peer(t, "kubectl", "kustomize", dir); err == nil || !strings.Contains(out, tt.want) {
			t.Errorf("%+v: %v\n%s", tt, err, out)
		}
	}
}

func TestPeerKustomizePassesOnWhatIsWritten(t *testing.T) {
	dir := t.TempDir()
	objects := mustRender(t, vaultEverything(), Options{})
	if _, err := WriteDir(dir, objects); err != nil {
		t.Fatal(err)
	}
	out, err := peer(t, "kubectl", "kustomize", dir)
	if err != nil {
		t.Fatal(out)
	}
	want := deploymentIn(t, "\n"+string(objects[3].YAML))
	if diff := cmp.Diff(want, deploymentIn(t, out)); diff != "" {
		t.Error(diff)
	}
}

const chart = "../../test/peers/chart"

func helmTemplate(t *testing.T, values ...string) *appsv1.Deployment {
	t.Helper()
	args := []string{"template", "aidbox", chart}
	for _, text := range values {
		args = append(args, "--values", filepath.Join(folder(t, "values.yaml", text), "values.yaml"))
	}
	out, err := peer(t, "helm", args...)
	if err != nil {
		t.Fatal(out)
	}
	return deploymentIn(t, out)
}

func TestPeerHelmGivesThePodWhatRenderGivesIt(t *testing.T) {
	for name, delivery := range deliveries {
		t.Run(name, func(t *testing.T) {
			d := delivery()
			d.Aidbox.Workload, d.Aidbox.Image = vaultDelivery().Aidbox.Workload, vaultDelivery().Aidbox.Image // the chart has its own kind and container
			values, err := HelmValues(d, Options{}, nil)
			if err != nil {
				t.Fatal(err)
			}
			got := helmTemplate(t, string(values)).Spec.Template
			want := deploymentIn(t, "\n"+string(mustRender(t, d, Options{Only: []string{"Deployment"}})[0].YAML)).Spec.Template
			for _, pod := range []*corev1.PodTemplateSpec{&got, &want} {
				for i := range pod.Spec.Volumes {
					pod.Spec.Volumes[i].Name = strings.TrimPrefix(pod.Spec.Volumes[i].Name, volumePrefix)
				}
				for i := range pod.Spec.Containers[0].VolumeMounts {
					m := &pod.Spec.Containers[0].VolumeMounts[i]
					m.Name = strings.TrimPrefix(m.Name, volumePrefix)
				}
			}
			delete(got.Annotations, "checksum/config") // the chart's own
			for _, part := range [][2]any{
				{want.Annotations, got.Annotations},
				{want.Labels[workloadLabel], got.Labels[workloadLabel]},
				{want.Spec.ServiceAccountName, got.Spec.ServiceAccountName},
				{want.Spec.Volumes, got.Spec.Volumes},
				{want.Spec.Containers[0].Name, got.Spec.Containers[0].Name},
				{want.Spec.Containers[0].Env, got.Spec.Containers[0].Env},
				{want.Spec.Containers[0].VolumeMounts, got.Spec.Containers[0].VolumeMounts},
			} {
				if diff := cmp.Diff(part[0], part[1]); diff != "" {
					t.Error(diff)
				}
			}
		})
	}
}

func TestPeerHelmKeepsTheListsOfTheUsersValues(t *testing.T) {
	d := vaultEverything()
	own := string(read(t, "testdata/peers", "values.yaml"))
	values, err := HelmValues(d, Options{}, []byte(own))
	if err != nil {
		t.Fatal(err)
	}
	again, err := HelmValues(d, Options{}, values)
	if err != nil || string(again) != string(values) {
		t.Errorf("its own output as values: %v\n%s", err, cmp.Diff(string(values), string(again)))
	}
	before, after := helmTemplate(t, own), helmTemplate(t, own, string(values))
	if err := newView(d, store.Provider{}).checkPod(after.Spec.Template, after.Spec.Template.Spec.Containers[0]); err != nil {
		t.Error(err)
	}
	for _, o := range []*appsv1.Deployment{before, after} {
		withoutOurs(newView(d, store.Provider{}), o, "aidbox")
	}
	if diff := cmp.Diff(before, after, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("other than what the values add (-before +after):\n%s", diff)
	}
}
