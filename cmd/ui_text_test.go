package cmd

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/secretctl/secretctl/internal/secret"
)

func TestLinesBreakBetweenWords(t *testing.T) {
	for _, test := range []struct {
		line  string
		width int
		want  string
	}{
		{"error: vault: sealed", 0, "error: vault: sealed"},
		{"error: vault: sealed", 80, "error: vault: sealed"},
		{"error: vault: sealed", 14, "error: vault:\n  sealed"},
		{"hint: https://vault.example.com:8200/v1/sys/health is long", 20, "hint:\n  https://vault.example.com:8200/v1/sys/health\n  is long"},
		{"é é é é", 3, "é é\n  é\n  é"},
	} {
		if got := wrap(test.line, test.width, "  "); got != test.want {
			t.Errorf("%q in %d columns is %q", test.line, test.width, got)
		}
	}
}

func TestTableHasColumnsAndWrapsTheLastOnATerminal(t *testing.T) {
	var out bytes.Buffer
	s := &secret.Sanitizer{}
	s.Learn(secret.New([]byte("hunter2-value")))
	a := &app{IO: IO{Out: &out, Columns: func() int { return 40 }}, sanitizer: s}
	for _, test := range []struct {
		terminal bool
		want     string
	}{
		{false, `# berlin
store   create     a  version 1 of a new secret
policy  unchanged  a
store   update     b  (message withheld: it repeats a secret value)
role    create     c  forged store create x
`},
		{true, `# berlin
store  create  a  version 1 of a new
                  secret
`},
	} {
		tb := &table{}
		tb.heading("berlin")
		tb.row("store", "create", "a", "version 1 of a new secret")
		if !test.terminal {
			tb.row("policy", "unchanged", "a", "")
			tb.row("store", "update", "b", "was hunter2-value")
			tb.row("role", "create", "c", "forged\nstore  create\x1b[2K x")
		}
		out.Reset()
		a.OutTerminal = test.terminal
		if err := a.print(tb); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(test.want, out.String()); diff != "" {
			t.Errorf("terminal %v (-want +got)\n%s", test.terminal, diff)
		}
	}
}

func TestFoldKeepsTheColumnOfTheLastCell(t *testing.T) {
	const text = "aidbox\n  \x1b[31m×\x1b[0m mount/present  client-secret  the file does not exist in this mount\n" +
		"      hint: mount the volume at the path that the config of this delivery names\n"
	if got := fold(text, 0); got != text {
		t.Errorf("without a terminal:\n%s", got)
	}
	want := "aidbox\n  \x1b[31m×\x1b[0m mount/present  client-secret  the file does not exist in this\n" +
		"                                  mount\n" +
		"      hint: mount the volume at the path that the config of this\n      delivery names\n"
	if diff := cmp.Diff(want, fold(text, 68)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	want = "aidbox\n  \x1b[31m×\x1b[0m mount/present  client-secret\n      the file does not exist in this mount\n"
	if got := fold(text, 60); !strings.HasPrefix(got, want) {
		t.Errorf("at 60 columns:\n%s", got)
	}
	want = "- the folder does not\n  exist\n"
	if got := fold("- the folder does not exist\n", 24); got != want {
		t.Errorf("an item of a list:\n%s", got)
	}
}
