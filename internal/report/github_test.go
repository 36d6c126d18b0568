package report

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/secretctl/secretctl/internal/verify"
)

func summaryOf(t *testing.T, r Report) string {
	t.Helper()
	var out bytes.Buffer
	must(t, Write(&out, "github", r, true))
	return out.String()
}

// A text must neither break out of its cell nor show as something else.
const wild = "a|b `c` <b>&amp; [x](y) *z* _u_ \\ #1\r\n::error::no"

func TestSummaryEscapesMarkdown(t *testing.T) {
	bad := verify.Fail("%s", wild).WithHint("%s", wild)
	bad.ID, bad.Doc, bad.Subject = "mount/present", manual+"mount-present", wild
	got := summaryOf(t, New([]verify.DeliveryReport{{Name: "a|b", Checks: []verify.Result{bad}}}, nil))
	shown := "a\\|b \\`c\\` &lt;b&gt;&amp;amp; \\[x\\](y) \\*z\\* \\_u\\_ \\\\ #<!-- -->1 ::error::no"
	want := "## × 1 check failed\n\n1 check: 1 failed\n\n### a\\|b\n\n| status | check | subject | found |\n| --- | --- | --- | --- |\n" +
		"| × fail | [mount/present](" + manual + "mount-present) | " + shown + " | " + shown + "<br>Hint: " + shown + " |\n"
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// GitHub makes links even of text without Markdown, and formulas of what is between dollars.
func TestSummaryMakesNoLinkOfWhatAServerSays(t *testing.T) {
	for text, want := range map[string]string{
		"log in at https://evil.example/vault": "log in at https:<!-- -->//evil.example/vault",
		"FTP://a www.evil.example":             "FTP:<!-- -->//a www<!-- -->.evil.example",
		"mailto:a@evil.example, @b":            "mailto:a@<!-- -->evil.example, @<!-- -->b",
		"x/y#1, #2, GH-3":                      "x/y#<!-- -->1, #<!-- -->2, GH<!-- -->-3",
		`$\text{passed}$`:                      `<span>$</span>\\text{passed}<span>$</span>`,
	} {
		bad := verify.Fail("%s", text).WithHint("%s", text)
		bad.ID, bad.Doc, bad.Subject = "mount/present", manual+"mount-present", text
		got := summaryOf(t, New([]verify.DeliveryReport{{Name: "a", Checks: []verify.Result{bad}, Error: &verify.SetupError{Message: text, Hint: text}}}, nil))
		if strings.Count(got, want) != 5 || strings.Count(got, text) > 0 || !strings.Contains(got, "[mount/present]("+manual+"mount-present)") {
			t.Errorf("%q became\n%s", text, got)
		}
	}
}

func TestSummaryHasTheWorstFirstAndCountsTheRest(t *testing.T) {
	got := summaryOf(t, turning())
	at := -1
	for _, want := range []string{
		"## × 1 check failed", "| × fail |", "| ? unknown |", "| ! warn |", "| - skip |",
		"<details><summary>1 passed</summary>", "| 40.9 | pod/aidbox-7d4 | file changed |", "| 240.0 | pod/aidbox-b&lt;1&gt; | not in time: file changed |", "### second",
	} {
		i := strings.Index(got, want)
		if i < at || i < 0 {
			t.Errorf("%q is not there, or too early:\n%s", want, got)
		}
		at = i
	}
	if got := summaryOf(t, New(nil, &verify.SetupError{Message: "no <config>"})); !strings.Contains(got, "**Did not finish:** no &lt;config&gt;") {
		t.Error(got)
	}
	own := New([]verify.DeliveryReport{{Name: "b", Error: &verify.SetupError{Message: "no way", Hint: "find one"}}}, &verify.SetupError{Message: "all of it"})
	if got := summaryOf(t, own); !strings.HasSuffix(got, "### b\n\n**Did not finish:** no way\n\nHint: find one\n") || strings.Contains(got, "all of it") {
		t.Error(got)
	}
}

func TestSummaryStaysBelowTheLimitOfGitHub(t *testing.T) {
	var all []verify.DeliveryReport
	for i := range 20 {
		d := verify.DeliveryReport{Name: fmt.Sprint(i)}
		for range 1000 {
			r := verify.Fail("%s", strings.Repeat("why ", 50)).WithHint("%s", strings.Repeat("so ", 50))
			r.ID = "mount/present"
			d.Checks = append(d.Checks, r)
		}
		all = append(all, d)
	}
	got := summaryOf(t, New(all, nil))
	if len(got) > 1<<20 || !strings.Contains(got, "and 950 more") {
		t.Errorf("%d bytes", len(got))
	}
}

func TestAnnotationsAreCommandsOnALineEach(t *testing.T) {
	bad := verify.Fail("%s", "100% of\r\n::error::x")
	bad.ID, bad.Subject = "mount/present", "a:b,c"
	r := New([]verify.DeliveryReport{{Name: "d", Checks: append([]verify.Result{
		{ID: "auth/token", Subject: "Client/a", Status: verify.StatusWarn, Detail: "so so", Hint: "look"},
		{ID: "auth/token", Subject: "Client/b", Status: verify.StatusSkip, Detail: "no"},
		{ID: "auth/token", Subject: "Client/c", Status: verify.StatusPass, Detail: "yes"},
		{ID: "client/exists", Subject: "Client/a", Status: verify.StatusUnknown, Detail: "no answer"},
	}, bad)}}, &verify.SetupError{Message: "stopped"})
	var out bytes.Buffer
	must(t, Annotate(&out, r))
	want := `::error title=secretctl did not finish::stopped
::error title=d fail%3A mount/present a%3Ab%2Cc::100%25 of ::error::x
::error title=d unknown%3A client/exists Client/a::no answer
::warning title=d warn%3A auth/token Client/a::so so%0Ahint: look
`
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Error(diff)
	}
}
