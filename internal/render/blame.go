package render

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"text/template/parse"
)

// textError says that what a template gave cannot be read. It may name lines of it.
type textError struct{ error }

// blame says where the template is wrong that gave a text with that error: what is
// a line of the text in the error becomes one of the template.
func (t source) blame(v *view, text []byte, err error) error {
	if _, ok := errors.AsType[textError](err); !ok {
		return t.errorf("%s: %w", t.path, err)
	}
	origin := t.origins(v)
	first := 0
	message := regexp.MustCompile(`\bline \d+`).ReplaceAllStringFunc(err.Error(), func(found string) string {
		n, _ := strconv.Atoi(strings.TrimPrefix(found, "line "))
		if n = min(n, len(origin)); n < 1 {
			return found
		}
		if first == 0 {
			first = origin[n-1]
		}
		return "line " + strconv.Itoa(origin[n-1])
	})
	if n := unknownField(text, message); n > 0 && n <= len(origin) {
		first = origin[n-1]
	}
	if first == 0 {
		return t.errorf("%s: %s", t.path, message)
	}
	return t.errorf("%s:%d: %s", t.path, first, message)
}

// unknownField returns the line of the text that has the unknown field of an error;
// 0 where there are several that may be meant.
func unknownField(text []byte, message string) int {
	found := regexp.MustCompile(`unknown field "(?:[^"]*\.)?([^".]+)"`).FindStringSubmatch(message)
	if found == nil {
		return 0
	}
	key := regexp.MustCompile(`(?m)(?:^|[ {,])"?` + regexp.QuoteMeta(found[1]) + `"?:`)
	at := key.FindAllIndex(text, 2)
	if len(at) != 1 {
		return 0
	}
	return 1 + bytes.Count(text[:at[0][1]], []byte("\n"))
}

// origins returns for each line that the template gives the line of the template
// that it comes from. To know, it executes the template again, each line marked
// with its number.
func (t source) origins(v *view) []int {
	marked, err := t.parse()
	if err != nil {
		return nil
	}
	for _, part := range marked.Templates() {
		if part.Tree != nil {
			t.mark(part.Root)
		}
	}
	var out strings.Builder
	if err := marked.Execute(&out, v); err != nil {
		return nil
	}
	number := regexp.MustCompile("\x00(\\d+)\x00")
	var origin []int
	line := 1
	for given := range strings.SplitSeq(out.String(), "\n") {
		if m := number.FindStringSubmatch(given); m != nil {
			line, _ = strconv.Atoi(m[1])
		}
		if len(origin) > 0 || number.ReplaceAllString(given, "") != "" { // blank ones at the top are cut off
			origin = append(origin, line)
		}
	}
	return origin
}

// mark puts its number at the beginning of each line of a template's text.
func (t source) mark(list *parse.ListNode) {
	if list == nil {
		return
	}
	for _, node := range list.Nodes {
		switch n := node.(type) {
		case *parse.TextNode:
			line := 1 + strings.Count(t.text[:n.Pos], "\n")
			var text []byte
			for _, c := range n.Text {
				text = append(text, c)
				if c == '\n' {
					line++
					text = fmt.Appendf(text, "\x00%d\x00", line)
				}
			}
			n.Text = text
		case *parse.IfNode:
			t.mark(n.List)
			t.mark(n.ElseList)
		case *parse.RangeNode:
			t.mark(n.List)
			t.mark(n.ElseList)
		case *parse.WithNode:
			t.mark(n.List)
			t.mark(n.ElseList)
		}
	}
}
