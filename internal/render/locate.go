package render

import (
	"bytes"
	"cmp"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"text/template/parse"
)

// locate adds to an error about the output of the template the line that it comes from:
// lines of the output that the error names become lines of the template.
func (t source) locate(v *view, text []byte, err error) error {
	origin := t.origins(v)
	first := 0
	message := regexp.MustCompile(`\bline \d+`).ReplaceAllStringFunc(err.Error(), func(found string) string {
		n, _ := strconv.Atoi(strings.TrimPrefix(found, "line "))
		if n = min(n, len(origin)); n < 1 {
			return found
		}
		first = cmp.Or(first, origin[n-1])
		return fmt.Sprintf("line %d", origin[n-1])
	})
	if n := unknownField(text, message); 0 < n && n <= len(origin) {
		first = origin[n-1]
	}
	if first == 0 {
		return t.errorf("%s: %s", t.path, message)
	}
	return t.errorf("%s:%d: %s", t.path, first, message)
}

// unknownField returns the line of the text with the unknown field that an error names; 0
// unless there is exactly one.
func unknownField(text []byte, message string) int {
	found := regexp.MustCompile(`unknown field "(?:[^"]*\.)?([^".]+)"`).FindStringSubmatch(message)
	if found == nil {
		return 0
	}
	at := regexp.MustCompile(`(?m)(?:^|[ {,])"?`+regexp.QuoteMeta(found[1])+`"?:`).FindAllIndex(text, 2)
	if len(at) != 1 {
		return 0
	}
	return 1 + bytes.Count(text[:at[0][1]], []byte("\n"))
}

// origins returns for each line of the template's output the line of the template that it
// comes from. To find out, it executes the template again with each line marked.
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
	mark := regexp.MustCompile("\x00(\\d+)\x00")
	var origin []int
	line := 1
	for output := range strings.SplitSeq(out.String(), "\n") {
		if m := mark.FindStringSubmatch(output); m != nil {
			line, _ = strconv.Atoi(m[1])
		}
		if len(origin) > 0 || mark.ReplaceAllString(output, "") != "" { // the output has no blank lines at the top
			origin = append(origin, line)
		}
	}
	return origin
}

// mark inserts its number at the beginning of each line of a template's text.
func (t source) mark(lists ...*parse.ListNode) {
	for _, list := range lists {
		if list == nil {
			continue
		}
		for _, node := range list.Nodes {
			switch n := node.(type) {
			case *parse.TextNode:
				line := 1 + strings.Count(t.text[:n.Pos], "\n")
				text := n.Text
				n.Text = nil
				for i, part := range bytes.SplitAfter(text, []byte("\n")) {
					if i > 0 {
						n.Text = fmt.Appendf(n.Text, "\x00%d\x00", line+i)
					}
					n.Text = append(n.Text, part...)
				}
			case *parse.IfNode:
				t.mark(n.List, n.ElseList)
			case *parse.RangeNode:
				t.mark(n.List, n.ElseList)
			case *parse.WithNode:
				t.mark(n.List, n.ElseList)
			}
		}
	}
}
