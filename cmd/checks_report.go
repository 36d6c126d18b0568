package cmd

import (
	"bytes"
	"io"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/secretctl/secretctl/internal/hint"
	"github.com/secretctl/secretctl/internal/report"
	"github.com/secretctl/secretctl/internal/verify"
)

// reportFiles says how to write a report: its format on stdout, and its files.
type reportFiles struct{ output, jsonFile, junitFile, htmlFile string }

func (o *reportFiles) addFlags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&o.jsonFile, "json-file", "", "also write the report as JSON to this file")
	f.StringVar(&o.junitFile, "junit-file", "", "also write the report as JUnit XML to this file")
	f.StringVar(&o.htmlFile, "html-file", "", "also write the report as a web page to this file")
	addOutput(cmd, &o.output, report.Formats()...)
}

// files returns the files and the format of each.
func (o reportFiles) files() []struct{ path, format string } {
	return slices.DeleteFunc([]struct{ path, format string }{{o.jsonFile, "json"}, {o.junitFile, "junit"}, {o.htmlFile, "html"}},
		func(f struct{ path, format string }) bool { return f.path == "" })
}

// writable refuses files that could not be written, before anything is attempted.
func (o reportFiles) writable() error {
	for _, f := range o.files() {
		if err := report.Writable(f.path); err != nil {
			return hint.Usage("name a file in a folder that exists and that you can write to", "%w", err)
		}
	}
	return nil
}

// report prints the report and writes its files, even if err kept the checks from
// running. It returns the error that decides the exit code.
func (a *app) report(o reportFiles, deliveries []verify.DeliveryReport, err error) error {
	a.cleanResults(deliveries)
	r := report.New(deliveries, (*verify.SetupError)(a.problem(err)))
	r.Time, r.Command, r.Secretctl = time.Now().UTC().Truncate(time.Second), a.clean(a.command), buildVersion().Version
	if r.Summary.Fail > 0 { // which outweighs what could not be checked
		err = answeredNo(err)
	}
	errs := []error{err}
	write := func(w io.Writer) error { return report.Write(w, o.output, r, a.color()) }
	if o.output != "text" && o.output != "short" {
		errs = append(errs, write(a.Out))
	} else if err == nil || slices.ContainsFunc(deliveries, anyChecks) {
		errs = append(errs, a.printFolded(write))
	}
	if o.output == "github" { // GitHub reads annotations from stderr; stdout is the summary
		var commands bytes.Buffer
		errs = append(errs, report.Annotate(&commands, r), a.console.writeCommands(commands.Bytes()))
	}
	for _, f := range o.files() {
		errs = append(errs, hint.Wrap(report.WriteFile(f.path, f.format, r), "only this file is missing: the command did the rest"))
	}
	if err := join(errs...); err != nil {
		return err
	}
	switch r.Verdict() {
	case verify.StatusFail:
		return &noError{errReported}
	case verify.StatusUnknown:
		return errReported
	default:
		return nil
	}
}

func anyChecks(d verify.DeliveryReport) bool { return len(d.Checks) > 0 }

// cleanResults cleans the results of checks, which quote servers.
func (a *app) cleanResults(deliveries []verify.DeliveryReport) {
	for _, d := range deliveries {
		for i := range d.Checks {
			c := &d.Checks[i]
			c.Subject, c.Detail, c.Hint = a.clean(c.Subject), a.clean(c.Detail), a.clean(c.Hint)
		}
		for i := range d.Timeline {
			d.Timeline[i].Replica = a.clean(d.Timeline[i].Replica)
		}
	}
}

// reportsOf returns the reports of the deliveries. If one of several could not be checked,
// its report has the error.
func (a *app) reportsOf(done []outcome[verify.DeliveryReport]) []verify.DeliveryReport {
	var reports []verify.DeliveryReport
	for _, o := range done {
		r := o.result
		if r.Name == "" && !a.several {
			continue
		}
		r.Name, r.Checks = o.delivery.Name, append([]verify.Result{}, r.Checks...)
		for i, c := range r.Checks {
			r.Checks[i].Hint = a.onlyFor(o.delivery.Name, c.Hint)
		}
		if o.err != nil && a.several {
			r.Error = (*verify.SetupError)(a.problem(a.about(o.delivery, o.err)))
		}
		reports = append(reports, r)
	}
	return reports
}
