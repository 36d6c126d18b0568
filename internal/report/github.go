package report

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/secretctl/secretctl/internal/hint"
	"github.com/secretctl/secretctl/internal/verify"
)

// maxRows is how many checks a summary lists, with the same share for each delivery: GitHub
// drops a summary of more than 1 MiB.
const maxRows = 1000

// writeMarkdown writes the summary of a step for GitHub: for each delivery the checks that
// did not pass, the worst first, and how often each of the others passed.
func writeMarkdown(w io.Writer, r Report) error {
	var out bytes.Buffer
	fmt.Fprintf(&out, "## %s %s\n\n%s\n", Symbol(r.Verdict()), markdown(r.headline()), r.Summary.counts())
	writeUnfinished(&out, r.setupError())
	for _, d := range r.Deliveries {
		fmt.Fprintf(&out, "\n### %s\n", markdown(d.Name))
		writeUnfinished(&out, d.Error)
		writeFindings(&out, d.Checks, max(1, maxRows/len(r.Deliveries)))
		writePasses(&out, d.Checks)
		for _, moments := range verify.Rotations(d.Timeline) {
			fmt.Fprintf(&out, "\nRotation of %s\n\n| seconds after %s | where | what |\n| --: | --- | --- |\n", markdown(moments[0].Secret), verify.Origin(moments))
			for _, m := range moments {
				fmt.Fprintf(&out, "| %.1f | %s | %s |\n", m.After().Seconds(), markdown(m.Where()), markdown(m.What))
			}
		}
	}
	_, err := w.Write(out.Bytes())
	return err
}

func writeUnfinished(out *bytes.Buffer, err *verify.SetupError) {
	if err == nil {
		return
	}
	fmt.Fprintf(out, "\n**Did not finish:** %s\n", markdown(err.Message))
	if err.Hint != "" {
		fmt.Fprintf(out, "\nHint: %s\n", markdown(err.Hint))
	}
}

// writeFindings writes a row for each check that did not pass.
func writeFindings(out *bytes.Buffer, checks []verify.Result, limit int) {
	found := findings(checks)
	if len(found) == 0 {
		return
	}
	out.WriteString("\n| status | check | subject | found |\n| --- | --- | --- | --- |\n")
	for _, c := range found[:min(len(found), limit)] {
		text := markdown(c.Detail)
		if c.Hint != "" {
			text += "<br>Hint: " + markdown(c.Hint)
		}
		fmt.Fprintf(out, "| %s %s | [%s](%s) | %s | %s |\n", Symbol(c.Status), c.Status, markdown(c.ID), c.Doc, markdown(c.Subject), text)
	}
	if more := len(found) - limit; more > 0 {
		fmt.Fprintf(out, "\nand %d more\n", more)
	}
}

func writePasses(out *bytes.Buffer, checks []verify.Result) {
	times := map[string]int{}
	var first []verify.Result // of each ID
	passes := 0
	for _, c := range checks {
		if c.Status != verify.StatusPass {
			continue
		}
		if times[c.ID]++; times[c.ID] == 1 {
			first = append(first, c)
		}
		passes++
	}
	if passes == 0 {
		return
	}
	fmt.Fprintf(out, "\n<details><summary>%d passed</summary>\n\n| check | passed | |\n| --- | --: | --- |\n", passes)
	for _, c := range first {
		fmt.Fprintf(out, "| [%s](%s) | %d | %s |\n", markdown(c.ID), c.Doc, times[c.ID], markdown(c.Title))
	}
	out.WriteString("\n</details>\n")
}

// findings returns the checks that did not pass, the worst first.
func findings(checks []verify.Result) []verify.Result {
	found := slices.DeleteFunc(slices.Clone(checks), func(c verify.Result) bool { return c.Status == verify.StatusPass })
	slices.SortStableFunc(found, func(a, b verify.Result) int { return severity(a.Status) - severity(b.Status) })
	return found
}

// Annotate writes a workflow command of GitHub Actions for each check that failed, is
// unknown or warned, the worst first: GitHub shows ten errors and ten warnings of a step.
// It reads them from a step's stdout and stderr.
func Annotate(w io.Writer, r Report) error {
	var out bytes.Buffer
	annotate := func(level, title, text, next string) {
		if text = hint.OneLine(text); next != "" {
			text += "\nhint: " + hint.OneLine(next)
		}
		fmt.Fprintf(&out, "::%s title=%s::%s\n", level, propertyEscapes.Replace(title), dataEscapes.Replace(text))
	}
	if err := r.setupError(); err != nil {
		annotate("error", "secretctl did not finish", err.Message, err.Hint)
	}
	for _, d := range r.Deliveries {
		if d.Error != nil {
			annotate("error", d.Name+" did not finish", d.Error.Message, d.Error.Hint)
		}
		for _, c := range findings(d.Checks) {
			level := "error"
			switch c.Status {
			case verify.StatusSkip:
				continue
			case verify.StatusWarn:
				level = "warning"
			}
			annotate(level, strings.TrimSpace(fmt.Sprintf("%s %s: %s %s", d.Name, c.Status, c.ID, c.Subject)), c.Detail, c.Hint)
		}
	}
	_, err := w.Write(out.Bytes())
	return err
}

// The escapes of a workflow command's text and of its properties.
var (
	dataEscapes     = strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A")
	propertyEscapes = strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A", ":", "%3A", ",", "%2C")
)

// markdown escapes text for a table's cell. A server's text becomes no link, mention or formula.
func markdown(text string) string { return markdownEscapes.Replace(hint.OneLine(text)) }

var markdownEscapes = strings.NewReplacer(
	"&", "&amp;", "<", "&lt;", ">", "&gt;", `\`, `\\`, "`", "\\`", "|", `\|`, "*", `\*`, "_", `\_`, "[", `\[`, "]", `\]`, "~", `\~`,
	// A backslash does not prevent what GitHub makes links of; a comment in it does.
	"://", ":<!-- -->//", "www.", "www<!-- -->.", "@", "@<!-- -->", "#", "#<!-- -->", "GH-", "GH<!-- -->-", "$", "<span>$</span>",
)
