package config

import (
	"bytes"
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

// A document is one YAML document of a config file. It is parsed twice: into nodes,
// which know their lines, so that all problems are found and located at once, and
// then, where there are none, into a delivery by the decoder of Kubernetes' tools.
type document struct {
	file     string
	line     int // of its first line in the file
	text     []byte
	root     place
	delivery *Delivery // nil when the structure is not that of a delivery
	problems []Problem
	unlisted int // problems that are only counted
}

// empty says whether there is nothing in it but comments.
func (doc *document) empty() bool { return doc.root.node == nil && len(doc.problems) == 0 }

// parse sets root, and delivery with its defaults where the structure is sound.
func (doc *document) parse() {
	doc.root = place{doc: doc, line: doc.line}
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
		version.report("is not "+APIVersion, "write that, or keep other YAML files in another folder")
		return
	}
	(&structure{}).check(doc.root, reflect.TypeFor[Delivery](), false)
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
		"vault.address": origins{file: doc.file}.of(doc.root.key("vault").key("address")),
		"aidbox.url":    origins{file: doc.file}.of(doc.root.key("aidbox").key("url")),
	}
	doc.delivery = &d
}

// parseNode returns the root of a document, or nil where it is empty.
func parseNode(text []byte) (*yaml.Node, error) {
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	var node, more yaml.Node
	if err := decoder.Decode(&node); err != nil {
		if errors.Is(err, io.EOF) {
			return nil, nil
		}
		return nil, err
	}
	// The decoder stops at the end of the root, so what follows it would be dropped.
	if err := decoder.Decode(&more); err == nil {
		return nil, errors.New("yaml: a second document")
	} else if !errors.Is(err, io.EOF) {
		return nil, err
	}
	root := node.Content[0]
	if isNull(root) {
		return nil, nil
	}
	return root, nil
}

var (
	yamlError = regexp.MustCompile(`^yaml: (?:line (\d+): )?(.*)$`)
	// An anchor's name is the one thing from the file that the parser quotes, and
	// a password may begin with "*".
	yamlAnchor = regexp.MustCompile(` '([-\w]{2,})'`)
)

func (doc *document) syntaxError(err error) {
	line, message := 1, "broken"
	if m := yamlError.FindStringSubmatch(err.Error()); m != nil {
		if n, err := strconv.Atoi(m[1]); err == nil {
			line = n
		}
		message = m[2]
	}
	if m := yamlAnchor.FindStringSubmatch(message); m != nil {
		before, _, _ := bytes.Cut(doc.text, []byte("*"+m[1]))
		line = 1 + bytes.Count(before, []byte("\n"))
		message = yamlAnchor.ReplaceAllString(message, "")
	}
	if tab := doc.tabAt(line); tab > 0 {
		doc.notYAML(tab, "a tab in the indentation", "indent with spaces: YAML takes no tabs")
		return
	}
	text, hint := yamlWords(message)
	doc.notYAML(line, text, hint)
}

func (doc *document) notYAML(line int, text, hint string) {
	doc.problems = append(doc.problems, Problem{
		File: doc.file, Line: doc.line + line - 1, Message: "is not valid YAML: " + text, Hint: hint,
	})
}

// tabAt returns the line whose indentation has a tab, where that is this one or the next:
// the parser may be one line behind. Otherwise it returns 0.
func (doc *document) tabAt(line int) int {
	lines := bytes.Split(doc.text, []byte("\n"))
	for n := max(line-1, 0); n < min(line+1, len(lines)); n++ {
		if indent := lines[n][:len(lines[n])-len(bytes.TrimLeft(lines[n], " \t"))]; bytes.ContainsRune(indent, '\t') {
			return n + 1
		}
	}
	return 0
}

// yamlWords restates what the parser says, and how to fix that.
func yamlWords(message string) (text, hint string) {
	switch {
	case strings.Contains(message, "cannot start any token"):
		return "a value begins with a character that has a meaning in YAML", "put the value in quotes"
	case strings.Contains(message, "mapping values are not allowed"):
		return "a colon where no key can be", "is a line indented too far, or does a value with a colon need quotes?"
	case strings.Contains(message, "did not find expected"):
		return "a bracket, a quote or a key is missing", "look at the indentation, brackets and quotes here and in the lines around"
	case strings.Contains(message, "unknown anchor"):
		return "a value begins with *, as an alias does, and there is no such anchor", "put the value in quotes"
	}
	return message, "look at the indentation, colons and quotes here and in the lines around"
}
