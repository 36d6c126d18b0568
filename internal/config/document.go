package config

import (
	"bytes"
	"cmp"
	"errors"
	"io"
	"path/filepath"
	"reflect"
	"regexp"
	"strconv"
	"strings"

	yaml "go.yaml.in/yaml/v3"
	sigsyaml "sigs.k8s.io/yaml"
)

// A document is one YAML document of a config file. It is parsed into nodes, which know
// their lines, to find all problems, and then decoded by sigs.k8s.io/yaml.
type document struct {
	file     string
	line     int // of its first line in the file
	text     []byte
	root     *place
	delivery *Delivery // nil unless the document has the shape of one
	problems []Problem
	unlisted int // problems that are only counted
}

// empty reports whether the document holds nothing but comments.
func (doc *document) empty() bool { return doc.root.node == nil && len(doc.problems) == 0 }

// parse sets root, and delivery, with its defaults.
func (doc *document) parse() {
	doc.root = &place{doc: doc, line: doc.line}
	node, err := parseNode(doc.text)
	if err != nil {
		doc.syntaxError(err)
		return
	}
	if node == nil {
		return
	}
	doc.root.node = node
	doc.root.line = doc.line + node.Line - 1
	if version := doc.root.key("apiVersion"); version.node != nil && version.node.Value != APIVersion {
		version.report("must be "+APIVersion, "write that, or keep other YAML files in another folder")
		return
	}
	new(structure).check(doc.root, reflect.TypeFor[Delivery](), false)
	if len(doc.problems) > 0 {
		return
	}
	var d Delivery
	if err := sigsyaml.UnmarshalStrict(doc.text, &d); err != nil {
		doc.root.report("cannot be decoded", "quote texts and keys, and leave out anchors") // the error may quote a value
		return
	}
	d.setDefaults()
	d.resolveFiles(filepath.Dir(doc.file))
	d.From = map[string]string{
		"vault.address":  origins{file: doc.file}.of(doc.root.key("vault").key("address")),
		"vault.tokenTTL": origins{file: doc.file}.of(doc.root.key("vault").key("tokenTTL")),
		"aidbox.url":     origins{file: doc.file}.of(doc.root.key("aidbox").key("url")),
	}
	doc.delivery = &d
}

// parseNode returns the root of a document, nil if it is empty.
func parseNode(text []byte) (*yaml.Node, error) {
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	var node, rest yaml.Node
	if err := decoder.Decode(&node); err != nil {
		if errors.Is(err, io.EOF) {
			return nil, nil
		}
		return nil, err
	}
	// The decoder stops at the end of the root, and would drop what follows.
	if err := decoder.Decode(&rest); !errors.Is(err, io.EOF) {
		return nil, cmp.Or(err, errors.New("yaml: a second document"))
	}
	if isNull(node.Content[0]) {
		return nil, nil
	}
	return node.Content[0], nil
}

// syntaxError reports text that is not YAML, in words that do not quote it.
func (doc *document) syntaxError(err error) {
	line, text, hint := 1, "broken", "look at the indentation, colons and quotes here and in the lines around"
	if m := regexp.MustCompile(`^yaml: (?:line (\d+): )?(.*)$`).FindStringSubmatch(err.Error()); m != nil {
		n, _ := strconv.Atoi(m[1])
		line, text = max(n, 1), m[2]
	}
	switch {
	case strings.Contains(text, "unknown anchor"): // the parser names the anchor, but not its line
		if m := regexp.MustCompile(`'(.+)'`).FindStringSubmatch(text); m != nil {
			before, _, _ := bytes.Cut(doc.text, []byte("*"+m[1]))
			line = 1 + bytes.Count(before, []byte("\n"))
		}
		text, hint = "a value begins with *, as an alias does, and there is no such anchor", "put the value in quotes"
	case doc.tabAt(line) > 0:
		line = doc.tabAt(line)
		text, hint = "a tab in the indentation", "indent with spaces: YAML takes no tabs"
	case strings.Contains(text, "cannot start any token"):
		text, hint = "a value begins with a character that has a meaning in YAML", "put the value in quotes"
	case strings.Contains(text, "mapping values are not allowed"):
		text, hint = "mapping values are not allowed here", "is a line indented too far, or does a value with a colon need quotes?"
	case strings.Contains(text, "did not find expected"):
		text, hint = "a bracket, a quote or a key is missing", "look at the indentation, brackets and quotes here and in the lines around"
	}
	doc.problems = append(doc.problems, Problem{
		File: doc.file, Line: doc.line + line - 1, Message: "is not valid YAML: " + text, Hint: hint,
	})
}

// tabAt returns the line of this one and the next that has a tab in its indentation, or 0.
// The parser may be one line behind.
func (doc *document) tabAt(line int) int {
	for i, text := range bytes.Split(doc.text, []byte("\n")) {
		indent := text[:len(text)-len(bytes.TrimLeft(text, " \t"))]
		if (i+1 == line || i == line) && bytes.ContainsRune(indent, '\t') {
			return i + 1
		}
	}
	return 0
}
