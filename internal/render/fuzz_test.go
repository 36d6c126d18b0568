package render

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	yaml3 "go.yaml.in/yaml/v3"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"

	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/store"
)

var nasty = []string{
	"on", "1e3", "null", "\n---\n", "{{", "'\"", "\u2028", "\x7f", "\u0085", "\ufeff", "é", "😀", "a: b", "#x", "- ",
	"<<", "~", "0x1", "0640", "|", ">", "*a", "&a", "!!int 1", "%YAML 1.1", "...", "\\", "\\u0041", "\x00", "\r\n",
	" lead", "trail ", "\t", "a\n  b: c", "{}", "[]", "{{.Name}}", "{{end}}", "\uffff", "\ufffd", "\U0010ffff", "<a&b>",
	"true", "2024-01-01", "1_000", ".inf", "=", "@", "`", "key: [", "\u2029x", "\u00a0",
}

// Placeholders for the user's text: words that occur nowhere else.
const one, two = "oneoneone", "twotwotwo"

// filled puts s and t wherever the user can write.
func filled(d *config.Delivery, s, t string) *config.Delivery {
	d.Name, d.Namespace, d.MountPath = s, t, "/"+s
	if d.Vault != nil {
		*d.Vault = config.Vault{
			CSIAddress: s, Namespace: t, KVMount: s, AuthMount: t, Role: s, Audience: t, PolicyScope: config.PolicyExact,
		}
	}
	if d.Azure != nil {
		d.Azure.KeyVault, d.Azure.TenantID, d.Azure.Cloud, d.Azure.Identity.ClientID = s, t, s, t
	}
	d.Aidbox.Workload.Name, d.Aidbox.ServiceAccount, d.Aidbox.Image, d.Aidbox.URL = t, s, t, s
	d.Aidbox.Env = []corev1.EnvVar{{Name: "x" + s, Value: t}}
	d.Aidbox.EnvFrom = []corev1.EnvFromSource{{Prefix: s, ConfigMapRef: &corev1.ConfigMapEnvSource{
		LocalObjectReference: corev1.LocalObjectReference{Name: t},
	}}}
	d.Secrets = []config.Secret{
		{Name: s, Path: t, Key: s, ObjectName: t, Scope: []string{t, s + "/" + t}},
		{Name: t, Path: s, Key: t, ObjectName: s, Scope: []string{s}},
	}
	return d
}

// FuzzRender renders hostile text and placeholders. The two outputs must differ only in
// that text, with the same keys, items and documents.
func FuzzRender(f *testing.F) {
	for i, s := range nasty {
		f.Add(s, nasty[(i+7)%len(nasty)], i%2 == 0)
	}
	f.Fuzz(func(t *testing.T, s, u string, vault bool) {
		if s == "" || u == "" {
			t.Skip("what is empty may be left out")
		}
		base := func() *config.Delivery { return vaultDelivery() }
		if !vault {
			base = deliveries["azure-workload"]
		}
		d := filled(base(), s, u)
		everything := func(s, u string) Options {
			o := Options{With: Groups(), Job: Job{Image: s, Schedule: u, AdminSecret: "a" + "/" + u, AllowHTTP: true}}
			if len(s) > 40 || d.Aidbox.URL == "service" || strings.HasPrefix(d.Aidbox.URL, "service/") { // refused, or other rules
				o.With = []string{GroupRBAC}
			}
			return o
		}
		all := func(d *config.Delivery, o Options) ([]Object, error) {
			objects, err1 := objectsOf(d, o)
			patch, err2 := objectsOf(d, Options{Patch: true, Only: []string{"Deployment"}})
			values, err3 := HelmValues(d, Options{}, nil)
			asJSON, err4 := yaml.YAMLToJSON(values)
			return append(slices.Concat(objects, patch), Object{Kind: "values", YAML: values, JSON: asJSON}), errors.Join(err1, err2, err3, err4)
		}
		objects, err := all(d, everything(s, u))
		if !utf8.ValidString(s) || !utf8.ValidString(u) {
			if err == nil {
				t.Fatal("text that is not UTF-8 was rendered")
			}
			return
		}
		if err != nil {
			t.Fatalf("%q, %q: %v", s, u, err)
		}
		swap := strings.NewReplacer(one, s, two, u)
		plain := filled(base(), one, two)
		plainly, err := all(plain, everything(one, two))
		if err != nil {
			t.Fatal(err)
		}
		for i, o := range plainly {
			want, got := readBack(t, plain, o.YAML), readBack(t, d, objects[i].YAML)
			if diff := cmp.Diff(substitute(want, swap), got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", o.Kind, diff)
			}
			var fromJSON any
			if err := json.Unmarshal(objects[i].JSON, &fromJSON); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(numbers(document(t, objects[i].YAML)), numbers(fromJSON)); diff != "" {
				t.Errorf("%s: YAML and JSON differ:\n%s", o.Kind, diff)
			}
		}
	})
}

// document reads the only document of a text with another parser than that of Objects.
func document(t *testing.T, text []byte) any {
	t.Helper()
	d := yaml3.NewDecoder(strings.NewReader(string(text)))
	var v, more any
	if err := d.Decode(&v); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	if err := d.Decode(&more); err == nil {
		t.Fatalf("two documents:\n%s", text)
	}
	return v
}

// readBack also reads the texts inside the object, and replaces those that depend on the
// whole vault config.
func readBack(t *testing.T, d *config.Delivery, text []byte) any {
	t.Helper()
	root := document(t, text).(map[string]any)
	data, ok := root["data"].(map[string]any)
	if ok && data[config.VaultConfigKey] == string(d.VaultConfig()) {
		data[config.VaultConfigKey] = "the vault config"
	}
	for job, config := range map[string]func() ([]byte, error){"verify": d.WithinCluster, "rotate": d.WithinRotateJob} {
		if ours, err := config(); err == nil && ok && data["secretctl.yaml"] == string(ours) {
			data["secretctl.yaml"] = "the config of the " + job + " job"
		}
	}
	spec, _ := root["spec"].(map[string]any)
	if parameters, ok := spec["parameters"].(map[string]any); ok {
		objects := document(t, []byte(parameters["objects"].(string)))
		if list, ok := objects.(map[string]any); ok {
			for i, item := range list["array"].([]any) {
				list["array"].([]any)[i] = document(t, []byte(item.(string)))
			}
		}
		parameters["objects"] = objects
	}
	annotations, _ := root["podAnnotations"].(map[string]any)
	if pod, ok := spec["template"].(map[string]any); ok {
		annotations = pod["metadata"].(map[string]any)["annotations"].(map[string]any)
	}
	if annotations[checksumAnnotation] == newView(d, store.Provider{}).VaultConfigChecksum {
		annotations[checksumAnnotation] = "the checksum"
	}
	return root
}

// substitute replaces the placeholders in every value.
func substitute(v any, swap *strings.Replacer) any {
	switch v := v.(type) {
	case string:
		return swap.Replace(v)
	case []any:
		for i := range v {
			v[i] = substitute(v[i], swap)
		}
	case map[string]any:
		for key := range v {
			v[key] = substitute(v[key], swap)
		}
	}
	return v
}

// numbers makes integers floats, as JSON has them.
func numbers(v any) any {
	switch v := v.(type) {
	case int:
		return float64(v)
	case []any:
		v = slices.Clone(v)
		for i := range v {
			v[i] = numbers(v[i])
		}
		return v
	case map[string]any:
		for key := range v {
			v[key] = numbers(v[key])
		}
	}
	return v
}
