package cmd

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"unicode"
	"unicode/utf16"

	"github.com/spf13/cobra"

	"github.com/secretctl/secretctl/internal/hint"
	"github.com/secretctl/secretctl/internal/secret"
)

// addOutput adds -o with its formats, the first of which is the default.
func addOutput(cmd *cobra.Command, output *string, formats ...string) {
	cmd.Flags().StringVarP(output, "output", "o", formats[0], "output: "+strings.Join(formats, ", "))
	addEnum(cmd, "output", output, formats...)
}

// addEnum makes a command refuse other values of a flag before it starts.
func addEnum(cmd *cobra.Command, flag string, value *string, allowed ...string) {
	_ = cmd.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(allowed, cobra.ShellCompDirectiveNoFileComp))
	before := cmd.PreRunE
	cmd.PreRunE = func(cmd *cobra.Command, args []string) error {
		if !slices.Contains(allowed, *value) {
			named := slices.DeleteFunc(slices.Clone(allowed), func(v string) bool { return v == "" })
			return hint.Usage("must be one of: "+strings.Join(named, ", "), "--%s %q is unknown", flag, *value)
		}
		if before != nil {
			return before(cmd, args)
		}
		return nil
	}
}

// stdout cleans what is written to it, and records whether anything was. A reader that has
// gone, such as head, is no error: the exit code says what the command did.
type stdout struct {
	io.Writer
	used, unread atomic.Bool // unread: the reader has gone
}

func (s *stdout) Write(p []byte) (int, error) {
	s.used.Store(true)
	switch _, err := s.Writer.Write(secret.Visible(p)); {
	case errors.Is(err, syscall.EPIPE):
		s.unread.Store(true)
	case err != nil:
		return 0, err
	}
	return len(p), nil
}

// clear empties the terminal. Text cannot, since it is cleaned.
func (s *stdout) clear() error {
	_, err := io.WriteString(s.Writer, "\x1b[H\x1b[2J")
	return err
}

// credential writes a secret that the user asked for.
func (s *stdout) credential(v secret.Value) error {
	s.used.Store(true)
	_, err := s.Writer.Write(v.Reveal())
	return err
}

// problem returns an error as JSON has it; nil if the output already reports it.
func (a *app) problem(err error) *hint.Problem {
	var texts, hints []string
	for _, m := range messages(err) {
		if m.text != "" {
			texts = append(texts, a.clean(m.text))
		}
		if m.hint != "" {
			hints = append(hints, a.clean(m.hint))
		}
	}
	if len(texts) == 0 {
		return nil
	}
	return &hint.Problem{Message: strings.Join(texts, "; "), Hint: strings.Join(slices.Compact(hints), "; ")}
}

// printFailure prints an error as JSON if the user asked for JSON and nothing was printed
// yet. The output of render is for kubectl, which expects manifests.
func (a *app) printFailure(cmd *cobra.Command, err error) error {
	if cmd == nil || a.stdout.used.Load() {
		return nil
	}
	output := cmd.Flags().Lookup("output")
	if p := a.problem(err); p != nil && output != nil && output.Value.String() == "json" && cmd.Name() != "render" {
		return a.printJSON(struct {
			SchemaVersion int           `json:"schemaVersion"`
			Error         *hint.Problem `json:"error"`
		}{1, p})
	}
	return nil
}

// filesReport is the JSON output of commands that write files, documented in docs/json.md.
type filesReport struct {
	SchemaVersion int           `json:"schemaVersion"`
	Files         []writtenFile `json:"files"`
}

type writtenFile struct {
	Path   string `json:"path"`
	Action string `json:"action"` // fileWritten or fileUnchanged
}

const (
	fileWritten   = "written"
	fileUnchanged = "unchanged"
)

// printJSON prints v as JSON that means the same, but for what repeats a secret value.
func (a *app) printJSON(v any) error {
	var text bytes.Buffer
	enc := json.NewEncoder(&text)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(v); err != nil {
		return err
	}
	_, err := a.Out.Write(escapeUnseen(a.withhold(text.Bytes())))
	return err
}

var jsonString = regexp.MustCompile(`"(?:[^"\\]|\\.)*":?`)

// withhold replaces each string of a JSON text that repeats a secret value. It leaves the
// keys, which are secretctl's own or those of a resource that is clean already.
func (a *app) withhold(text []byte) []byte {
	cleaned := map[string][]byte{} // most strings repeat others, and searching one takes long
	return jsonString.ReplaceAllFunc(text, func(s []byte) []byte {
		if bytes.HasSuffix(s, []byte(":")) {
			return s
		}
		if _, again := cleaned[string(s)]; !again {
			cleaned[string(s)] = s
			if a.sanitizer.Repeats(string(s)) {
				cleaned[string(s)] = []byte(strconv.Quote(a.sanitizer.Text(string(s))))
			}
		}
		return cleaned[string(s)]
	})
}

// escapeUnseen writes as \uXXXX every character that is invisible or changes how others
// are shown, and the second of two number signs, which start a command of a CI system. The
// JSON means the same.
func escapeUnseen(text []byte) []byte {
	var out bytes.Buffer
	var last rune
	for _, r := range string(text) {
		switch {
		case r == '\n' || unicode.IsPrint(r) && !unicode.In(r, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector) && (r != '#' || last != '#'):
			out.WriteRune(r)
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			fmt.Fprintf(&out, `\u%04x\u%04x`, high, low)
		default:
			fmt.Fprintf(&out, `\u%04x`, r)
		}
		last = r
	}
	return out.Bytes()
}
