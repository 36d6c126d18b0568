package config

import (
	"bytes"
	"errors"
	"io"
	"path/filepath"
	"reflect"
	"regexp"
	"strconv"

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
	doc.problems = append(doc.problems, Problem{
		File: doc.file, Line: doc.line + line - 1, Message: "is not valid YAML: " + message,
		Hint: "look at the indentation, colons and quotes here and in the lines around",
	})
}
