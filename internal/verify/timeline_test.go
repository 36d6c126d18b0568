package verify

import (
	"strings"
	"testing"
	"time"
)

func TestTimelineIsInEveryReport(t *testing.T) {
	done := Pass("done")
	done.ID, done.Subject = "rotation/mounted", "client-secret"
	report := NewReport([]DeliveryReport{{Name: "aidbox", Checks: []Result{done}, Timeline: []Moment{
		{"", momentWritten, 0}, {"pod/a", momentFile, 40910 * time.Millisecond},
	}}}, nil)
	for format, want := range map[string]string{
		"text": "  timeline, in seconds after the write\n        0.0         store written\n       40.9  pod/a  file changed\n",
		"json": `{
          "replica": "pod/a",
          "what": "file changed",
          "afterMs": 40910
        }`,
		"junit": "       40.9  pod/a  file changed\n",
	} {
		var out strings.Builder
		must(t, Write(&out, format, report, false))
		if !strings.Contains(out.String(), want) {
			t.Errorf("%s: got\n%s", format, out.String())
		}
	}
}
