package report

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/xml"
	"errors"
	"io"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/secretctl/secretctl/internal/hint"
	"github.com/secretctl/secretctl/internal/verify"
)

// turning is a report of a rotation that did not arrive in one of two replicas.
func turning() Report {
	r := sample(nil)
	r.Deliveries[0].Timeline = []verify.Moment{
		{What: "store written"},
		{Replica: "pod/aidbox-7d4", What: "file changed", AfterMS: 40900},
		{Replica: "pod/aidbox-7d4", What: "new value accepted", AfterMS: 41200},
		{Replica: "pod/aidbox-b<1>", What: "not in time: file changed", AfterMS: 240000},
	}
	for i := range r.Deliveries[0].Timeline {
		r.Deliveries[0].Timeline[i].Secret, r.Deliveries[0].Timeline[i].Deadline = "client-secret", 240*time.Second
	}
	return r
}

func pageOf(t *testing.T, r Report) string {
	t.Helper()
	var out bytes.Buffer
	must(t, Write(&out, "html", r, false))
	return out.String()
}

// text is the page's text without its tags.
func textOf(t *testing.T, page string) string {
	t.Helper()
	dec := xml.NewDecoder(strings.NewReader(page))
	dec.Strict, dec.AutoClose, dec.Entity = false, xml.HTMLAutoClose, xml.HTMLEntity
	var text strings.Builder
	for style := false; ; {
		token, err := dec.Token()
		switch token := token.(type) {
		case xml.StartElement:
			style = token.Name.Local == "style"
		case xml.EndElement:
			style = false
		case xml.CharData:
			if !style {
				text.Write(token)
			}
		}
		if errors.Is(err, io.EOF) {
			return hint.OneLine(text.String())
		}
		must(t, err)
	}
}

func TestPageShowsAllThatTheReportHas(t *testing.T) {
	r := turning()
	text := textOf(t, pageOf(t, r))
	for _, d := range r.Deliveries {
		for _, c := range d.Checks {
			for _, want := range []string{c.ID, c.Title, c.Subject, c.Detail, c.Hint, string(c.Status)} {
				if !strings.Contains(text, want) {
					t.Errorf("the page does not have %q", want)
				}
			}
		}
		for _, m := range d.Timeline {
			if want := hint.OneLine(m.What + " " + seconds(m.After())[:len(seconds(m.After()))-2]); !strings.Contains(text, want) || !strings.Contains(text, m.Where()) {
				t.Errorf("the page does not have %q at %s", want, m.Where())
			}
		}
	}
	if want := "1 check failed 6 checks: 2 passed, 1 warned, 1 failed, 1 unknown, 1 skipped"; !strings.Contains(text, want) {
		t.Errorf("the page does not have %q", want)
	}
	text = textOf(t, pageOf(t, New(nil, errUnreachable)))
	if !strings.Contains(text, "Did not finish: "+errUnreachable.Message) {
		t.Errorf("the page does not say that nothing was checked: %s", text)
	}
	r = New([]verify.DeliveryReport{{Name: "a"}, {Name: "b", Error: &verify.SetupError{Message: "no way to b", Hint: "find one"}}}, &verify.SetupError{Message: "all of it"})
	text = textOf(t, pageOf(t, r))
	if !strings.Contains(text, "b Did not finish: no way to b Hint: find one") || strings.Contains(text, "all of it") {
		t.Errorf("the page does not say what is missing in b: %s", text)
	}
}

// The page's policy allows only its one style: a browser refuses a changed style, and
// whatever it would load or run.
func TestPageIsSelfContained(t *testing.T) {
	page := pageOf(t, turning())
	_, style, _ := strings.Cut(page, "<style>")
	style, rest, _ := strings.Cut(style, "</style>")
	sum := sha256.Sum256([]byte(style))
	policy := regexp.MustCompile(`content="(default-src[^"]*)"`).FindStringSubmatch(page)[1]
	policy = strings.NewReplacer("&#39;", "'", "&#43;", "+").Replace(policy)
	want := "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'; base-uri 'none'; form-action 'none'"
	if diff := cmp.Diff(want, policy); diff != "" {
		t.Error(diff)
	}
	if found := regexp.MustCompile(`<(script|img|link|iframe|form)|\s(src|style|on[a-z]+)=|url\(|@import|ZgotmplZ`).FindString(style + rest); found != "" {
		t.Errorf("the page has %s", found)
	}
	for _, m := range regexp.MustCompile(`href="([^"]*)"`).FindAllStringSubmatch(rest, -1) {
		if !strings.HasPrefix(m[1], manual) && !strings.Contains(rest, ` id="`+strings.TrimPrefix(m[1], "#")+`"`) {
			t.Errorf("the page has a link to %s", m[1])
		}
	}
}

func TestTimelineFitsItsAxis(t *testing.T) {
	s := newSection("a", turning().Deliveries[0]).Rotations[0]
	var got []string
	for _, l := range s.Lanes {
		for _, step := range l.Steps {
			got = append(got, strings.Join([]string{l.Name, step.What, step.From.String(), step.To.String()}, ", "))
		}
	}
	want := []string{
		"store, store written, 0.00%, 0.00%",
		"pod/aidbox-7d4, file changed, 0.00%, 16.23%",
		"pod/aidbox-7d4, new value accepted, 16.23%, 16.35%",
		"pod/aidbox-b<1>, not in time: file changed, 0.00%, 95.24%",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if s.DeadlineAt.String() != "95.24%" || s.Beyond {
		t.Errorf("the deadline is at %s, beyond the axis: %v", s.DeadlineAt, s.Beyond)
	}
	// What happened early is not squeezed by a deadline that is far away.
	early := turning().Deliveries[0]
	early.Timeline = early.Timeline[:3]
	if s := newSection("a", early).Rotations[0]; s.Lanes[1].Steps[0].To.String() != "94.54%" || s.DeadlineAt != 100 || !s.Beyond {
		t.Errorf("the file changed at %s, the deadline is at %s, beyond the axis: %v", s.Lanes[1].Steps[0].To, s.DeadlineAt, s.Beyond)
	}
}

func TestPageHasTheWorstFirst(t *testing.T) {
	r := turning()
	r.Deliveries = append([]verify.DeliveryReport{{Name: "fine", Checks: []verify.Result{{ID: "store/reachable", Status: verify.StatusPass}}}}, r.Deliveries...)
	r.Deliveries[1].Target = &verify.Target{Cluster: "https://cluster.example", Namespace: "fhir", Store: "Vault", Aidbox: "https://aidbox.example", AidboxVersion: "2605"}
	r.Command, r.Secretctl = "secretctl verify mount", "1.2.3"
	page := pageOf(t, r)
	text := textOf(t, page)
	for _, want := range []string{"secretctl verify mount · secretctl 1.2.3", "Cluster https://cluster.example Namespace fhir Store Vault Aidbox https://aidbox.example (version 2605)"} {
		if !strings.Contains(text, want) {
			t.Errorf("the page does not have %q: %s", want, text)
		}
	}
	s := newSection("a", r.Deliveries[1])
	if s.Groups[0].Status != verify.StatusFail || s.Groups[0].Checks[0].Status != verify.StatusFail {
		t.Errorf("the first group is %s, its first check %s", s.Groups[0].Status, s.Groups[0].Checks[0].Status)
	}
	if strings.Index(page, ">fine</h2>") < strings.Index(page, ">aidbox</h2>") {
		t.Error("a delivery without failures comes first")
	}
}
