package report

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/jstemmer/go-junit-report/v2/junit"

	"github.com/secretctl/secretctl/internal/verify"
)

// writeJUnit writes a testsuite for each delivery and group. An unknown result is an error,
// so that a CI does not take it for a success.
func writeJUnit(w io.Writer, r Report) error {
	suites := junit.Testsuites{Name: "secretctl verify"}
	for _, d := range r.Deliveries {
		all := groups(d.Checks)
		for i, checks := range all {
			suite := junit.Testsuite{Name: d.Name + "/" + checks[0].Group(), ID: len(suites.Suites)}
			var total time.Duration
			for _, c := range checks {
				suite.AddTestcase(testcase(d.Name, c))
				total += c.Duration()
			}
			if i == len(all)-1 && len(d.Timeline) > 0 { // a rotation comes last
				var lines bytes.Buffer
				writeTimeline(&lines, d.Timeline)
				suite.SystemOut = &junit.Output{Data: lines.String()}
			}
			suite.Time = seconds(total)
			suites.AddSuite(suite)
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
	var out bytes.Buffer
	if err := suites.WriteXML(&out); err != nil {
		return err
	}
	// Jenkins and GitLab attach the file that such a text names to the test.
	_, err := w.Write(bytes.ReplaceAll(out.Bytes(), []byte("[[ATTACHMENT|"), []byte("[ [ATTACHMENT|")))
	return err
}

func testcase(delivery string, c verify.Result) junit.Testcase {
	t := junit.Testcase{Name: strings.TrimSpace(c.ID + " " + c.Subject), Classname: delivery + "." + c.Group(), Time: seconds(c.Duration())}
	more := "see " + c.Doc
	if c.Hint != "" {
		more = "hint: " + c.Hint + "\n" + more
	}
	said := &junit.Result{Message: c.Detail, Data: more}
	switch c.Status {
	case verify.StatusPass:
	case verify.StatusWarn:
		t.SystemOut = &junit.Output{Data: "warning: " + c.Detail + "\n" + more}
	case verify.StatusFail:
		t.Failure = said
	case verify.StatusSkip:
		t.Skipped = said
	default:
		t.Error = said
	}
	return t
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.3f", d.Seconds()) }
