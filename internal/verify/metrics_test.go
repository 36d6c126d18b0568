package verify

import (
	"bytes"
	"errors"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var noon = time.Date(2026, 1, 2, 12, 0, 0, 500_000_000, time.UTC)

func TestMetricsAreAsRecorded(t *testing.T) {
	var out bytes.Buffer
	must(t, WriteMetrics(&out, sample(nil), noon))
	const file = "testdata/metrics.golden"
	if *update {
		must(t, os.WriteFile(file, out.Bytes(), 0o600))
	}
	want, err := os.ReadFile(file)
	must(t, err)
	if diff := cmp.Diff(string(want), out.String()); diff != "" {
		t.Error(diff)
	}
	line := regexp.MustCompile(`^[a-z_]+(\{[a-z]+="([^"\\\n]|\\["\\n])*"(,[a-z]+="([^"\\\n]|\\["\\n])*")*\})? [0-9.]+$`)
	for text := range strings.Lines(out.String()) {
		if text = strings.TrimSuffix(text, "\n"); !strings.HasPrefix(text, "# ") && !line.MatchString(text) {
			t.Errorf("%q is no sample", text)
		}
	}
}

func TestMetricsEscapeLabelsAndHaveEachSeriesOnce(t *testing.T) {
	odd := Result{ID: "mount/present", Subject: "a\"b\\c\nd", Status: StatusFail}
	again := odd
	again.Status = StatusPass
	var out bytes.Buffer
	must(t, WriteMetrics(&out, NewReport([]DeliveryReport{{Name: "x", Checks: []Result{odd, again}}}, nil), noon))
	want := `secretctl_check_status{delivery="x",id="mount/present",subject="a\"b\\c\nd",status="pass"} 1` + "\n"
	if !strings.Contains(out.String(), want) || strings.Count(out.String(), "secretctl_check_status{") != 1 {
		t.Errorf("got\n%s", out.String())
	}
}

func TestMetricsOfARunThatDidNotStartSaySo(t *testing.T) {
	var out bytes.Buffer
	must(t, WriteMetrics(&out, NewReport(nil, errors.New("sealed")), noon))
	if got := out.String(); strings.Contains(got, "check_status") || !strings.Contains(got, "secretctl_last_run_ok 0\n") ||
		!strings.Contains(got, "secretctl_last_run_timestamp_seconds 1767355200.5\n") {
		t.Errorf("got\n%s", got)
	}
}

func TestHeadlineCountsAndNamesWhatIsWrong(t *testing.T) {
	d := sample(nil).Deliveries[0]
	const want = `5 checks: 1 passed, 1 warned, 1 failed, 1 unknown, 1 skipped; mount/vault-config local is fail (the scope of <a> & "b"); ` +
		`auth/accepts-secret Client/basic is unknown (GET /fhir/Patient got no answer)`
	if got := d.Headline(); got != want || d.OK() {
		t.Errorf("got %s", got)
	}
	if good := (DeliveryReport{Checks: []Result{{Status: StatusPass}}}); good.Headline() != "1 check: 1 passed" || !good.OK() {
		t.Errorf("got %s", good.Headline())
	}
}
