// Package explain finds what docs/checks.md says of a check, and shows it on a
// terminal. It knows as much Markdown as that page uses: paragraphs, lists, tables,
// and what stands inside a line.
package explain

import (
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/secretctl/secretctl/docs"
)

// width is how long a line of text is at most, unless a word is longer.
const width = 80

// Section returns in Markdown what the page says of a check, without the heading.
func Section(id string) (markdown string, ok bool) {
	_, rest, ok := strings.Cut(docs.Checks, "\n### <a id=\""+strings.ReplaceAll(id, "/", "-")+"\"></a>`"+id+"`\n")
	if next := heading.FindStringIndex(rest); next != nil {
		rest = rest[:next[0]]
	}
	return strings.TrimSpace(rest) + "\n", ok
}

var heading = regexp.MustCompile(`(?m)^##`)

// Text returns Markdown as plain text, wrapped. A row of a table becomes an item of
// a list.
func Text(markdown string) string {
	var out strings.Builder
	block := ""
	flush := func() {
		if block != "" {
			out.WriteString(wrap(inline(block)))
		}
		block = ""
	}
	wasItem := false
	for line := range strings.Lines(markdown) {
		line = strings.TrimRight(line, "\n")
		isItem := strings.HasPrefix(line, "- ") || strings.HasPrefix(line, "|")
		switch {
		case line == "":
			flush()
			out.WriteString("\n")
		case strings.HasPrefix(line, "|-"):
			block = "" // the head of the table
		case strings.HasPrefix(line, "|"):
			flush()
			block = row(line)
		case isItem:
			if flush(); !wasItem {
				out.WriteString("\n")
			}
			block = line
		case block == "":
			block = line
		default:
			block += " " + strings.TrimSpace(line)
		}
		wasItem = isItem || wasItem && line != ""
	}
	flush()
	return blanks.ReplaceAllString(strings.TrimSpace(out.String()), "\n\n") + "\n"
}

var blanks = regexp.MustCompile(`\n{3,}`)

// row turns a row of a table into an item.
func row(line string) string {
	cells := strings.Split(strings.ReplaceAll(strings.Trim(line, "|"), `\|`, "\x00"), "|")
	for i, c := range cells {
		cells[i] = strings.ReplaceAll(strings.TrimSpace(c), "\x00", "|")
	}
	return "- " + cells[0] + ": " + strings.Join(cells[1:], "; ")
}

// inline takes off the marks inside a text. Of a link the text stays; code that
// would be taken for a part of the sentence is quoted.
func inline(text string) string {
	return marks.ReplaceAllStringFunc(text, func(found string) string {
		m := marks.FindStringSubmatch(found)
		switch label, code, strong := m[1], m[2], m[3]+m[4]; {
		case strings.HasSuffix(label, ".md"):
			return "docs/" + label
		case likeWords.MatchString(code):
			return `"` + code + `"`
		case code != "":
			return code
		default:
			return inline(label + strong)
		}
	})
}

var marks = regexp.MustCompile("\\[([^\\]]+)\\]\\([^)]+\\)|`([^`]+)`|\\*\\*([^*]+)\\*\\*|\\*([^*]+)\\*")

var likeWords = regexp.MustCompile(`^[a-z]+$| `)

// wrap breaks a text into lines; those of an item are indented.
func wrap(text string) string {
	indent := ""
	if strings.HasPrefix(text, "- ") {
		indent = "  "
	}
	var out strings.Builder
	length := 0
	for i, word := range strings.Fields(text) {
		n := utf8.RuneCountInString(word)
		switch {
		case i == 0:
		case length+1+n > width:
			out.WriteString("\n" + indent)
			length = len(indent)
		default:
			out.WriteByte(' ')
			length++
		}
		out.WriteString(word)
		length += n
	}
	return out.String() + "\n"
}
