package render

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/secretctl/secretctl/internal/hint"
)

func TestFolderHasAFilePerObjectAndAKustomization(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", "manifests")
	objects := mustRender(t, vaultDelivery(), Options{})
	got, err := WriteDir(dir, objects)
	if err != nil {
		t.Fatal(err)
	}
	want := Written{Changed: []string{
		"configmap-aidbox-vault-config.yaml", "deployment-aidbox.yaml",
		"secretproviderclass-aidbox-vault-secrets.yaml", "serviceaccount-aidbox.yaml", "kustomization.yaml",
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	golden(t, "kustomization.yaml", read(t, dir, "kustomization.yaml"))
	if text := string(read(t, dir, "deployment-aidbox.yaml")); text != marker+string(objects[3].YAML) {
		t.Errorf("got %s", text)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, ".secretctl-*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}

	before := mtimes(t, dir)
	again, err := WriteDir(dir, objects)
	if diff := cmp.Diff(Written{Unchanged: want.Changed}, again); diff != "" || err != nil {
		t.Errorf("a second time: %v\n%s", err, diff)
	}
	if diff := cmp.Diff(before, mtimes(t, dir)); diff != "" {
		t.Errorf("equal files were written:\n%s", diff)
	}
}

func TestFileOfAnEarlierRunIsReportedAndLeft(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "service.yaml"), []byte("kind: Service\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "folder.yaml"), 0o700); err != nil {
		t.Fatal(err)
	}
	d := vaultDelivery()
	if _, err := WriteDir(dir, mustRender(t, d, Options{})); err != nil {
		t.Fatal(err)
	}
	d.Aidbox.Workload.Name = "renamed"
	got, err := WriteDir(dir, mustRender(t, d, Options{}))
	if err != nil {
		t.Fatal(err)
	}
	want := Written{
		Changed:   []string{"deployment-renamed.yaml", "kustomization.yaml"},
		Unchanged: []string{"configmap-aidbox-vault-config.yaml", "secretproviderclass-aidbox-vault-secrets.yaml", "serviceaccount-aidbox.yaml"},
		Stale:     []string{"deployment-aidbox.yaml"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	read(t, dir, "deployment-aidbox.yaml")
}

func TestFilesThatGitHasCheckedOutWithCRLFAreKnown(t *testing.T) {
	dir := t.TempDir()
	d := vaultDelivery()
	if _, err := WriteDir(dir, mustRender(t, d, Options{})); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		if err := os.WriteFile(path, bytes.ReplaceAll(read(t, dir, e.Name()), []byte("\n"), []byte("\r\n")), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := WriteDir(dir, mustRender(t, d, Options{}))
	if err != nil || len(got.Changed) > 0 || len(got.Unchanged) != len(entries) {
		t.Errorf("%+v, %v", got, err)
	}
	d.Aidbox.Workload.Name = "other"
	got, err = WriteDir(dir, mustRender(t, d, Options{}))
	if err != nil || !cmp.Equal(got.Stale, []string{"deployment-aidbox.yaml"}) {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestFileOfSomebodyElseStopsEverything(t *testing.T) {
	dir := t.TempDir()
	mine := filepath.Join(dir, "kustomization.yaml")
	if err := os.WriteFile(mine, []byte("resources: [mine.yaml]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := WriteDir(dir, mustRender(t, vaultDelivery(), Options{}))
	if err == nil || err.Error() != mine+" was not written by secretctl" || hint.Of(err) == "" {
		t.Errorf("got %v", err)
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 1 {
		t.Errorf("written all the same: %v", entries)
	}
}

func TestObjectsOfSeveralNamespacesGetFilesOfTheirOwn(t *testing.T) {
	other := vaultDelivery()
	other.Namespace = "prod"
	objects := append(mustRender(t, vaultDelivery(), Options{}), mustRender(t, other, Options{})...)
	dir := t.TempDir()
	got, err := WriteDir(dir, objects)
	if err != nil || len(got.Changed) != 9 {
		t.Fatalf("got %v, %v", got, err)
	}
	if text := string(read(t, dir, "deployment-aidbox.prod.yaml")); !strings.Contains(text, `namespace: "prod"`) {
		t.Errorf("got %s", text)
	}
}

func read(t *testing.T, dir, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func mtimes(t *testing.T, dir string) map[string]string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	times := map[string]string{}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			t.Fatal(err)
		}
		times[e.Name()] = info.ModTime().String()
	}
	return times
}
