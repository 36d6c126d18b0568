package verify

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"flag"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/secretctl/secretctl/internal/hint"
)

var update = flag.Bool("update", false, "write the golden files")

func sample(setup error) Report {
	with := func(r Result, id, subject string, took time.Duration) Result {
		r.ID, r.Title, r.Doc, r.Subject, r.Duration = id, Title(id), doc(id), subject, took
		return r
	}
	return NewReport([]DeliveryReport{
		{Name: "aidbox", Checks: []Result{
			with(Pass("/run/vault-secrets/client-secret"), "mount/present", "client-secret local", 12*time.Millisecond),
			with(Warn("equal to the store, and ends in a line break").WithHint(newlineHint), "mount/matches-store", "client-secret local", 1500*time.Millisecond),
			with(Fail("the scope of <a> & \"b\"").WithHint("write it anew"), "mount/vault-config", "local", 0),
			with(Unknown("GET /fhir/Patient got no answer"), "auth/accepts-secret", "Client/basic", 4*time.Second),
			with(Skip("needs auth/accepts-secret Client/basic, whose result is unknown"), "scope/out-of-scope-refused", "client-secret", 0),
		}},
		{Name: "second", Checks: []Result{with(Pass("in Aidbox"), "client/exists", "Client/a", time.Millisecond)}},
	}, setup)
}

func TestReportLooksAsItDid(t *testing.T) {
	broken := hint.Wrap(errors.New("vault: login:\npermission denied"), "renew the token")
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
		{"setup-text", "text", NewReport(nil, broken), false},
		{"setup-json", "json", NewReport(nil, broken), false},
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

func TestVerdictPutsFailureBeforeDoubt(t *testing.T) {
	tests := []struct {
		name     string
		statuses []Status
		setup    error
		want     Verdict
	}{
		{"nothing", nil, nil, Yes},
		{"pass, warn, skip", []Status{StatusPass, StatusWarn, StatusSkip}, nil, Yes},
		{"unknown", []Status{StatusPass, StatusUnknown}, nil, Unclear},
		{"unknown and fail", []Status{StatusUnknown, StatusFail}, nil, No},
		{"setup", []Status{StatusPass}, errUnreachable, Unclear},
		{"setup and fail", []Status{StatusFail}, errUnreachable, No},
	}
	for _, tt := range tests {
		var d DeliveryReport
		for _, s := range tt.statuses {
			d.Checks = append(d.Checks, Result{Status: s})
		}
		if got := NewReport([]DeliveryReport{d}, tt.setup).Verdict(); got != tt.want {
			t.Errorf("%s: got %v", tt.name, got)
		}
	}
}

// The keys are a promise, which the golden file would let slip with -update.
func TestJSONHasTheDocumentedKeys(t *testing.T) {
	var out bytes.Buffer
	must(t, Write(&out, "json", NewReport([]DeliveryReport{{Name: "a", Checks: []Result{{ID: "x/y", Duration: 12 * time.Millisecond}}}}, nil), false))
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

func TestJUnitCountsWhatACIWouldShow(t *testing.T) {
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

func TestReportIsReadBack(t *testing.T) {
	want := sample(errUnreachable)
	var out bytes.Buffer
	must(t, Write(&out, "json", want, false))
	got, err := ReadReport(&out)
	must(t, err)
	for i := range want.Deliveries {
		for j := range want.Deliveries[i].Checks {
			c := &want.Deliveries[i].Checks[j]
			c.Title, c.Doc, c.Duration = "", "", 0
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	for _, text := range []string{
		``, `x`, `[]`, `{}`, `null`, `{"schemaVersion": 1}`, `{"schemaVersion": 2, "deliveries": []}`, `{"schemaVersion": "1", "deliveries": []}`,
		`{"schemaVersion": 1, "deliveries": [{"name": "aidbox", "changes": []}]}`,
	} {
		if _, err := ReadReport(strings.NewReader(text)); err == nil {
			t.Errorf("%s is read", text)
		}
	}
}
