package secret

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/secretctl/secretctl/internal/hint"
)

func knowing(values ...string) *Sanitizer {
	s := &Sanitizer{}
	for _, v := range values {
		s.Learn(New([]byte(v)))
	}
	return s
}

func TestLineIsOneShortLineWithoutControlCharactersOrCommands(t *testing.T) {
	for text, want := range map[string]string{
		"plain: text, as it is":             "plain: text, as it is",
		"größe 大小 ✓ é":                      "größe 大小 ✓ é",
		"two\nlines\r\nand\ttabs":           "two lines and tabs",
		"\x1b]52;c;cm0=\x07\x1b[2J\u009b1m": "]52;c;cm0=",
		"a\u202egnp.exe\u2066b\u200fc":      "a gnp.exe b c",
		"a\u200bb\u00adc\ufeffd\u2060e":     "a b c d e",
		"a\u034fb\u3164c\ufe0fd\u2800e":     "a b c d e",
		"a\u2028b\u2029c\u0085d\x00e":       "a b c d e",
		"bad \xff\xfe bytes":                "bad \ufffd bytes",
		"  \n ":                             "",

		"::error title=x::forged":               ": :error title=x::forged",
		"\n ::stop-commands::pwn":               ": :stop-commands::pwn",
		"see ::error::forged":                   "see : :error::forged",
		"::add-mask::a ::error::b":              ": :add-mask: :a : :error::b",
		"a:::error::b":                          "a:: :error::b",
		"http://[::1]:8200 and fd00::a1 stay":   "http://[::1]:8200 and fd00::a1 stay",
		"C++ a::b stays":                        "C++ a::b stays",
		"::warning":                             ": :warning",
		"##[error]forged ###[x] ##vso[task.x]y": "# #[error]forged ## #[x] # #vso[task.x]y",
		"##\u200b[error]":                       "## [error]",
		"# # heading ## stays":                  "# # heading ## stays",
	} {
		got := knowing("c4nary-v4lue").Line(text)
		if got != want {
			t.Errorf("%q\ngot  %q\nwant %q", text, got, want)
		}
		if again := (*Sanitizer)(nil).Line(got); again != got {
			t.Errorf("%q becomes %q when it is cleaned again", got, again)
		}
	}
}

func TestLineIsCutAfterTheSearchForValues(t *testing.T) {
	long := strings.Repeat("é", 300)
	got := knowing(canary).Line(long)
	if utf8.RuneCountInString(got) != 200 || !strings.HasSuffix(got, "é…") {
		t.Errorf("got %q", got)
	}
	if again := knowing(canary).Line(got); again != got {
		t.Errorf("%q becomes %q", got, again)
	}
	if got := knowing(canary).Line(strings.Repeat("x", 195) + canary); got != withheld {
		t.Errorf("the start of a value at the cut: %q", got)
	}
}

func TestTailKeepsTheEndOfALongText(t *testing.T) {
	s := knowing(canary)
	got := s.Tail("MountVolume.SetUp failed\n" + strings.Repeat("ä ", 400) + "invalid role\x1b name")
	if utf8.RuneCountInString(got) != 400 || !strings.HasPrefix(got, "…") || !strings.HasSuffix(got, "ä invalid role name") {
		t.Errorf("got %q", got)
	}
	if again := s.Line(got); again != got {
		t.Errorf("it becomes %q", again)
	}
	if got := s.Tail(canary + strings.Repeat("x", 395)); got != withheld {
		t.Errorf("the end of a value at the cut: %q", got)
	}
}

func TestJoinFindsAValueThatIsSpreadOverPieces(t *testing.T) {
	s := knowing(canary)
	if got := s.Join("; ", "first", "", "second\n"); got != "first; second" {
		t.Errorf("got %q", got)
	}
	if got := s.Join("; error: ", canary[:6], canary[6:]); got != withheld {
		t.Errorf("got %q", got)
	}
}

func TestTextKeepsItsLines(t *testing.T) {
	const text = "kind: Pod\r\n\tname: a\x1b[0m\n  ::error::x\n\n# ##[group]y\xff\n"
	const want = "kind: Pod\n\tname: a\n  : :error::x\n\n# # #[group]y\ufffd\n"
	s := knowing(canary)
	if got := s.Text(text); got != want || s.Text(got) != want {
		t.Errorf("got %q", got)
	}
	if got := s.Text("a: b\nc: " + canary + "\n"); got != withheld {
		t.Errorf("got %q", got)
	}
	if long := strings.Repeat("word ", 1000); s.Text(long) != long {
		t.Error("a long line was cut")
	}
}

func TestTreeMasksValuesAndCleansStringsAndKeys(t *testing.T) {
	in := map[string]any{
		"id": "basic", "n": 1.5, "b": true, "none": nil, "description": "is " + canary,
		"\x1b[31mkey": []any{"a\u202eb", map[string]any{canary: "##[error]x", "lines": "a\nb"}},
	}
	want := map[string]any{
		"id": "basic", "n": 1.5, "b": true, "none": nil, "description": mask,
		"key": []any{"a b", map[string]any{withheld: "# #[error]x", "lines": "a\nb"}},
	}
	if diff := cmp.Diff(want, knowing(canary).Tree(in)); diff != "" {
		t.Error(diff)
	}
	if in["description"] != "is "+canary {
		t.Error("what was given in has changed")
	}
}

func TestTreeMasksANumberThatRepeatsAValue(t *testing.T) {
	got := knowing("4821937465012", "2718").Tree(map[string]any{"a": 4821937465012.0, "b": []any{2718.0, 2719.0}, "c": 48219374650.0})
	if diff := cmp.Diff(map[string]any{"a": mask, "b": []any{mask, 2719.0}, "c": mask}, got); diff != "" {
		t.Error(diff)
	}
}

func TestTreeWithholdsAValueThatIsSpread(t *testing.T) {
	const value = "q7Rm2XkPz9Lw4TvB8nYc3HdG"
	var pieces, codes []any
	cells := map[string]any{}
	for i := 0; i < len(value); i += 4 {
		pieces = append(pieces, value[i:i+4])
		cells[fmt.Sprintf("field%d", i/4)] = map[string]any{"n": value[i : i+4]}
	}
	for _, r := range value {
		codes = append(codes, float64(r))
	}
	for name, tree := range map[string]any{"items": pieces, "codes": codes, "cells": cells, "key and value": map[string]any{value[:7]: value[7:14]}} {
		if got := knowing(value).Tree(map[string]any{"id": "basic", "at": tree}); got != withheld {
			t.Errorf("%s: %v", name, got)
		}
	}
	if got := knowing("aaxyzbbxyzccxyzdd").Tree(map[string]any{"aaxyz": true, "bbxyz": true, "ccxyz": 1.0}); got != withheld {
		t.Errorf("keys: %v", got)
	}
	apart := map[string]any{"a": "q7Rm2Xk", "b": "client-secret", "c": "Pz9Lw4T", "d": []any{1.0, 2.0, nil}}
	if diff := cmp.Diff(apart, knowing(value).Tree(apart)); diff != "" {
		t.Error(diff)
	}
}

func TestErrKeepsTheChainAndTheHint(t *testing.T) {
	err := knowing(canary).Err(hint.Wrap(&fs.PathError{Op: "open", Path: "a\nb", Err: fs.ErrNotExist}, "look"))
	if err.Error() != "open a b: file does not exist" || !errors.Is(err, fs.ErrNotExist) || hint.Of(err) != "look" {
		t.Errorf("%v, hint %q", err, hint.Of(err))
	}
	if err := knowing(canary).Err(errors.New("you sent " + canary)); err.Error() != withheld {
		t.Errorf("%v", err)
	}
	if knowing().Err(nil) != nil {
		t.Error("no error became one")
	}
}

func TestANilSanitizerCleansAndKnowsNothing(t *testing.T) {
	var s *Sanitizer
	s.Learn(New([]byte(canary)))
	if s.Repeats(canary) || s.Line(canary+"\n") != canary || s.Tree(canary) != canary {
		t.Error("it knows a value")
	}
}

func TestSeveralGoroutinesMayUseASanitizer(t *testing.T) {
	s := &Sanitizer{}
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			s.Learn(New([]byte(canary)))
			if got := s.Line("you sent " + canary); got != withheld {
				t.Errorf("got %q", got)
			}
		})
	}
	group.Wait()
}
