package verify

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/jstemmer/go-junit-report/v2/junit"
)

// writeJUnit writes a testsuite for each delivery and group. What could not be
// found out is an error, so that a CI does not take it for a success.
func writeJUnit(w io.Writer, r Report) error {
	suites := junit.Testsuites{Name: "secretctl verify"}
	for _, d := range r.Deliveries {
		for _, group := range Groups() {
			suite := junit.Testsuite{Name: d.Name + "/" + group, ID: len(suites.Suites)}
			var total time.Duration
			for _, c := range d.Checks {
				if groupOf(c.ID) == group {
					suite.AddTestcase(testcase(d.Name, c))
					total += c.Duration
				}
			}
			if group == groupOf("rotation/mounted") && len(d.Timeline) > 0 {
				var lines bytes.Buffer
				writeTimeline(&lines, d.Timeline)
				suite.SystemOut = &junit.Output{Data: lines.String()}
			}
			if suite.Time = seconds(total); suite.Tests > 0 {
				suites.AddSuite(suite)
			}
		}
	}
	if r.Error != nil {
		suite := junit.Testsuite{Name: "setup", ID: len(suites.Suites), Time: seconds(0)}
		suite.AddTestcase(junit.Testcase{
			Name: "setup", Classname: "setup",
			Error: &junit.Result{Message: r.Error.Message, Data: r.Error.Hint},
		})
		suites.AddSuite(suite)
	}
	return suites.WriteXML(w)
}

func testcase(delivery string, c Result) junit.Testcase {
	t := junit.Testcase{Name: strings.TrimSpace(c.ID + " " + c.Subject), Classname: delivery + "." + groupOf(c.ID), Time: seconds(c.Duration)}
	more := "see " + manual + anchor(c.ID)
	if c.Hint != "" {
		more = "hint: " + c.Hint + "\n" + more
	}
	said := &junit.Result{Message: c.Detail, Data: more}
	switch c.Status {
	case StatusPass:
	case StatusWarn:
		t.SystemOut = &junit.Output{Data: "warning: " + c.Detail + "\n" + more}
	case StatusFail:
		t.Failure = said
	case StatusSkip:
		t.Skipped = said
	default:
		t.Error = said
	}
	return t
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.3f", d.Seconds()) }
