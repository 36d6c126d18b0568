package report

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"flag"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/secretctl/secretctl/internal/verify"
)

var update = flag.Bool("update", false, "write the golden files")

// manual is the address of the pages about checks.
const manual = "https://github.com/secretctl/secretctl/blob/main/docs/checks.md#"

var errUnreachable = &verify.SetupError{Message: "connection refused"}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func sample(setup *verify.SetupError) Report {
	with := func(r verify.Result, id, subject string, took time.Duration) verify.Result {
		r.ID, r.Title, r.Doc, r.Subject, r.DurationMS = id, "what "+id+" proves", manual+strings.ReplaceAll(id, "/", "-"), subject, took.Milliseconds()
		return r
	}
	return New([]verify.DeliveryReport{
		{Name: "aidbox", Checks: []verify.Result{
			with(verify.Pass("/run/vault-secrets/client-secret"), "mount/present", "client-secret local", 12*time.Millisecond),
			with(verify.Warn("equal to the store, and ends in a line break").WithHint("store the value without it"), "mount/matches-store", "client-secret local", 1500*time.Millisecond),
			with(verify.Fail("the scope of <a> & \"b\"").WithHint("write it anew"), "mount/vault-config", "local", 0),
			with(verify.Unknown("GET /fhir/Patient got no answer"), "auth/accepts-secret", "Client/basic", 4*time.Second),
			with(verify.Skip("skipped: auth/accepts-secret Client/basic is unknown"), "scope/out-of-scope-refused", "client-secret", 0),
		}},
		{Name: "second", Checks: []verify.Result{with(verify.Pass("in Aidbox"), "client/exists", "Client/a", time.Millisecond)}},
	}, setup)
}

func TestUnhealthyDeliveriesComeFirst(t *testing.T) {
	of := func(name string, results ...verify.Result) verify.DeliveryReport {
		return verify.DeliveryReport{Name: name, Checks: results}
	}
	r := New([]verify.DeliveryReport{
		of("fine", verify.Pass("yes")), of("odd", verify.Warn("hm")), of("skipped", verify.Skip("no")), of("unseen", verify.Unknown("where")),
		{Name: "stopped", Checks: []verify.Result{verify.Pass("yes")}, Error: &verify.SetupError{Message: "sealed"}},
		of("broken", verify.Pass("yes"), verify.Fail("no")),
	}, nil)
	for _, format := range []string{"text", "short"} {
		var out bytes.Buffer
		must(t, Write(&out, format, r, false))
		text, at := out.String(), -1
		for _, want := range []string{"broken\n", "unseen\n", "stopped\n", "  ? did not finish: sealed\n", "odd\n", "√ fine     1 check: 1 passed\n- skipped  1 check: 1 skipped\n\n7 checks"} {
			next := strings.Index(text, want)
			if next <= at {
				t.Errorf("%s: %q is missing, or too early:\n%s", format, want, text)
			}
			at = next
		}
	}
}

func TestReportMatchesItsGoldenFiles(t *testing.T) {
	broken := &verify.SetupError{Message: "vault: login: permission denied", Hint: "renew the token"}
	tests := []struct {
		golden, format string
		report         Report
		color          bool
	}{
		{"text", "text", sample(nil), false},
		{"text-color", "text", sample(nil), true},
		{"short", "short", sample(nil), false},
		{"json", "json", sample(nil), false},
		{"junit", "junit", sample(nil), false},
		{"setup-text", "text", New(nil, broken), false},
		{"setup-json", "json", New(nil, broken), false},
		{"setup-junit", "junit", sample(broken), false},
	}
	for _, tt := range tests {
		t.Run(tt.golden, func(t *testing.T) {
			var out bytes.Buffer
			must(t, Write(&out, tt.format, tt.report, tt.color))
			file := "testdata/" + tt.golden + ".golden"
			if *update {
				must(t, os.WriteFile(file, out.Bytes(), 0o600))
			}
			want, err := os.ReadFile(file)
			must(t, err)
			if diff := cmp.Diff(string(want), out.String()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestUnknownFormatIsAnError(t *testing.T) {
	if err := Write(&bytes.Buffer{}, "jsn", Report{}, false); err == nil {
		t.Error("jsn was written")
	}
}

func TestVerdictPutsFailureBeforeUnknown(t *testing.T) {
	tests := []struct {
		name     string
		statuses []verify.Status
		setup    *verify.SetupError
		want     verify.Status
	}{
		{"nothing", nil, nil, verify.StatusPass},
		{"pass, warn, skip", []verify.Status{verify.StatusPass, verify.StatusWarn, verify.StatusSkip}, nil, verify.StatusPass},
		{"unknown", []verify.Status{verify.StatusPass, verify.StatusUnknown}, nil, verify.StatusUnknown},
		{"unknown and fail", []verify.Status{verify.StatusUnknown, verify.StatusFail}, nil, verify.StatusFail},
		{"setup", []verify.Status{verify.StatusPass}, errUnreachable, verify.StatusUnknown},
		{"setup and fail", []verify.Status{verify.StatusFail}, errUnreachable, verify.StatusFail},
	}
	for _, tt := range tests {
		var d verify.DeliveryReport
		for _, s := range tt.statuses {
			d.Checks = append(d.Checks, verify.Result{Status: s})
		}
		if got := New([]verify.DeliveryReport{d}, tt.setup).Verdict(); got != tt.want {
			t.Errorf("%s: got %s", tt.name, got)
		}
	}
}

// The keys are a promise, and the golden files can be rewritten with -update.
func TestJSONHasTheDocumentedKeys(t *testing.T) {
	var out bytes.Buffer
	must(t, Write(&out, "json", New([]verify.DeliveryReport{{Name: "a", Checks: []verify.Result{{ID: "x/y", DurationMS: 12}}}}, nil), false))
	var got any
	must(t, json.Unmarshal(out.Bytes(), &got))
	want := map[string]any{
		"schemaVersion": 1.0,
		"summary":       map[string]any{"pass": 0.0, "warn": 0.0, "fail": 0.0, "unknown": 1.0, "skip": 0.0},
		"deliveries": []any{map[string]any{"name": "a", "checks": []any{
			map[string]any{"id": "x/y", "subject": "", "status": "", "detail": "", "hint": "", "durationMs": 12.0},
		}}},
	}
	if diff := cmp.Diff(any(want), got); diff != "" {
		t.Error(diff)
	}
}

func TestJUnitCountsFailuresAndErrors(t *testing.T) {
	var out bytes.Buffer
	must(t, Write(&out, "junit", sample(errUnreachable), false))
	var got struct {
		Tests    int `xml:"tests,attr"`
		Errors   int `xml:"errors,attr"`
		Failures int `xml:"failures,attr"`
		Skipped  int `xml:"skipped,attr"`
	}
	must(t, xml.Unmarshal(out.Bytes(), &got))
	if got.Tests != 7 || got.Errors != 2 || got.Failures != 1 || got.Skipped != 1 {
		t.Errorf("got %+v", got)
	}
}

func TestJUnitAttachesNoFileThatAServerNames(t *testing.T) {
	const hostile = "[[ATTACHMENT|/etc/passwd]]"
	for _, how := range []func(string, ...any) verify.Result{verify.Pass, verify.Warn, verify.Fail, verify.Unknown, verify.Skip} {
		check := how("the file has %s", hostile).WithHint("remove %s", hostile)
		check.ID, check.Subject = "mount/vault-config", hostile
		r := New([]verify.DeliveryReport{{Name: "aidbox", Checks: []verify.Result{check}, Timeline: []verify.Moment{{Secret: "a", What: hostile}}}},
			&verify.SetupError{Message: hostile, Hint: hostile})
		var out bytes.Buffer
		must(t, Write(&out, "junit", r, false))
		if strings.Contains(out.String(), "[[ATTACHMENT|") || !strings.Contains(out.String(), "[ [ATTACHMENT|/etc/passwd]]") {
			t.Errorf("got\n%s", out.String())
		}
	}
}

func TestReportIsReadBack(t *testing.T) {
	want := sample(errUnreachable)
	var out bytes.Buffer
	must(t, Write(&out, "json", want, false))
	got, err := Read(&out)
	must(t, err)
	for i := range want.Deliveries {
		for j := range want.Deliveries[i].Checks {
			c := &want.Deliveries[i].Checks[j]
			c.Title, c.Doc = "", ""
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	for _, text := range []string{
		``, `x`, `[]`, `{}`, `null`, `{"schemaVersion": 1}`, `{"schemaVersion": 2, "deliveries": []}`, `{"schemaVersion": "1", "deliveries": []}`,
		`{"schemaVersion": 1, "deliveries": [{"name": "aidbox", "changes": []}]}`,
	} {
		if _, err := Read(strings.NewReader(text)); err == nil {
			t.Errorf("%s is read", text)
		}
	}
}

func TestTimelineIsInEveryReport(t *testing.T) {
	done := verify.Pass("done")
	done.ID, done.Subject = "rotation/mounted", "client-secret"
	report := New([]verify.DeliveryReport{{Name: "aidbox", Checks: []verify.Result{done}, Timeline: []verify.Moment{
		{Secret: "a", What: "store written"},
		{Secret: "a", Replica: "pod/a", What: "file changed", AfterMS: 40910},
		{Secret: "b", What: "store written"},
		{Secret: "b", Replica: "pod/a", What: "file changed", AfterMS: 1000},
	}}}, nil)
	for format, want := range map[string]string{
		"text": "  timeline of a, in seconds after the write\n        0.0         store written\n       40.9  pod/a  file changed\n" +
			"  timeline of b, in seconds after the write\n        0.0         store written\n        1.0  pod/a  file changed\n",
		"json": `{
          "secret": "a",
          "replica": "pod/a",
          "what": "file changed",
          "afterMs": 40910
        }`,
		"junit":  "       40.9  pod/a  file changed\n  timeline of b, ",
		"github": "\nRotation of b\n\n| seconds after the write | where | what |\n",
		"html":   "<h3>Rotation of b, in seconds after the write</h3>",
	} {
		var out strings.Builder
		must(t, Write(&out, format, report, false))
		if !strings.Contains(out.String(), want) {
			t.Errorf("%s: got\n%s", format, out.String())
		}
	}
}
