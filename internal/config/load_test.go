package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/secretctl/secretctl/internal/secret"
)

func mustLoad(t *testing.T, path string) []*Delivery {
	t.Helper()
	deliveries, err := Load(path)
	if err != nil {
		t.Fatal(err)
	}
	return deliveries
}

func loadText(t *testing.T, text string) *Delivery {
	t.Helper()
	deliveries, err := load("x.yaml", split("x.yaml", []byte(text)), nil)
	if err != nil {
		t.Fatal(err)
	}
	return deliveries[0]
}

func write(t *testing.T, path, text string) string {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestLoadGivesWhatWasLeftOutItsDefault(t *testing.T) {
	got := mustLoad(t, "testdata/minimal.yaml")
	want := []*Delivery{{
		APIVersion: APIVersion,
		Name:       "aidbox",
		Provider:   "vault",
		Namespace:  "default",
		Vault: &Vault{
			Address:     "http://127.0.0.1:8200",
			CSIAddress:  "http://127.0.0.1:8200",
			KVMount:     "secret",
			AuthMount:   "kubernetes",
			Role:        "aidbox",
			Policy:      "aidbox",
			PolicyScope: "exact",
			TokenTTL:    "1h",
		},
		Aidbox: Aidbox{
			URL:            "http://localhost:8888",
			Admin:          Admin{Client: "root", Secret: secret.Source{Env: "AIDBOX_CLIENT_SECRET"}},
			ScopeFormat:    "references",
			Workload:       Workload{Kind: "Deployment", Name: "aidbox", Container: "aidbox", ManagedBy: "secretctl"},
			ServiceAccount: "aidbox",
			Image:          "healthsamurai/aidboxone:2602",
			Replicas:       new(int32(1)),
			Port:           8080,
			Probe:          "/fhir/Patient",
		},
		MountPath: "/run/vault-secrets",
		Secrets: []Secret{{
			Name: "client-secret", Path: "aidbox/client-secret", Key: "client-secret",
			Scope: []string{"Client/basic"},
		}},
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestDefaultsFollowFromEachOther(t *testing.T) {
	d := loadText(t, delivery("aidbox: {serviceAccount: sa}\nvault: {address: \"https://v\"}\n"))
	if d.Vault.CSIAddress != "https://v" || d.Vault.Role != "sa" || d.Vault.Policy != "sa" {
		t.Errorf("csiAddress %q, role %q, policy %q", d.Vault.CSIAddress, d.Vault.Role, d.Vault.Policy)
	}
	d = loadText(t, delivery(azure("")))
	if d.MountPath != "/run/azure-secrets" || d.Azure.Cloud != "AzurePublicCloud" || d.Azure.Identity.Type != "kubelet" || d.Vault != nil {
		t.Errorf("mountPath %q, azure %+v, vault %v", d.MountPath, d.Azure, d.Vault)
	}
}

func TestScopeFormatFollowsTheImage(t *testing.T) {
	for image, want := range map[string]string{
		"":                                       ScopeReferences, // the tutorials' own
		"healthsamurai/aidboxone:2602":           ScopeReferences,
		"healthsamurai/aidboxone:2602.3":         ScopeReferences,
		"healthsamurai/aidboxone:2602-rc":        ScopeReferences,
		"healthsamurai/aidboxone:2511":           ScopeReferences,
		"registry.example.com:5000/aidbox:2512":  ScopeReferences,
		"healthsamurai/aidboxone:2603":           ScopeObject,
		"healthsamurai/aidboxone:2605.1":         ScopeObject,
		"healthsamurai/aidboxone:latest":         ScopeObject,
		"healthsamurai/aidboxone:stable":         ScopeObject,
		"healthsamurai/aidboxone:edge":           ScopeObject,
		"healthsamurai/aidboxone":                ScopeObject,
		"registry.example.com:2602/aidbox":       ScopeObject,
		"healthsamurai/aidboxone:26":             ScopeObject,
		"healthsamurai/aidboxone:02602":          ScopeObject,
		"healthsamurai/aidboxone@sha256:2602":    ScopeObject,
		"healthsamurai/aidboxone:2602@sha256:ab": ScopeObject,
	} {
		d := loadText(t, delivery("aidbox: {image: \""+image+"\"}\n"))
		if d.Aidbox.ScopeFormat != want {
			t.Errorf("%q: %s", image, d.Aidbox.ScopeFormat)
		}
		for _, written := range []string{ScopeReferences, ScopeObject} {
			d := loadText(t, delivery("aidbox: {image: \""+image+"\", scopeFormat: "+written+"}\n"))
			if d.Aidbox.ScopeFormat != written {
				t.Errorf("%q with %s: %s", image, written, d.Aidbox.ScopeFormat)
			}
		}
	}
}

func TestCanaryAddsASecretAndAClient(t *testing.T) {
	d := loadText(t, delivery("canary: true\n"))
	name := d.CanarySecret()
	wantSecret := Secret{
		Name: name, Path: "aidbox/" + name + "/default-aidbox", Key: name, ObjectName: name + "-aidbox",
		Scope: []string{"Client/" + name}, Value: secret.Source{Generate: &secret.Generate{}},
	}
	wantClient := Resource{
		Type: "Client", ID: name, Secrets: map[string]string{"secret": name}, AccessPolicy: "allow",
		Body: map[string]any{"grant_types": []any{"client_credentials", "basic"}},
	}
	if diff := cmp.Diff(wantSecret, d.Secrets[len(d.Secrets)-1]); diff != "" {
		t.Errorf("secret (-want +got)\n%s", diff)
	}
	if diff := cmp.Diff(wantClient, d.Resources[len(d.Resources)-1]); diff != "" {
		t.Errorf("client (-want +got)\n%s", diff)
	}
}

func TestExamplesLoad(t *testing.T) {
	for _, path := range []string{"testdata/minimal.yaml", "testdata/vault.yaml", "testdata/azure.yaml"} {
		if got := mustLoad(t, path); len(got) != 1 || got[0].Name != "aidbox" {
			t.Errorf("%s: %d deliveries", path, len(got))
		}
	}
}

func TestFolderIsReadInOrderOfFileAndDocument(t *testing.T) {
	var names []string
	for _, d := range mustLoad(t, "testdata/fleet") {
		names = append(names, d.Name)
	}
	if diff := cmp.Diff([]string{"berlin", "paris", "boston"}, names); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestFolderHoldsMoreThanDeliveries(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "a.yaml"), "# nothing\n---\n"+delivery(""))
	write(t, filepath.Join(dir, ".hidden.yaml"), "a: [")
	write(t, filepath.Join(dir, "README.md"), "a: [")
	if err := os.Mkdir(filepath.Join(dir, "sub.yaml"), 0o700); err != nil {
		t.Fatal(err)
	}
	if got := mustLoad(t, dir); len(got) != 1 {
		t.Errorf("%d deliveries, want 1", len(got))
	}
}

func TestFilesThatCannotBeReadAreProblems(t *testing.T) {
	dir := t.TempDir()
	broken := t.TempDir()
	if err := os.Symlink("nowhere", filepath.Join(broken, "a.yaml")); err != nil {
		t.Fatal(err)
	}
	empty := write(t, filepath.Join(dir, "empty.yaml"), "# nothing\n---\n...\n\n---\n~\n")
	latin := write(t, filepath.Join(dir, "latin.yaml"), "a: b\nb: \xe9\n")
	control := write(t, filepath.Join(dir, "control.yaml"), "a: \x1b\n")
	wide := write(t, filepath.Join(dir, "wide.yaml"), "a: b\u2028---\nc: d\n")
	fifo := filepath.Join(dir, "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	tooLarge := write(t, filepath.Join(t.TempDir(), "large.yaml"), delivery("#"+strings.Repeat("x", maxFile)+"\n"))
	for path, want := range map[string]string{
		filepath.Join(dir, "none.yaml"): filepath.Join(dir, "none.yaml") + ": no such file or directory",
		broken:                          filepath.Join(broken, "a.yaml") + ": no such file or directory",
		t.TempDir():                     ": holds no delivery",
		empty:                           empty + ": holds no delivery",
		os.DevNull:                      os.DevNull + ": must be a file or a folder, not a pipe or a device",
		fifo:                            fifo + ": must be a file or a folder, not a pipe or a device",
		filepath.Dir(tooLarge):          tooLarge + ": is larger than 4 MiB",
		latin:                           latin + ":2: has bytes that are no UTF-8 text, or a control character",
		control:                         control + ":1: has bytes that are no UTF-8 text, or a control character",
		wide:                            wide + ":1: has bytes that are no UTF-8 text, or a control character",
	} {
		_, err := Load(path)
		var e *Error
		if !errors.As(err, &e) || len(e.Problems) != 1 || !strings.HasSuffix(err.Error(), want) || e.Problems[0].Hint == "" {
			t.Errorf("%v\nwant %s", err, want)
		}
	}
}

func TestBrokenYAMLIsReportedWithItsLineAndWithoutItsText(t *testing.T) {
	for text, want := range map[string]string{
		"a: b\n c: d\n":                   "x.yaml:2: is not valid YAML: mapping values are not allowed in this context",
		"a: b: c\n":                       "x.yaml:1: is not valid YAML: mapping values are not allowed in this context",
		"a: b\n---\nc: d\ne: *hunter2\n":  "x.yaml:4: is not valid YAML: unknown anchor referenced",
		"a: @hunter2\n":                   "x.yaml:1: is not valid YAML: found character that cannot start any token",
		"a:\n\t- hunter2\n":               "x.yaml:2: is not valid YAML: found character that cannot start any token",
		"{a: b} {c: d}\n":                 "x.yaml:1: is not valid YAML: did not find expected <document start>",
		"  a: b\nc: d\n":                  "x.yaml:1: is not valid YAML: did not find expected <document start>",
		"apiVersion: hunter2\n":           "x.yaml:1:1: apiVersion: is not secretctl.dev/v1",
		"- hunter2\n":                     "x.yaml:1: expected a mapping, found a list",
		"hunter2\n":                       "x.yaml:1: expected a mapping, found text",
		"a: \"hunter2\\q\"\n":             "x.yaml:1: is not valid YAML: found unknown escape character",
		strings.Repeat("[", 20000) + "\n": "x.yaml:1: is not valid YAML: exceeded max depth of 10000",
		"? {hunter2: a}\n: b\n":           "has a key that is not text",
	} {
		err := &Error{problems(t, text)}
		if !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("got  %s\nwant %s", err, want)
		}
	}
}

func TestValueFilesAreRelativeToTheConfigFile(t *testing.T) {
	dir := t.TempDir()
	path := write(t, filepath.Join(dir, "a.yaml"), delivery(`aidbox: {admin: {secret: {file: admin}}}
secrets:
  - {name: a, scope: [Client], value: {file: sub/a}}
  - {name: b, scope: [Client], value: {file: ../b}}
  - {name: c, scope: [Client], value: {file: /etc/c}}
  - {name: d, scope: [Client], value: {env: D}}
`))
	d := mustLoad(t, path)[0]
	got := []string{d.Aidbox.Admin.Secret.File}
	for _, s := range d.Secrets {
		got = append(got, s.Value.File)
	}
	want := []string{filepath.Join(dir, "admin"), filepath.Join(dir, "sub/a"), filepath.Join(filepath.Dir(dir), "b"), "/etc/c", ""}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if got := mustLoad(t, dir)[0].Secrets[0].Value.File; got != want[1] {
		t.Errorf("from a folder: %s", got)
	}
	if got := loadText(t, delivery("secrets: [{name: a, scope: [Client], value: {file: a}}]\n")).Secrets[0].Value.File; got != "a" {
		t.Errorf("beside the working directory: %s", got)
	}
}

func TestProblemsOfAllDocumentsAndFilesAreListedInOrder(t *testing.T) {
	dir := t.TempDir()
	a := write(t, filepath.Join(dir, "a.yaml"), "\uFEFF# first\r\n---\r\nname: a\r\nvualt: {}\r\nnam: b\r\n"+delivery("")+"---\na: [\n---\n"+delivery("name: B\nmountPath: x\n"))
	b := write(t, filepath.Join(dir, "b.yml"), delivery("provider: x\nname: c\n")+"...\n"+delivery("name: D\n"))
	_, err := Load(dir)
	want := fmt.Sprintf(`%[1]s:4:1: vualt: unknown key
%[1]s:5:1: nam: unknown key
%[1]s:10: is not valid YAML: did not find expected node content
%[1]s:12:1: name: is not a DNS label
%[1]s:13:1: mountPath: is not the absolute path of a folder
%[2]s:1:1: provider: must be one of: vault, azure
%[2]s:6:1: name: is not a DNS label`, a, b)
	if diff := cmp.Diff(want, fmt.Sprint(err)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestProblemsInsideADocumentNameTheirLine(t *testing.T) {
	got := (&Error{problems(t, `# comment
---
apiVersion: secretctl.dev/v1
provider: vault
secrets:
  - name: a
    scope:
      - Client
      - Patient
  - scope: [Client]
    name: a
resources:
  - type: Client
    id: c
    secrets:
      secret: b
      secert: a
`)}).Error()
	want := `x.yaml:9:9: secrets[0].scope[1]: must be one of: Client, IdentityProvider, TokenIntrospector, AidboxTopicDestination
x.yaml:10:5: secrets[1]: has the same name as secrets[0]
x.yaml:16:7: resources[0].secrets.secret: names no secret of this delivery
x.yaml:17:7: resources[0].secrets.secert: is no field of this type that takes a secret`
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestAliasBombEndsSoonWithOneProblem(t *testing.T) {
	body := "{a0: &a0 [x, x]"
	for i := range 40 {
		body += fmt.Sprintf(", a%d: &a%d [*a%d, *a%d]", i+1, i+1, i, i)
	}
	start := time.Now()
	got := problems(t, delivery("resources: [{type: Client, id: c, secrets: {secret: s}, body: "+body+"}}]\n"))
	if len(got) != 1 || !strings.Contains(got[0].Message, "aliases") {
		t.Errorf("%s", &Error{got})
	}
	if took := time.Since(start); took > 10*time.Second {
		t.Errorf("took %s", took)
	}
}

func TestVaultConfigThatFitsNoConfigMapIsRefused(t *testing.T) {
	var items []string
	for i := range 300 {
		items = append(items, fmt.Sprintf("{name: s%d, scope: [Client]}", i))
	}
	got := problems(t, delivery("mountPath: /"+strings.Repeat("a", 4000)+"\nsecrets: ["+strings.Join(items, ", ")+"]\n"))
	if len(got) != 1 || got[0].Path != "secrets" || !strings.Contains(got[0].Message, "a ConfigMap holds 1048576") {
		t.Errorf("%s", &Error{got})
	}
}

func TestDerivedNamesOfTheLongestNamesAreValid(t *testing.T) {
	label := strings.Repeat("a", 63)
	d := loadText(t, delivery("name: "+label+"\nnamespace: "+label+"\naidbox: {workload: {name: "+label+"}}\n"))
	// What the driver calls its status of a pod is the longest name there is.
	for _, name := range []string{d.SecretProviderClassName(), d.ConfigMapName(), label + "-0123456789-01234-" + label + "-" + d.SecretProviderClassName()} {
		if len(name) > 253 {
			t.Errorf("%s has %d characters", name, len(name))
		}
	}
}

func TestProblemsAreCutAtFiftyLines(t *testing.T) {
	for name, test := range map[string]struct {
		text string
		want string
	}{
		"one document":   {delivery(strings.Repeat("vault: {}\n", 1000)), "and 987 more"},
		"many documents": {strings.Repeat("---\nx: 1\n", 1000), "and 988 more"},
	} {
		got := problems(t, test.text)
		lines := 0
		for _, p := range got {
			lines++
			for _, more := range []string{p.Excerpt, p.Hint} {
				if more != "" {
					lines += 1 + strings.Count(more, "\n")
				}
			}
		}
		if last := got[len(got)-1].String(); last != test.want || lines > 50 || lines < 45 {
			t.Errorf("%s: %d lines, the last is %q", name, lines, last)
		}
	}
	for n, want := range map[int]int{12: 12, 13: 13} { // all of them, or 12 and how many more there are
		if got := problems(t, delivery(strings.Repeat("vault: {}\n", n+1))); len(got) != want {
			t.Errorf("%d problems make %d", n, len(got))
		}
	}
}

func TestTooManyDocumentsAreOneProblem(t *testing.T) {
	start := time.Now()
	_, err := Parse("x.yaml", []byte(strings.Repeat("---\nx: 1\n", maxFile/9)))
	if err == nil || err.Error() != "x.yaml: holds more than 10000 documents" {
		t.Error(err)
	}
	if took := time.Since(start); took > 10*time.Second {
		t.Errorf("took %s", took)
	}
}
