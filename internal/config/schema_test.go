package config

import (
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/jsonschema-go/jsonschema"
	sigsyaml "sigs.k8s.io/yaml"
)

var resolved = sync.OnceValues(func() (*jsonschema.Resolved, error) {
	text, err := os.ReadFile("../../docs/secretctl.schema.json")
	if err != nil {
		return nil, err
	}
	var s jsonschema.Schema
	if err := json.Unmarshal(text, &s); err != nil {
		return nil, err
	}
	return s.Resolve(&jsonschema.ResolveOptions{ValidateDefaults: true})
})

// againstSchema returns what the schema has against a document, as an editor would
// say it.
func againstSchema(t *testing.T, document []byte) error {
	t.Helper()
	s, err := resolved()
	if err != nil {
		t.Fatal(err)
	}
	var value any
	if err := sigsyaml.Unmarshal(document, &value); err != nil {
		t.Fatalf("%v\n%s", err, document)
	}
	return s.Validate(value)
}

// fitsSchema wants the schema to accept every document of a text that [Load]
// accepts. Every test that loads something asks it.
func fitsSchema(t *testing.T, text string) {
	t.Helper()
	for _, doc := range split("x.yaml", bytes.TrimPrefix([]byte(text), []byte("\uFEFF"))) {
		doc.parse()
		if doc.delivery == nil || doc.root.key("secrets").node == nil { // which canary: true makes up for
			continue
		}
		if err := againstSchema(t, doc.text); err != nil {
			t.Errorf("%v\n%s", err, doc.text)
		}
	}
}

func TestSchemaAcceptsEveryExample(t *testing.T) {
	files, err := filepath.Glob("testdata/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	fleet, err := filepath.Glob("testdata/fleet/*.y*ml")
	if err != nil || len(files)+len(fleet) < 5 {
		t.Fatalf("%d files: %v", len(files)+len(fleet), err)
	}
	for _, file := range append(files, fleet...) {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		fitsSchema(t, string(text))
	}
	docs, err := filepath.Glob("../../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, file := range append(docs, "../../README.md") {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, block := range strings.Split(string(text), "```yaml\n")[1:] {
			if block, _, _ = strings.Cut(block, "```"); strings.HasPrefix(block, "apiVersion: "+APIVersion) {
				found++
				fitsSchema(t, block)
			}
		}
	}
	if found < 3 {
		t.Errorf("%d examples in the docs", found)
	}
}

func TestSchemaRefusesTheStructureThatLoadRefuses(t *testing.T) {
	secret := func(item string) string { return "secrets: [{name: s, scope: [Client], " + item + "}]\n" }
	for name, text := range map[string]string{
		"unknown key":                "mountpath: /x\n",
		"unknown key, deeper":        "azure: {keyVault: contoso, vault: x}\n",
		"key of a secret":            secret("valeu: {env: X}"),
		"key of a Kubernetes type":   "aidbox: {env: [{name: A, valeu: x}]}\n",
		"key of a source":            secret("value: {envv: X}"),
		"number for text":            "name: 123\n",
		"true for text":              "vault: {role: true}\n",
		"list for text":              "name: [a]\n",
		"mapping for text":           "name: {a: b}\n",
		"text for true":              "canary: \"true\"\n",
		"text for number":            "aidbox: {port: \"80\"}\n",
		"fraction":                   "aidbox: {replicas: 1.5}\n",
		"text for list":              "secrets: [{name: s, scope: Client}]\n",
		"text for mapping":           "vault: x\n",
		"null in a list":             "secrets: [{name: s, scope: [~]}]\n",
		"null secret":                "secrets: [~]\n",
		"null in a mapping":          "resources: [{type: Client, id: c, secrets: {secret: ~}}]\n",
		"quantity":                   "aidbox: {resources: {limits: {cpu: true}}}\n",
		"literal value":              secret("value: hunter2"),
		"no source":                  secret("value: {}"),
		"empty source":               secret("value: {env: \"\"}"),
		"null source":                secret("value: {generate: ~}"),
		"two sources":                secret("value: {env: X, generate: {}}"),
		"stdin: false":               secret("value: {stdin: false}"),
		"length":                     secret("value: {generate: {length: long}}"),
		"apiVersion":                 "apiVersion: secretctl.dev/v2\n",
		"no apiVersion":              "apiVersion: ~\n",
		"provider":                   "provider: gcp\n",
		"empty provider":             "provider: \"\"\n",
		"policyScope":                "vault: {policyScope: all}\n",
		"cloud":                      azure("azure: {keyVault: contoso, cloud: Azure}\n"),
		"identity":                   azure("azure: {keyVault: contoso, identity: {type: pod}}\n"),
		"no Key Vault":               azure("azure: {cluster: x}\n"),
		"scopeFormat":                "aidbox: {scopeFormat: reference}\n",
		"type of a resource":         "resources: [{type: Patient, id: c, secrets: {secret: s}}]\n",
		"accessPolicy":               "resources: [{type: Client, id: c, secrets: {secret: s}, accessPolicy: deny}]\n",
		"no secrets":                 "secrets: []\n",
		"no name":                    "secrets: [{scope: [Client]}]\n",
		"empty name":                 "secrets: [{name: \"\", scope: [Client]}]\n",
		"no scope":                   "secrets: [{name: s}]\n",
		"no secrets of a resource":   "resources: [{type: Client, id: c}]\n",
		"a literal among references": "resources: [{type: Client, id: c, secrets: {secret: {env: X}}}]\n",
	} {
		t.Run(name, func(t *testing.T) {
			text := delivery(text)
			if len(problems(t, text)) == 0 {
				t.Errorf("Load accepts\n%s", text)
			}
			if againstSchema(t, []byte(text)) == nil {
				t.Errorf("the schema accepts\n%s", text)
			}
		})
	}
}

// defaults collects what a schema says that is left out, by path.
func defaults(s *jsonschema.Schema, path string, into map[string]string) {
	if s.Default != nil {
		var compact bytes.Buffer
		_ = json.Compact(&compact, s.Default)
		into[path] = compact.String()
	}
	for name, p := range s.Properties {
		defaults(p, strings.TrimPrefix(path+"."+name, "."), into)
	}
}

func TestSchemaHasTheDefaultsThatLoadSets(t *testing.T) {
	s, err := resolved()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	defaults(s.Schema(), "", got)
	for _, d := range []*Delivery{loadText(t, delivery("")), loadText(t, delivery(azure("")))} {
		set, err := json.Marshal(d)
		if err != nil {
			t.Fatal(err)
		}
		var tree any
		if err := json.Unmarshal(set, &tree); err != nil {
			t.Fatal(err)
		}
		for path, want := range got {
			value := tree
			for name := range strings.SplitSeq(path, ".") {
				mapping, _ := value.(map[string]any)
				value = mapping[name]
			}
			if text, _ := json.Marshal(value); string(text) == want {
				delete(got, path)
			}
		}
	}
	delete(got, "canary") // false is what is left out
	delete(got, "vault.csiSkipTLSVerify")
	if diff := cmp.Diff(map[string]string{}, got); diff != "" {
		t.Errorf("not the default of a delivery (-want +got)\n%s", diff)
	}
}

func TestSchemaDescribesEveryKey(t *testing.T) {
	s, err := resolved()
	if err != nil {
		t.Fatal(err)
	}
	top := s.Schema()
	for name, p := range top.Properties {
		if p.Description == "" {
			t.Errorf("%s has no description", name)
		}
	}
	if diff := cmp.Diff([]string{"apiVersion", "provider", "secrets"}, top.Required); diff != "" {
		t.Errorf("required (-want +got)\n%s", diff)
	}
	source := top.Properties["secrets"].Items.Properties["value"]
	if diff := cmp.Diff([]string{"env", "file", "generate", "stdin"}, slices.Sorted(maps.Keys(source.Properties))); diff != "" {
		t.Errorf("sources (-want +got)\n%s", diff)
	}
	role := top.Properties["vault"].Properties["role"]
	if want := "the role that the pod logs in with; lower case; default: aidbox.serviceAccount"; role.Description != want || role.Default != nil {
		t.Errorf("vault.role: %q, default %s", role.Description, role.Default)
	}
}
