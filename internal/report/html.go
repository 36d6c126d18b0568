package report

import (
	"bytes"
	"crypto/sha256"
	_ "embed" // of the page's template
	"encoding/base64"
	"fmt"
	"html/template"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/secretctl/secretctl/internal/verify"
)

// pageText is the page. Its style has no template action, because the page's policy allows
// that style only, by its digest.
//
//go:embed report.html.tmpl
var pageText string

// page is what the template shows.
type page struct {
	Report
	StyleHash, Headline, Counts string
	Status                      verify.Status
	Unfinished                  *verify.SetupError
	Filters                     []filter
	Sections                    []section
}

// filter shows or hides the checks of a status.
type filter struct {
	Status verify.Status
	Count  int
}

// section is a delivery.
type section struct {
	Name, Anchor string
	Error        *verify.SetupError
	Status       verify.Status
	Groups       []checkGroup
	Target       *verify.Target
	Paths        []verify.Path
	Rotations    []rotation
}

// rotation is the timeline of a secret that was rotated.
type rotation struct {
	Secret     string
	Lanes      []lane
	Origin     string // the event that their times count from
	Deadline   time.Duration
	DeadlineAt percent
	Beyond     bool          // the deadline is beyond the end of the axis
	Span       time.Duration // the length of the axis
}

// checkGroup has the checks of a group, those that failed first.
type checkGroup struct {
	Name   string
	Status verify.Status
	Counts []filter
	Checks []verify.Result
}

// lane is what happened in one place during a rotation.
type lane struct {
	Name  string
	Steps []laneStep
}

type laneStep struct {
	verify.Moment
	From, To, Width percent
}

// percent is a place on the axis of the timeline.
type percent float64

func (p percent) String() string { return fmt.Sprintf("%.2f%%", float64(p)) }

func percentOf(d, whole time.Duration) percent { return percent(100 * d.Seconds() / whole.Seconds()) }

// writeHTML writes one page that needs no script and no network.
func writeHTML(w io.Writer, r Report) error {
	t, err := template.New("report").Funcs(template.FuncMap{
		"symbol":  Symbol,
		"took":    func(d time.Duration) string { return rounded(d).String() },
		"seconds": func(d time.Duration) string { return fmt.Sprintf("%.1f", d.Seconds()) },
		"known":   known,
		"words":   words,
	}).Parse(pageText)
	if err != nil {
		return err
	}
	p := page{
		Report: r, StyleHash: styleHash(), Headline: r.headline(), Counts: r.Summary.counts(),
		Status: r.Verdict(), Unfinished: r.setupError(), Filters: r.Summary.filters(),
	}
	for i, d := range r.Deliveries {
		p.Sections = append(p.Sections, newSection(fmt.Sprintf("delivery-%d", i+1), d))
	}
	slices.SortStableFunc(p.Sections, func(a, b section) int { return severity(a.Status) - severity(b.Status) })
	var out bytes.Buffer
	if err := t.Execute(&out, p); err != nil {
		return err
	}
	_, err = w.Write(out.Bytes())
	return err
}

func styleHash() string {
	_, style, _ := strings.Cut(pageText, "<style>")
	style, _, _ = strings.Cut(style, "</style>")
	sum := sha256.Sum256([]byte(style))
	return "sha256-" + base64.StdEncoding.EncodeToString(sum[:])
}

// filters returns the counts other than 0, the worst status first.
func (s Summary) filters() (all []filter) {
	for _, status := range statuses {
		if n := *s.count(status); n > 0 {
			all = append(all, filter{status, n})
		}
	}
	return all
}

func newSection(anchor string, d verify.DeliveryReport) section {
	s := section{Name: d.Name, Anchor: anchor, Error: d.Error, Target: d.Target, Status: worst(d), Paths: d.Paths}
	for _, checks := range groups(d.Checks) {
		g := checkGroup{Name: checks[0].Group(), Checks: checks}
		slices.SortStableFunc(g.Checks, func(a, b verify.Result) int { return severity(a.Status) - severity(b.Status) })
		sum := summarize(checks)
		g.Status, g.Counts = sum.Worst(), sum.filters()
		s.Groups = append(s.Groups, g)
	}
	slices.SortStableFunc(s.Groups, func(a, b checkGroup) int { return severity(a.Status) - severity(b.Status) })
	for _, moments := range verify.Rotations(d.Timeline) {
		r := rotation{Secret: moments[0].Secret, Origin: verify.Origin(moments), Deadline: moments[0].Deadline, Span: span(moments)}
		r.Lanes, r.Beyond, r.DeadlineAt = lanes(moments, r.Span), r.Deadline > r.Span, min(percentOf(r.Deadline, r.Span), 100)
		s.Rotations = append(s.Rotations, r)
	}
	return s
}

// words escapes text, and lets lines break after the separators in a name rather than
// within a word.
func words(text string) template.HTML {
	var out strings.Builder
	for _, r := range text {
		out.WriteString(template.HTMLEscapeString(string(r)))
		if strings.ContainsRune("/.:_=-,", r) {
			out.WriteString("<wbr>")
		}
	}
	return template.HTML(out.String()) //nolint:gosec // escaped above
}

// span is the length of a timeline's axis: a little more than the timeline.
func span(moments []verify.Moment) time.Duration {
	longest := time.Second
	for _, m := range moments {
		longest = max(longest, m.After())
	}
	return longest + longest/20
}

// lanes returns a lane for each place, in the order of their first moments. A step begins
// where the one before it ended.
func lanes(moments []verify.Moment, span time.Duration) []lane {
	var all []lane
	for _, m := range moments {
		i := slices.IndexFunc(all, func(l lane) bool { return l.Name == m.Where() })
		if i < 0 {
			i, all = len(all), append(all, lane{Name: m.Where()})
		}
		step := laneStep{Moment: m, To: percentOf(m.After(), span)}
		if before := all[i].Steps; len(before) > 0 {
			step.From = before[len(before)-1].To
		}
		step.Width = step.To - step.From
		all[i].Steps = append(all[i].Steps, step)
	}
	return all
}
