package render

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"

	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/hint"
	"github.com/secretctl/secretctl/internal/secret"
	"github.com/secretctl/secretctl/internal/store"
)

const patchFile, valuesFile = patchTemplate, valuesTemplate

func TestPatchesAndValuesAreAsRecorded(t *testing.T) {
	own := read(t, "testdata/peers", "values.yaml")
	for _, name := range []string{"vault", "vault-everything", "azure-workload", "azure-vaults"} {
		d := deliveries[name]()
		golden(t, "patch-"+name+".yaml", mustRender(t, d, Options{Patch: true, Only: []string{"Deployment"}})[0].YAML)
		values, err := HelmValues(d, Options{}, own)
		if err != nil {
			t.Fatal(err)
		}
		golden(t, "helm-values-"+name+".yaml", values)
	}
}

// Kubernetes merges variables by name, and refuses one that has both a value and a source.
func TestPatchRemovesWhatElseAVariableHas(t *testing.T) {
	d := vaultDelivery()
	from := &corev1.EnvVarSource{SecretKeyRef: &corev1.SecretKeySelector{LocalObjectReference: corev1.LocalObjectReference{Name: "db"}, Key: "k"}}
	d.Aidbox.Env = []corev1.EnvVar{{Name: "A", ValueFrom: from}, {Name: "B", Value: "b"}}
	var patch struct {
		Spec struct {
			Template struct {
				Spec struct {
					Containers []struct{ Env []map[string]any }
				}
			}
		}
	}
	text := mustRender(t, d, Options{Patch: true, Only: []string{"Deployment"}, InitBundle: []byte("{}")})[0].JSON
	if err := json.Unmarshal(text, &patch); err != nil {
		t.Fatal(err)
	}
	env := patch.Spec.Template.Spec.Containers[0].Env
	for _, e := range env {
		value, hasValue := e["value"]
		source, hasSource := e["valueFrom"]
		if !hasValue || !hasSource || (value == nil) == (source == nil) || (source != nil) != (e["name"] == "A") {
			t.Errorf("%v", e)
		}
	}
	if len(env) != 5 {
		t.Errorf("got %v", env)
	}
}

// Kubernetes merges mounts by path, and would keep the subPath of one that is there.
func TestPatchRemovesTheSubPathOfAMount(t *testing.T) {
	text := mustRender(t, vaultDelivery(), Options{Patch: true, Only: []string{"Deployment"}})[0].JSON
	for _, key := range []string{`"subPath":null`, `"subPathExpr":null`} {
		if got := strings.Count(string(text), key); got != 2 {
			t.Errorf("%d times %s, want it in both mounts", got, key)
		}
	}
}

func TestComponentIsAsRecorded(t *testing.T) {
	dir := t.TempDir()
	objects := mustRender(t, vaultDelivery(), Options{Patch: true, Container: "web"})
	if _, err := WriteDir(dir, objects); err != nil {
		t.Fatal(err)
	}
	golden(t, "component.yaml", read(t, dir, kustomization))
	if text := string(read(t, dir, "patch-deployment-aidbox.yaml")); text != marker+string(objects[3].YAML) {
		t.Errorf("got %s", text)
	}
}

func TestComponentPatchesTheKindInTheConfig(t *testing.T) {
	dir := t.TempDir()
	if _, err := WriteDir(dir, mustRender(t, deliveries["vault-kustomize"](), Options{})); err != nil {
		t.Fatal(err)
	}
	text := string(read(t, dir, kustomization))
	for _, want := range []string{"kind: Component", "- path: patch-statefulset-records.yaml\n    target: {kind: StatefulSet, name: \"records\"}", `[name=app].image`} {
		if !strings.Contains(text, want) {
			t.Errorf("no %s in\n%s", want, text)
		}
	}
}

func TestValuesOfAnUmbrellaChartAreBelowItsKey(t *testing.T) {
	const own = "global: {x: 1}\nsub:\n  aidbox-admin:\n    volumes:\n      - {name: init-bundle, emptyDir: {}}\n    volumeMounts:\n      - {name: init-bundle, mountPath: /init-bundle}\n"
	d := deliveries["azure-workload"]()
	plain, err := HelmValues(d, Options{}, []byte("volumes: [{name: init-bundle, emptyDir: {}}]\nvolumeMounts: [{name: init-bundle, mountPath: /init-bundle}]\n"))
	if err != nil {
		t.Fatal(err)
	}
	d.Aidbox.Workload.HelmKey = "sub.aidbox-admin"
	nested, err := HelmValues(d, Options{}, []byte(own))
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]map[string]map[string]any
	var want map[string]any
	if err := errors.Join(yaml.Unmarshal(nested, &got), yaml.Unmarshal(plain, &want)); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got["sub"]["aidbox-admin"]); diff != "" || len(got) != 1 || len(got["sub"]) != 1 {
		t.Errorf("%s\n%s", diff, nested)
	}
	again, err := HelmValues(d, Options{}, nested)
	if err != nil || string(again) != string(nested) {
		t.Errorf("its own output as values: %v\n%s", err, again)
	}
	if _, err := HelmValues(d, Options{}, []byte("global: {x: 1}\n")); err != nil {
		t.Errorf("values that say nothing of the chart: %v", err)
	}
}

func TestPatchesOfSeveralNamespacesNameTheirs(t *testing.T) {
	other := vaultDelivery()
	other.Namespace = "prod"
	o := Options{Patch: true, Only: []string{"Deployment"}}
	dir := t.TempDir()
	if _, err := WriteDir(dir, append(mustRender(t, vaultDelivery(), o), mustRender(t, other, o)...)); err != nil {
		t.Fatal(err)
	}
	text := string(read(t, dir, kustomization))
	if !strings.Contains(text, `name: "aidbox", namespace: "prod"}`) || strings.Contains(text, "resources:") {
		t.Errorf("got %s", text)
	}
}

func TestPatchAndValuesThatDifferFromTheDeliveryAreErrors(t *testing.T) {
	const checksum, account = "{{quote .VaultConfigChecksum}}", "{{quote .Aidbox.ServiceAccount}}"
	for _, tt := range []struct{ delivery, file, old, new, want string }{
		{"vault", patchFile, "spec:\n", "spec:\n  selector: {}\n", "spec.selector must not be set"},
		{"vault", patchFile, "{{quote .Container}}", "web", "has no container named aidbox"},
		{"vault", patchFile, "subPath: null", "subPath: x", "has a subPath"},
		{"vault", patchFile, checksum, "x", "annotation secretctl.dev/vault-config-checksum"},
		{"vault", patchFile, account, "x", `serviceAccountName is "x"`},
		{"vault", patchFile, "      containers:", "      $patch: replace\n      containers:", patchFile + `:26: unknown field "spec.template.spec.$patch"`},
		{"azure-workload", patchFile, "azure.workload.identity/use", "x", "the pod has no label"},
		{"vault", patchFile, "{{quote .Namespace}}", "x", `metadata.namespace is "x"`},

		{"vault", valuesFile, checksum, "x", "annotation secretctl.dev/vault-config-checksum"},
		{"vault", valuesFile, account, "x", `serviceAccountName is "x"`},
		{"vault", valuesFile, "mountPath: {{quote .MountPath}}", "mountPath: {{quote .MountPath}}\n    subPath: x", "has a subPath"},
		{"vault", valuesFile, "BOX_VAULT_CONFIG", "BOX_VAULT", `env "AIDBOX_VAULT_CONFIG" is missing`},
		{"vault", valuesFile, "readOnly: true\n      volumeAttributes", "volumeAttributes", "is not a read-only mount of SecretProviderClass"},
		{"azure-workload", valuesFile, "podLabels", "labels", "the pod has no label"},
		{"vault", valuesFile, "podAnnotations:", "podAnnotations: {}\npodAnnotations: {}\nmore:", valuesFile + `:9: yaml: unmarshal errors: line 9: key "podAnnotations" already set in map`},
		{"vault", valuesFile, "extraEnvs:", "extraEnvs: x\nmore:", "cannot unmarshal string"},
		{"vault", valuesFile, "{{- range .Mounts}}", "{{- range .Mount}}", valuesFile + ":37:"},
	} {
		t.Run(tt.file+" "+tt.new, func(t *testing.T) {
			dir := edited(t, tt.file, tt.old, tt.new)
			var err error
			if tt.file == patchFile {
				_, err = objectsOf(deliveries[tt.delivery](), Options{Patch: true, Templates: dir})
			} else {
				_, err = HelmValues(deliveries[tt.delivery](), Options{Templates: dir}, nil)
			}
			if !isUsage(err) {
				t.Fatalf("got %v", err)
			}
			msg := err.Error()
			if !strings.HasPrefix(msg, "template "+filepath.Join(dir, tt.file)+":") || !strings.Contains(msg, tt.want) || strings.Contains(msg, "\n") {
				t.Errorf("got  %s\nwant %s", msg, tt.want)
			}
			if !strings.HasSuffix(hint.Of(err), "secretctl templates export --dir original "+tt.file) {
				t.Errorf("hint %q", hint.Of(err))
			}
		})
	}
}

func TestErrorNamesTheLineOfTheTemplate(t *testing.T) {
	for _, tt := range []struct{ text, want string }{
		{"\n{{/* a comment */}}\n\napiVersion: v1\nkind: x: y\n", ":5: yaml: "},
		{"a: 1\n{{- range .Secrets}}\n{{- if .Name}}\nb: {{quote .Name}}\n{{- end}}\n{{- end}}\na: 2\n", `:7: yaml: unmarshal errors: line 7: key "a" already set in map`},
		{"a: {{literal 2 \"x\\ny\\n\"}}\na: 2\n", ":2: yaml"},
		{"{{define \"x\"}}\nb: 1\nb: 2{{end}}a: 1\n{{- template \"x\"}}\n", ":3: yaml"},
		{"metadata:\n{{- if false}}\n  x: y\n{{- end}}\n  nmae: x\n", `:5: unknown field "metadata.nmae"`},
		{"nmae: x\nmetadata:\n  nmae: x\n", `: unknown field "metadata.nmae" unknown field "nmae"`},
		{"", `: apiVersion is "", and must be "v1"`},
	} {
		d, dir := vaultDelivery(), folder(t, accountFile, tt.text)
		_, err := objectsOf(d, Options{Templates: dir})
		if err == nil || !strings.HasPrefix(err.Error(), "template "+filepath.Join(dir, accountFile)+tt.want) {
			t.Errorf("%q:\ngot  %v\nwant %s", tt.text, err, tt.want)
		}
	}
}

func TestPatchOptionsThatMakeNoSenseAreRefused(t *testing.T) {
	for _, tt := range []struct {
		options Options
		want    string
	}{
		{Options{Patch: true, Skip: []string{"Deployment"}}, "the kinds to render do not include the Deployment"},
		{Options{Patch: true, Container: "We b"}, "not one that Kubernetes allows"},
		{Options{Templates: "absent"}, "templates: open absent"},
	} {
		_, err := objectsOf(vaultDelivery(), tt.options)
		if !isUsage(err) || !strings.Contains(err.Error(), tt.want) || hint.Of(err) == "" {
			t.Errorf("%+v: got %v, hint %q", tt.options, err, hint.Of(err))
		}
	}
}

func TestValuesThatCannotBeKeptAreRefused(t *testing.T) {
	for text, want := range map[string]string{
		"volumes: {}":                  "values: volumes: must be a list",
		"volumes: [x]":                 "values: volumes: must be a list of mappings",
		"extraEnvs: [x: ]]":            "yaml: did not find",
		"- a":                          "json: cannot unmarshal array",
		"aidbox-admin: {volumes: []}":  "values: have none of the Aidbox chart's keys at the top",
		"postgres: {enabled: true}":    "values: have none of the Aidbox chart's keys at the top",
		"extraEnvs: []\nextraEnvs: []": `key "extraEnvs" already set`,
		"extraEnvs: [{name: BOX_VAULT_CONFIG, value: /etc/mine/canary.json}]":          "values: extraEnvs: BOX_VAULT_CONFIG names another file, which secretctl would replace",
		"serviceAccount: {name: records}":                                              `values: serviceAccount.name: is "records", but the config has aidbox`,
		"volumeMounts: [{name: mine, mountPath: /etc/aidbox/}]":                        `values: volumeMounts: "mine" is mounted at /etc/aidbox, where ConfigMap aidbox-vault-config must be`,
		"config: {BOX_VAULT_CONFIG: /etc/mine/canary.json}":                            "values: config: BOX_VAULT_CONFIG names another file, which secretctl would replace",
		"volumeMounts: [{name: mine, mountPath: /etc/aidbox/x.json, subPath: x.json}]": `values: volumeMounts: "mine" is mounted at /etc/aidbox/x.json, below the read-only mount of ConfigMap aidbox-vault-config: the container would not start`,
	} {
		_, err := HelmValues(vaultDelivery(), Options{}, []byte(text))
		if !isUsage(err) || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: got %v", text, err)
		}
	}
}

func TestValuesWithAnInitBundleOfTheirOwnAreRefusedOnlyWithTheDeliverys(t *testing.T) {
	own := []byte("config: {BOX_INIT_BUNDLE: \"file:///mine.json\", BOX_WEB_PORT: \"8080\"}\nvolumeMounts: [{name: mine, mountPath: /etc/aidbox-mine}]\n")
	if _, err := HelmValues(vaultDelivery(), Options{}, own); err != nil {
		t.Error(err)
	}
	if _, err := HelmValues(vaultDelivery(), Options{InitBundle: []byte("{}")}, own); !isUsage(err) || !strings.Contains(err.Error(), "values: config: BOX_INIT_BUNDLE names another file") {
		t.Errorf("got %v", err)
	}
}

func TestInitBundleOfTheEnvIsNotReplaced(t *testing.T) {
	d := vaultDelivery()
	d.Aidbox.Env = []corev1.EnvVar{{Name: "BOX_INIT_BUNDLE", Value: "file:///mine.json"}}
	mustRender(t, d, Options{})
	if _, err := objectsOf(d, Options{InitBundle: []byte("{}")}); !isUsage(err) || !strings.Contains(err.Error(), "aidbox.env has BOX_INIT_BUNDLE, which --with init-bundle sets too") {
		t.Errorf("got %v", err)
	}
}

func TestExportedTemplatesRenderTheSame(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", "templates")
	written, err := Export(dir, nil, false)
	if diff := cmp.Diff(Written{Changed: Templates()}, written); err != nil || diff != "" {
		t.Fatalf("%v\n%s", err, diff)
	}
	d := vaultEverything()
	for _, o := range []Options{{}, {Patch: true}} {
		want := mustRender(t, d, o)
		o.Templates = dir
		if diff := cmp.Diff(want, mustRender(t, d, o)); diff != "" {
			t.Error(diff)
		}
	}
}

func TestExportReplacesNothingWithoutForce(t *testing.T) {
	dir := folder(t, accountFile, "mine")
	_, err := Export(dir, []string{deploymentFile, accountFile}, false)
	if !isUsage(err) || err.Error() != filepath.Join(dir, accountFile)+" already exists and differs" {
		t.Errorf("got %v", err)
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 1 {
		t.Errorf("written all the same: %v", entries)
	}
	for _, want := range []Written{{Changed: []string{accountFile}}, {Unchanged: []string{accountFile}}} {
		if got, err := Export(dir, []string{accountFile}, true); err != nil || !cmp.Equal(want, got) {
			t.Errorf("got %+v, %v", got, err)
		}
	}
	for _, name := range []string{"x.yaml.tmpl", "../templates.go", ""} {
		if _, err := Export(dir, []string{name}, true); err == nil || !strings.Contains(hint.Of(err), deploymentFile) {
			t.Errorf("%q: got %v", name, err)
		}
	}
}

// model calls visit for each type that a template can reach, with the path to it.
func model(t reflect.Type, path string, visit func(path string, t reflect.Type)) {
	visit(path, t)
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice:
		model(t.Elem(), path, visit)
	case reflect.Map:
		model(t.Elem(), path, visit)
	case reflect.Struct:
		if strings.HasPrefix(t.PkgPath(), "k8s.io/") {
			return
		}
		for _, f := range reflect.VisibleFields(t) {
			if f.IsExported() {
				model(f.Type, path+"."+f.Name, visit)
			}
		}
	}
}

func TestNoTemplateCanGetAtAValue(t *testing.T) {
	value := reflect.TypeFor[secret.Value]()
	d := vaultDelivery()
	d.Aidbox.Admin.Secret.Generate = &secret.Generate{}
	if admin := newView(d, store.Provider{}).Aidbox.Admin; admin != (config.Admin{}) {
		t.Errorf("got %+v", admin)
	}
	model(reflect.TypeFor[*view](), "", func(path string, typ reflect.Type) {
		if strings.HasPrefix(path, ".Aidbox.Admin.") {
			return // which is left empty
		}
		if typ == value {
			t.Errorf("%s holds a value", path)
		}
		for _, typ := range []reflect.Type{typ, reflect.PointerTo(typ)} {
			for m := range typ.Methods() {
				for out := range m.Type.Outs() {
					if out == value && m.Type.NumIn() == 1 {
						t.Errorf("%s.%s gives a value", path, m.Name)
					}
				}
			}
		}
	})
}

func TestWhatTemplatesSeeIsDocumented(t *testing.T) {
	doc := string(read(t, "../../docs", "render.md"))
	model(reflect.TypeFor[*view](), "", func(path string, _ reflect.Type) {
		depth := strings.Count(path, ".")
		told := depth == 1 || depth == 2 && (strings.HasPrefix(path, ".Job.") || strings.HasPrefix(path, ".Values."))
		if told && !strings.Contains(doc, "`"+path+"`") {
			t.Errorf("docs/render.md does not have `%s`", path)
		}
	})
	for _, name := range Templates() {
		if !strings.Contains(doc, "`"+strings.TrimSuffix(name, ".yaml.tmpl")+"`") {
			t.Errorf("docs/render.md does not have `%s`", strings.TrimSuffix(name, ".yaml.tmpl"))
		}
	}
}
