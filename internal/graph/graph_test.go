package graph

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/report"
	"github.com/secretctl/secretctl/internal/store/keyvault/azure"
	"github.com/secretctl/secretctl/internal/store/providers"
	"github.com/secretctl/secretctl/internal/verify"
)

var update = flag.Bool("update", false, "write the golden files")

// The names have characters with a meaning in each language.
const fleet = `apiVersion: secretctl.dev/v1
provider: vault
secrets:
  - {name: client-secret, path: aidbox/client, scope: [Client/basic]}
  - {name: odd_one, path: 'odd/[one]|é 1. &amp;', key: '"k*e*y" #<b>|\x', scope: [IdentityProvider, Client]}
  - {name: alias, path: aidbox/client, scope: [Client/other]}
resources:
  - {type: Client, id: basic, secrets: {secret: client-secret}}
  - {type: IdentityProvider, id: idp, secrets: {client.secret: odd_one, client.private-key: odd_one}}
  - {type: Client, id: other, secrets: {secret: alias}}
---
apiVersion: secretctl.dev/v1
name: billing
provider: azure
azure: {keyVault: contoso-billing, tenantID: 00000000-0000-0000-0000-000000000000, identity: {clientID: 11111111-1111-1111-1111-111111111111}}
secrets:
  - {name: client-secret, scope: [Client/basic]}
  - {name: unused, keyVault: second-vault, scope: [Client]}
resources:
  - {type: Client, id: basic, secrets: {secret: client-secret}}
`

func load(t *testing.T) (deliveries []Delivery) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "secretctl.yaml")
	if err := os.WriteFile(file, []byte(fleet), 0o600); err != nil {
		t.Fatal(err)
	}
	all, err := config.Load(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range all {
		deliveries = append(deliveries, Delivery{d, providers.Of(providers.All(azure.Access{}), d)})
	}
	return deliveries
}

// results returns a result for each "STATUS ID SUBJECT".
func results(lines ...string) []verify.Result {
	var all []verify.Result
	for _, line := range lines {
		parts := append(strings.SplitN(line, " ", 3), "")
		all = append(all, verify.Result{Status: verify.Status(parts[0]), ID: parts[1], Subject: parts[2], Detail: "the detail", Hint: "the hint"})
	}
	return all
}

func sample() *report.Report {
	r := report.New([]verify.DeliveryReport{{Name: "aidbox", Checks: results(
		"pass store/reachable",
		"pass store/secret-present client-secret",
		"skip store/secret-present odd_one",
		"warn workload/secret-provider-class secretproviderclass/aidbox-vault-secrets",
		"pass mount/present client-secret pod/a",
		"pass mount/present client-secret pod/b",
		"fail mount/matches-store client-secret pod/b",
		"skip mount/present odd_one pod/a",
		"pass mount/status client-secret pod/a",
		"pass mount/vault-config pod/a",
		"unknown client/exists Client/basic",
		"new-status client/masked Client/basic",
		"fail client/reference IdentityProvider/idp",
		"pass client/exists Client/other",
		"fail no/such-check nobody",
	)}}, nil)
	return &r
}

func draw(t *testing.T, format string, all []Delivery, r *report.Report) string {
	t.Helper()
	var out bytes.Buffer
	if err := Write(&out, format, all, r); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestGraphMatchesItsGoldenFiles(t *testing.T) {
	all := load(t)
	for _, tt := range []struct {
		golden, format string
		outcome        *report.Report
	}{
		{"plain.mmd", "mermaid", nil},
		{"report.mmd", "mermaid", sample()},
		{"plain.dot", "dot", nil},
		{"report.dot", "dot", sample()},
	} {
		got := draw(t, tt.format, all, tt.outcome)
		file := filepath.Join("testdata", tt.golden)
		if *update {
			if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), got); diff != "" {
			t.Errorf("%s: %s", tt.golden, diff)
		}
	}
}

// The texts of a report could hold anything.
func TestGraphShowsNoTextOfTheReport(t *testing.T) {
	for _, format := range Formats() {
		if got := draw(t, format, load(t), sample()); strings.Contains(got, "the detail") || strings.Contains(got, "the hint") || strings.Contains(got, "no/such-check") {
			t.Errorf("%s: %s", format, got)
		}
	}
}

// Failures after the first broken step may only follow from it.
func TestFirstBrokenStepIsMarked(t *testing.T) {
	for _, tt := range []struct{ failed, want string }{
		{"", ""},
		{"store/pod-can-read serviceaccount/aidbox,mount/present client-secret pod/b", "SecretProviderClass"},
		{"mount/present client-secret pod/b,client/exists Client/basic", "file"},
		{"auth/accepts-secret Client/basic", "Client/basic"},
	} {
		checks := []string{"pass store/secret-present client-secret"}
		for _, failed := range strings.FieldsFunc(tt.failed, func(r rune) bool { return r == ',' }) {
			checks = append(checks, "fail "+failed)
		}
		r := report.New([]verify.DeliveryReport{{Name: "aidbox", Checks: results(checks...)}}, nil)
		p := Paths(load(t)[0], &r)[0]
		var broken []string
		for _, s := range slices.Concat(p.Steps, p.Ends) {
			if s.Broken {
				broken = append(broken, s.Lines[0])
			}
		}
		if got := strings.Join(broken, ", "); got != tt.want || p.Steps[0].Status != verify.StatusPass {
			t.Errorf("%s: broken is %q, want %q", tt.failed, got, tt.want)
		}
	}
}

// Each check is about a part of the path, or about the delivery as a whole.
func TestEveryCheckHasItsPlace(t *testing.T) {
	all := load(t)[:1]
	f := (&graph{}).add(all[0], nil)
	var about []string
	for _, n := range f.nodes {
		about = append(about, n.about...)
	}
	for _, e := range f.edges {
		about = append(about, e.about...)
	}
	whole := []string{"cluster/api", "cluster/ownership", "store/reachable", "aidbox/reachable", "aidbox/version", "aidbox/scope-format", "workload/deployment", "rotation/no-restart"}
	for _, id := range verify.IDs() {
		placed := slices.ContainsFunc(about, func(key string) bool { return strings.HasPrefix(key, id+" ") })
		if placed == slices.Contains(whole, id) {
			t.Errorf("%s: in the drawing: %v", id, placed)
		}
	}
	for _, key := range about {
		if id, _, _ := strings.Cut(key, " "); !slices.Contains(verify.IDs(), id) {
			t.Errorf("there is no check %s", id)
		}
	}
}

func TestWorstStatusShows(t *testing.T) {
	for _, tt := range []struct{ name, want string }{
		{"", "not checked"},
		{"pass", "√ pass"},
		{"pass skip", "√ pass"},
		{"skip", "- skip"},
		{"warn pass", "! warn: mount/present"},
		{"unknown warn", "? unknown: mount/present"},
		{"unknown fail", "× fail: mount/present"},
	} {
		var lines []string
		for i, s := range strings.Fields(tt.name) {
			lines = append(lines, s+" mount/present a pod/"+string(rune('a'+i)))
		}
		it := text{about: []string{"mount/present a *", "mount/readable a *"}}
		it.judge(findingsOf("d", &report.Report{Deliveries: []verify.DeliveryReport{{Name: "d", Checks: results(lines...)}}}))
		if got := strings.Join(it.label(), "\n"); got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
		}
	}
}
