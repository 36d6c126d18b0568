package cmd

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/diff"
	"github.com/secretctl/secretctl/internal/drift"
	"github.com/secretctl/secretctl/internal/secret"
	"github.com/secretctl/secretctl/internal/store"
	"github.com/secretctl/secretctl/test/secrettest"
)

func TestJSONShowsNothingThatCannotBeSeen(t *testing.T) {
	const hostile = "a\u202eb\u200bc\U000e0041##vso[task.complete]\x1b[2K\n::error::x"
	var out bytes.Buffer
	if err := (&app{IO: IO{Out: &out}}).printJSON(map[string]string{"detail": hostile}); err != nil {
		t.Fatal(err)
	}
	if text := out.String(); strings.ContainsAny(text, "\u202e\u200b\U000e0041\x1b") || strings.Contains(text, "##") || strings.Contains(text, "\n:") {
		t.Errorf("%q", text)
	}
	var back map[string]string
	if err := json.Unmarshal(out.Bytes(), &back); err != nil || back["detail"] != hostile {
		t.Errorf("%q, %v", back["detail"], err)
	}
}

func TestJSONWithholdsWhatRepeatsAValue(t *testing.T) {
	const value, withheld = `hunter2-"<é>-value`, "(message withheld: it repeats a secret value)"
	var out bytes.Buffer
	a := &app{IO: IO{Out: &out}, sanitizer: &secret.Sanitizer{}}
	a.sanitizer.Learn(secret.New([]byte(value)))
	changes := []store.Change{{Phase: "auth", Object: value, Detail: "issuer is https://" + url.QueryEscape(value)}, {Phase: "role", Object: "aidbox", Detail: `is "` + value + `"`, Warning: "\x1b[1m\"quoted\": kept"}}
	done := []outcome[[]store.Change]{{delivery: &config.Delivery{Name: "aidbox"}, result: changes}}
	if err := a.printChanges(done, false, "json"); err != nil {
		t.Fatal(err)
	}
	var got changesReport
	if err := json.Unmarshal(out.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	want := []store.Change{{Phase: "auth", Object: withheld, Detail: withheld}, {Phase: "role", Object: "aidbox", Detail: withheld, Warning: "\x1b[1m\"quoted\": kept"}}
	if wrong := cmp.Diff(want, got.Deliveries[0].Changes); wrong != "" || a.sanitizer.Repeats(out.String()) {
		t.Errorf("%s\n%s", wrong, out.String())
	}
}

func TestDiffHidesAValueThatIsSpreadOverFields(t *testing.T) {
	a := &app{sanitizer: &secret.Sanitizer{}}
	a.sanitizer.Learn(secret.New([]byte("q7Rm2XkPz9Lw4TvB8nYc")))
	object := func(parts ...string) drift.Object {
		o := drift.Object{}
		for i, part := range parts {
			o.Fields = append(o.Fields, diff.Field{Path: fmt.Sprint("data.", i), Before: json.RawMessage(strconv.Quote(part)), After: json.RawMessage("1")})
		}
		return o
	}
	spread, apart := object("q7Rm2", "XkPz9", "Lw4Tv"), object("q7Rm2", "other", "Lw4Tv")
	a.cleanDiff(drift.Report{Deliveries: []drift.Delivery{{Parts: []drift.Part{{Objects: []drift.Object{spread, apart}}}}}})
	for i := range spread.Fields {
		if f := spread.Fields[i]; f.Before != nil || f.After != nil || !f.Hidden || apart.Fields[i].Hidden {
			t.Errorf("%s, %s", f, apart.Fields[i])
		}
	}
}

func TestNamesOfFilesAndContextsForgeNothing(t *testing.T) {
	hostile := strings.NewReplacer("/", "", "\x00", "").Replace(secrettest.Attack)
	dir := t.TempDir()
	file := filepath.Join(dir, hostile+".yaml")
	config := "apiVersion: secretctl.dev/v1\nprovider: vault\nvault: {address: \"http://127.0.0.1:1\"}\nsecrets: [{name: a, scope: [Client]}]\n"
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"config", "validate"},
		{"config", "validate", "-o", "json"},
		{"config", "view"},
		{"graph"},
		{"graph", "-o", "dot"},
		{"explain", hostile},
		{"install", "--dry-run", "--context", hostile},
		{"render", "--dir", filepath.Join(dir, hostile)},
		{"templates", "export", "--dir", filepath.Join(dir, hostile+"2")},
		{"verify", "mount", "--mount-path", hostile},
		{"verify", "mount", "--mount-path", hostile, "-o", "json"},
		{"init", "--provider", "vault", "--no-input"},
		{"client", "get", hostile},
		{"config", "validate", "-c", dir},
		{"config", "validate", "-c", file + hostile},
		{"config", "validate", "-c", filepath.Join(dir, "none", hostile)},
	} {
		var out, narration bytes.Buffer
		Run(t.Context(), append([]string{args[0], "-c", file}, args[1:]...), IO{In: strings.NewReader(""), Out: &out, Err: &narration, LookupEnv: func(string) (string, bool) { return "", false }})
		text := out.String() + narration.String()
		for line := range strings.Lines(text) {
			if forged := secrettest.Forged(strings.TrimSuffix(line, "\n")); forged != "" || text == "" {
				t.Errorf("%s: %s in %q", args[0], forged, line)
			}
		}
	}
}

func TestStdoutShowsWhatCanBeSeen(t *testing.T) {
	var got bytes.Buffer
	out := &stdout{Writer: &got}
	const seen, color = "a: \tb\n", "\x1b[1;31mred\x1b[0m\n"
	if _, err := out.Write([]byte(seen + color + "\x1b[2J\u202ex\r\x1b]52;c;QQ\x07\xff\n")); err != nil || got.String() != seen+color+" [2J x  ]52;c;QQ \uFFFD\n" {
		t.Errorf("%q, %v", got.String(), err)
	}
}

func TestWhatALoginProgramWritesIsCleaned(t *testing.T) {
	const want = "code 1234: ok\n: :error::forged\n(message withheld: it repeats a secret value)\n"
	for _, terminal := range []bool{true, false} {
		s := &secret.Sanitizer{}
		s.Learn(secret.New([]byte("hunter2-value")))
		var got bytes.Buffer
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		end := newConsole(&got, s).relay(pipe{r, w}, terminal)
		_, _ = io.WriteString(w, "\x1b[2Jcode 1234: ")
		<-time.After(3 * promptAfter)
		_, _ = io.WriteString(w, "ok\n:")
		_, _ = io.WriteString(w, ":error::forged\nyour value is hunter2-value")
		end()
		if got.String() != want {
			t.Errorf("terminal %t: %q", terminal, got.String())
		}
	}
}
