package config

import (
	"fmt"
	"regexp"
	"strings"
	"sync"
	"unicode/utf8"
)

// maxLines bounds a list of problems, as it is printed.
const maxLines = 50

// Error lists everything that is wrong with a config, in the order of the files. Of a
// list of more than 50 lines, the last problem says how many more there are.
type Error struct{ Problems []Problem }

// Problem is one thing that is wrong. Neither its message nor its hint quotes a value
// from the file, which may be a secret in the wrong place; only a secret's name and a
// resource's id can be in a hint.
type Problem struct {
	File    string `json:"file"`
	Line    int    `json:"line,omitempty"`   // 0 if the problem is the file itself
	Column  int    `json:"column,omitempty"` // in characters; 0 if something is missing
	Path    string `json:"path,omitempty"`   // secrets[0].scope; "" for the document
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty"`
	Excerpt string `json:"-"` // the line, of which only keys are shown, and a mark below it; may be ""
}

// Error returns a line for each problem.
func (e *Error) Error() string {
	lines := make([]string, len(e.Problems))
	for i, p := range e.Problems {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}

// Usage reports that nothing was attempted.
func (*Error) Usage() bool { return true }

// String returns "file:line:column: path: message".
func (p Problem) String() string {
	if p.File == "" {
		return p.Message
	}
	s := p.File
	if p.Line > 0 {
		s += fmt.Sprintf(":%d", p.Line)
	}
	if p.Column > 0 {
		s += fmt.Sprintf(":%d", p.Column)
	}
	if p.Path != "" {
		s += ": " + p.Path
	}
	return s + ": " + p.Message
}

// shorten cuts a list of problems to maxLines, and adds how many it left out, with those
// that were only counted.
func shorten(problems []Problem, unlisted int) []Problem {
	lines := 0
	for i, p := range problems {
		lines += 2 // the problem and its hint
		if p.Excerpt != "" {
			lines += 1 + strings.Count(p.Excerpt, "\n")
		}
		if lines >= maxLines {
			problems, unlisted = problems[:i:i], unlisted+len(problems)-i
			break
		}
	}
	if unlisted > 0 {
		problems = append(problems, Problem{Message: fmt.Sprintf("and %d more", unlisted)})
	}
	return problems
}

const (
	masked       = "…"
	excerptWidth = 100 // of a line
)

// word is a quoted text, a comment, or what stands between the punctuation of YAML.
var word = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`"(?:[^"\\]|\\.)*"?|'[^']*'?|#.*|[^\s{}\[\],:]+`)
})

// addExcerpts shows the lines of the document's problems.
func (doc *document) addExcerpts() {
	if len(doc.problems) == 0 {
		return
	}
	var known keys
	lines := strings.Split(strings.ReplaceAll(string(doc.text), "\t", " "), "\n")
	for i := range doc.problems {
		p := &doc.problems[i]
		if n := p.Line - doc.line; n < len(lines) {
			p.Excerpt = p.excerpt(strings.TrimRight(lines[n], " \r"), &known)
		}
	}
}

// excerpt returns a line and below it a mark at the problem. All is masked but keys, which
// are words of this program, and the key that the problem's path names.
func (p *Problem) excerpt(line string, known *keys) string {
	var out []rune
	mark, width, end, column, last := -1, 0, 0, 1, ""
	for _, at := range word().FindAllStringIndex(line, -1) {
		before, text := line[end:at[0]], line[at[0]:at[1]]
		end = at[1]
		column += utf8.RuneCountInString(before)
		here := column == p.Column
		column += utf8.RuneCountInString(text)
		name := strings.Trim(text, `"'`)
		isKey := strings.HasPrefix(line[end:], ":") && (known.elsewhere(name) != "" || here && strings.HasSuffix(p.Path, name))
		if text != "-" && text != "?" && !isKey {
			text = masked
		}
		if text == masked && last == masked && strings.Trim(before, " :") == "" {
			continue // of the same value
		}
		out = append(out, []rune(before)...)
		if here {
			mark, width = len(out), utf8.RuneCountInString(text)
		}
		out = append(out, []rune(text)...)
		last = text
	}
	out = append(out, []rune(line[end:])...)
	if len(out) == 0 {
		return ""
	}
	if len(out) > excerptWidth { // such as JSON in one line
		if cut := mark - excerptWidth/2; cut > 0 {
			out, mark = append([]rune(masked), out[cut:]...), mark-cut+1
		}
		out = append(out[:min(len(out), excerptWidth)], []rune(masked)...)
	}
	number := fmt.Sprintf("  %d", p.Line)
	shown := number + " | " + string(out)
	if mark >= 0 {
		shown += "\n" + strings.Repeat(" ", len(number)) + " | " + strings.Repeat(" ", mark) + strings.Repeat("^", width)
	}
	return shown
}
