package config

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const generatedSecret = "secrets: [{name: a, scope: [Client], value: {generate: {length: 40}}}, {name: b, scope: [Client], value: {env: B}}]\n"

func TestRotateJobIsChecked(t *testing.T) {
	wantProblems(t, problemCases{
		"no secrets":             {generatedSecret + "rotateJob: {}\n", `rotateJob.secrets: is empty; name the secrets that the job rotates`},
		"a secret that is not":   {generatedSecret + "rotateJob: {secrets: [aa]}\n", `rotateJob.secrets[0]: names no secret of this delivery; did you mean "a"?`},
		"nothing like a secret":  {generatedSecret + "rotateJob: {secrets: [something]}\n", `rotateJob.secrets[0]: names no secret of this delivery; available: a, b`},
		"a secret twice":         {generatedSecret + "rotateJob: {secrets: [a, a]}\n", `rotateJob.secrets[1]: is already listed; remove one`},
		"another source":         {generatedSecret + "rotateJob: {secrets: [b]}\n", `rotateJob.secrets[0]: names a secret without generate, the only source of the job; give it value: {generate: {}}, or rotate it where its source is: secretctl rotate --due b`},
		"schedule":               {generatedSecret + "rotateJob: {secrets: [a], schedule: daily}\n", `rotateJob.schedule: must be a cron schedule; use five fields`},
		"schedule of 6 fields":   {generatedSecret + "rotateJob: {secrets: [a], schedule: 0 17 3 * * *}\n", `rotateJob.schedule: must be a cron schedule`},
		"client id in Vault":     {generatedSecret + "rotateJob: {secrets: [a], clientID: 00000000-0000-0000-0000-000000000000}\n", `rotateJob.clientID: is not for this provider; remove it: it is only for provider azure`},
		"client id in Key Vault": {azure(generatedSecret + "rotateJob: {secrets: [a], clientID: x}\n"), `rotateJob.clientID: must be a UUID`},
	})
}

func TestScheduleIsOneThatKubernetesTakes(t *testing.T) {
	for text, want := range map[string]bool{
		"17 3 * * *": true, "*/15 0-5,22-23 1 JAN-mar Sun": true, "? ? * * mon-FRI/2": true, "@midnight": true, "5/10 * * * 0,6": true,
		"0  3 * * *": true, "@every 1h": true, "TZ=UTC 0 3 * * *": false, "CRON_TZ=0": false,
		"0 3 * * 7": false, "60 * * * *": false, "0 24 * * *": false, "0 0 0 * *": false, "0 0 * 13 *": false, "*/0 * * * *": false,
		"5-3 * * * *": false, "5- * * * *": false, "-5 * * * *": false, "a b c d e": false, "0 0 * * sunday": false,
		"0 3 * *": false, "*/ * * * *": false,
	} {
		if IsSchedule(text) != want {
			t.Errorf("%q: %t", text, !want)
		}
	}
}

func TestRotateJobHasNamesOfItsOwn(t *testing.T) {
	d := loadText(t, delivery("canary: true\nrotateJob: {secrets: [a, secretctl-canary]}\nvault: {role: r, policy: p}\n"+generatedSecret))
	got := []string{d.RotateJobName(), d.RotateAccount(), d.Vault.RotateRole(), d.Vault.RotatePolicy(), d.RotateJob.Schedule}
	if diff := cmp.Diff([]string{"aidbox-rotate", "aidbox-rotate", "r-rotate", "p-rotate", "17 3 * * *"}, got); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"aidbox/a", "aidbox/secretctl-canary/default-aidbox"}, d.RotatePaths()); diff != "" {
		t.Error(diff)
	}
}

func TestConfigOfTheRotateJobCanMakeItsValuesAndNoOther(t *testing.T) {
	d := loadText(t, delivery("rotateJob: {secrets: [a]}\nvault: {csiAddress: \"https://vault.default:8200\"}\n"+generatedSecret))
	text, err := d.WithinRotateJob()
	if err != nil {
		t.Fatal(err)
	}
	got := loadText(t, string(text))
	if a, b := got.Secrets[0].Value, got.Secrets[1].Value; a.Generate == nil || a.Generate.Length != 40 || !b.IsZero() || strings.Contains(string(text), "rotateJob") {
		t.Errorf("%s", text)
	}
	if got.Aidbox.URL != "service" || got.Vault.Address != "https://vault.default:8200" || got.Vault.Role != d.Vault.Role {
		t.Errorf("%s", text)
	}
	if text, err = d.WithinCluster(); err != nil || strings.Contains(string(text), "generate") {
		t.Errorf("of the verify job: %v\n%s", err, text)
	}
}

func TestRotateJobsThatUndoEachOtherAreRefused(t *testing.T) {
	job := func(name, secret string) string {
		return "---\nname: " + name + "\n" + delivery("secrets: [{name: a, scope: [Client], value: {generate: {}}}, {name: b, scope: [Client], value: {generate: {}}}]\nrotateJob: {secrets: ["+secret+"]}\n")
	}
	got := (&Error{problems(t, job("a", "a")+job("b", "b"))}).Error()
	if !strings.Contains(got, "rotateJob: the same policy as in x.yaml:2, with other paths") {
		t.Errorf("got %s", got)
	}
	if got := problems(t, job("a", "a")+job("b", "a")); len(got) > 0 {
		t.Errorf("got %v", got)
	}
	// The pod of one may read what the job of the other may write; it is another policy.
	reader := "---\nname: c\n" + delivery("vault: {role: aidbox-rotate}\n")
	if got := (&Error{problems(t, job("a", "a")+reader)}).Error(); !strings.Contains(got, "vault.policy: the same policy as in") {
		t.Errorf("got %s", got)
	}
	if written := loadText(t, job("a", "a")[4:]).Provisioned(); !slices.ContainsFunc(written, func(s string) bool { return strings.HasSuffix(s, "policy\x00aidbox-rotate") }) {
		t.Errorf("%q", written)
	}
}
