package config

import (
	"fmt"
	"slices"
	"strings"
)

// Bounds on what is read and reported. A config that needs more is no config.
const (
	maxFile      = 4 << 20 // bytes of a file
	maxDocuments = 10_000  // in a file
	maxLines     = 50      // of all problems, as they are printed
)

const startHint = `name one with -c, set SECRETCTL_CONFIG, or write one with "secretctl init"`

// Error lists everything that is wrong with a config, in the order of the files.
// Where that would be more than 50 lines, the last problem says how many more there are.
type Error struct{ Problems []Problem }

// Problem is one thing that is wrong. Neither its message nor its hint quotes a
// value from the file, which may be a secret that stands in the wrong place; only
// a secret's name and a resource's id can be in a hint. The excerpt has masked all
// that is no key of a delivery, and no plain value of a setting that holds none.
type Problem struct {
	File    string `json:"file"`
	Line    int    `json:"line,omitempty"`   // 0 where the problem is the file itself
	Column  int    `json:"column,omitempty"` // in characters; 0 where the problem is about what is not written
	Path    string `json:"path,omitempty"`   // secrets[0].scope; "" for the document
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty"`
	Excerpt string `json:"-"` // the line, and below it a mark; "" where there is nothing to show
}

// Error returns a line for each problem.
func (e *Error) Error() string {
	lines := make([]string, len(e.Problems))
	for i, p := range e.Problems {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}

// Usage says that it is a mistake of usage: nothing was attempted.
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

// Load reads the deliveries in a file, or in all *.yaml and *.yml files directly
// in a folder, in the order of their names. They have their defaults and are
// valid, each and together. What goes wrong is an [*Error] that lists it all.
func Load(path string) ([]*Delivery, error) {
	docs, err := read(path)
	return deliveries(docs), err
}

// Parse is [Load] for the text of a file of that name.
func Parse(file string, text []byte) ([]*Delivery, error) {
	docs, problems := documents(file, text)
	return load(file, docs, problems)
}

// load makes deliveries of documents. problems are those of their files.
func load(path string, docs []*document, problems []Problem) ([]*Delivery, error) {
	docs, err := check(path, docs, problems)
	return deliveries(docs), err
}

func deliveries(docs []*document) []*Delivery {
	var all []*Delivery
	for _, doc := range docs {
		all = append(all, doc.delivery)
	}
	return all
}

// read returns the documents of a file or a folder, each of which is a delivery.
func read(path string) ([]*document, error) {
	files, err := configFiles(path)
	if err != nil {
		return nil, &Error{[]Problem{fileProblem(path, err)}}
	}
	var docs []*document
	var problems []Problem
	for _, file := range files {
		text, err := readFile(file)
		if err != nil {
			problems = append(problems, fileProblem(file, err))
			continue
		}
		more, garbled := documents(file, text)
		docs, problems = append(docs, more...), append(problems, garbled...)
	}
	return check(path, docs, problems)
}

// documents returns the documents of a file, or what keeps it from being read as
// text.
func documents(file string, text []byte) ([]*document, []Problem) {
	if line, ok := plainText(text); !ok {
		return nil, []Problem{{
			File: file, Line: line, Message: "has bytes that are no UTF-8 text, or a control character",
			Hint: "save the file as UTF-8, and write control characters as escapes",
		}}
	}
	docs := split(file, text)
	if len(docs) > maxDocuments {
		return nil, []Problem{{
			File: file, Message: fmt.Sprintf("holds more than %d documents", maxDocuments),
			Hint: "split it: a folder of config files is read as one",
		}}
	}
	return docs, nil
}

// check returns the documents that are not empty, if all of them are sound. problems
// are those of their files.
func check(path string, docs []*document, problems []Problem) ([]*document, error) {
	more := 0
	for _, doc := range docs {
		doc.parse()
		if doc.delivery != nil {
			doc.validate()
		}
	}
	docs = slices.DeleteFunc(docs, (*document).empty)
	validateFleet(docs)
	for _, doc := range docs {
		slices.SortStableFunc(doc.problems, func(a, b Problem) int { return a.Line - b.Line })
		doc.addExcerpts()
		problems = append(problems, doc.problems...)
		more += doc.unlisted
	}
	if len(docs) == 0 && len(problems) == 0 {
		problems = []Problem{{File: path, Message: "holds no delivery", Hint: startHint}}
	}
	if len(problems) > 0 {
		return nil, &Error{shorten(problems, more)}
	}
	return docs, nil
}

// shorten cuts a list of problems to what fits into maxLines, and adds how many it
// cut besides those that were never listed.
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
