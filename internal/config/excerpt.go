package config

import (
	"bytes"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"unicode"

	yaml "go.yaml.in/yaml/v3"
)

const (
	excerptWidth = 100 // of a line
	masked       = "…"
)

// showableKeys returns the settings whose values an excerpt shows: names, numbers
// and choices, where nobody writes a secret by mistake. All others are masked.
func showableKeys() map[string]bool {
	all := map[string]bool{
		"apiVersion": true, "name": true, "provider": true, "namespace": true, "context": true, "mountPath": true, "canary": true, "rotateJob.schedule": true, "rotateJob.secrets[]": true,
		"aidbox.scopeFormat": true, "aidbox.workload.kind": true, "aidbox.workload.name": true, "aidbox.workload.container": true,
		"aidbox.workload.managedBy": true, "aidbox.workload.helmKey": true, "aidbox.serviceAccount": true, "aidbox.image": true,
		"aidbox.replicas": true, "aidbox.runAs": true, "aidbox.port": true, "aidbox.probe": true, "aidbox.env[].name": true,
		"secrets[].name": true, "secrets[].file": true, "secrets[].maxAge": true,
		"resources[].type": true, "resources[].id": true, "resources[].accessPolicy": true,
	}
	for _, p := range providerTable() {
		for _, key := range p.showable {
			all[key] = true
		}
	}
	return all
}

// token is a key or a value that begins in a line.
type token struct {
	column int // from 1, in characters
	text   string
	shown  bool
}

// excerpts shows lines of a document.
type excerpts struct {
	keys     keys
	showable map[string]bool
	lines    [][]byte
	tokens   map[int][]token // by line of the document, in their order
}

// addExcerpts shows the lines of the document's problems.
func (doc *document) addExcerpts() {
	if len(doc.problems) == 0 {
		return
	}
	x := &excerpts{lines: bytes.Split(doc.text, []byte("\n")), tokens: map[int][]token{}, showable: showableKeys()}
	if doc.root.node != nil {
		x.walk(doc.root.node, reflect.TypeFor[Delivery](), "")
	}
	for i := range doc.problems {
		p := &doc.problems[i]
		p.Excerpt = x.of(*p, p.Line-doc.line+1)
	}
}

// walk notes what stands where. t is nil for what has no place in a delivery.
func (x *excerpts) walk(n *yaml.Node, t reflect.Type, path string) {
	if t != nil && t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch n.Kind {
	case yaml.MappingNode:
		var fields map[string]reflect.Type
		if t != nil && t.Kind() == reflect.Struct {
			fields = x.keys.of(t)
		}
		for i := 0; i+1 < len(n.Content); i += 2 {
			key := n.Content[i]
			field, known := fields[key.Value]
			x.note(key, known)
			x.walk(n.Content[i+1], field, strings.TrimPrefix(path+"."+key.Value, "."))
		}
	case yaml.SequenceNode:
		var element reflect.Type
		if t != nil && t.Kind() == reflect.Slice {
			element = t.Elem()
		}
		for _, item := range n.Content {
			x.walk(item, element, path+"[]")
		}
	default:
		x.note(n, x.showable[path] && harmless(n.Value))
	}
}

// harmless says whether a text looks like a name, a number or a path.
func harmless(text string) bool {
	return len(text) <= 64 && !strings.ContainsFunc(text, func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("-_./:@", r)
	})
}

func (x *excerpts) note(n *yaml.Node, shown bool) {
	if n.Value != "" { // else it may be one that is not written at all
		x.tokens[n.Line] = append(x.tokens[n.Line], token{n.Column, n.Value, shown})
	}
}

// of returns a line with all masked that might be a value, and below it a mark at
// the problem's column. It is empty where there is nothing to show.
func (x *excerpts) of(p Problem, line int) string {
	if line < 1 || line > len(x.lines) {
		return ""
	}
	text, at, width := x.keyOf(line), -1, 0
	if tokens := x.tokens[line]; len(tokens) > 0 {
		text, at, width = mask([]rune(string(x.lines[line-1])), tokens, p)
	}
	if text == "" {
		return ""
	}
	number := fmt.Sprintf("  %d", p.Line)
	shown := number + " | " + text
	if at >= 0 {
		shown += "\n" + strings.Repeat(" ", len(number)) + " | " + strings.Repeat(" ", at) + strings.Repeat("^", max(width, 1))
	}
	return shown
}

// keyOf returns what can be shown of a line that was not understood: a key that a
// delivery has somewhere.
func (x *excerpts) keyOf(line int) string {
	text := strings.TrimRight(string(x.lines[line-1]), " \r")
	m := regexp.MustCompile(`^( *(?:- +)*)(\w+):(?: |$)`).FindStringSubmatch(text)
	switch {
	case m != nil && x.keys.elsewhere(m[2]) != "":
		return m[1] + m[2] + ": " + masked
	case text == "":
		return ""
	}
	return masked
}

// mask copies of a line what its tokens allow, and punctuation. It returns where
// in the copy the problem's token is; -1 where it is not in it.
func mask(line []rune, tokens []token, p Problem) (text string, at, width int) {
	var out []rune
	at = -1
	first := 0
	if p.Column > excerptWidth { // such as JSON in one line
		first = max(0, slices.IndexFunc(tokens, func(t token) bool { return t.column > p.Column-excerptWidth/2 }))
		out = []rune(masked)
	}
	for i, t := range tokens[first:] {
		next := len(line)
		if i := first + i + 1; i < len(tokens) {
			next = tokens[i].column - 1
		}
		start := t.column - 1
		if i == 0 && first == 0 {
			out = append(out, punctuation(line[:start])...)
		}
		here := t.column == p.Column
		if here {
			at = len(out)
		}
		end := start
		if t.shown || here && strings.HasSuffix(p.Path, t.text) { // then the message has it, too
			end = start + quotedLength(line[start:next], t.text)
		}
		if end == start {
			out = append(out, []rune(masked)...)
			end += max(1, len([]rune(strings.TrimRightFunc(string(line[start:next]), isPunctuation))))
		} else {
			out = append(out, line[start:end]...)
		}
		if here {
			width = len(out) - at
		}
		out = append(out, punctuation(line[end:next])...)
		if at >= 0 && len(out) > excerptWidth {
			out = append(out, []rune(masked)...)
			break
		}
	}
	return strings.TrimRight(string(out), " "), at, width
}

// quotedLength returns how many characters of the line are the text, with its
// quotes; 0 where it is written in another way.
func quotedLength(line []rune, text string) int {
	for _, quote := range []string{"", `"`, `'`} {
		if quoted := quote + text + quote; text != "" && strings.HasPrefix(string(line), quoted) {
			return len([]rune(quoted))
		}
	}
	return 0
}

// punctuation returns the part of a text before anything else than punctuation,
// such as a comment.
func punctuation(text []rune) []rune {
	end := slices.IndexFunc(text, func(r rune) bool { return !isPunctuation(r) })
	if end < 0 {
		end = len(text)
	}
	return []rune(strings.ReplaceAll(string(text[:end]), "\t", " "))
}

func isPunctuation(r rune) bool { return strings.ContainsRune(" \t{}[],:-?", r) }
