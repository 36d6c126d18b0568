package config

import (
	"fmt"
	"slices"
)

// maxDocuments is how many documents a file may hold.
const maxDocuments = 10_000

const (
	startHint = `name one with -c, set SECRETCTL_CONFIG, or write one with "secretctl init"`
	splitHint = "split it: a folder of config files is read as one"
)

// Load reads the deliveries in a file, or in all *.yaml and *.yml files directly in a
// folder, in the order of their names. They have their defaults and are valid, each and
// together. What goes wrong is an [*Error] that lists all problems.
func Load(path string) ([]*Delivery, error) {
	docs, err := read(path)
	return deliveries(docs), err
}

// Parse is [Load] for the text of a file of that name.
func Parse(file string, text []byte) ([]*Delivery, error) {
	docs, err := check(file, documents(file, text))
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
	for _, file := range files {
		text, err := readFile(file)
		if err != nil {
			docs = append(docs, unreadable(fileProblem(file, err)))
			continue
		}
		docs = append(docs, documents(file, text)...)
	}
	return check(path, docs)
}

// unreadable stands for the documents of a file that cannot be read.
func unreadable(p Problem) *document { return &document{file: p.File, problems: []Problem{p}} }

// documents returns the documents of a file, not yet parsed.
func documents(file string, text []byte) []*document {
	if line, ok := plainText(text); !ok {
		return []*document{unreadable(Problem{
			File: file, Line: line, Message: "has bytes that are not UTF-8 text, or a control character",
			Hint: "save the file as UTF-8, and write control characters as escapes",
		})}
	}
	docs := split(file, text)
	if len(docs) > maxDocuments {
		return []*document{unreadable(Problem{File: file, Message: fmt.Sprintf("holds more than %d documents", maxDocuments), Hint: splitHint})}
	}
	return docs
}

// check parses and validates documents. It returns those that are not empty, or what is
// wrong with any of them.
func check(path string, docs []*document) ([]*document, error) {
	for _, doc := range docs {
		doc.parse()
		if doc.delivery != nil {
			doc.validate()
		}
	}
	docs = slices.DeleteFunc(docs, (*document).empty)
	validateFleet(docs)
	var problems []Problem
	unlisted := 0
	for _, doc := range docs {
		slices.SortStableFunc(doc.problems, func(a, b Problem) int { return a.Line - b.Line })
		doc.addExcerpts()
		problems = append(problems, doc.problems...)
		unlisted += doc.unlisted
	}
	if len(docs) == 0 {
		problems = []Problem{{File: path, Message: "holds no delivery", Hint: startHint}}
	}
	if len(problems) > 0 {
		return nil, &Error{shorten(problems, unlisted)}
	}
	return docs, nil
}
