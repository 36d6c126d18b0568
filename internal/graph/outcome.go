package graph

import (
	"slices"
	"strings"

	"github.com/secretctl/secretctl/internal/report"
	"github.com/secretctl/secretctl/internal/verify"
)

// text is the text of a part of the drawing, and the outcome of the checks about that part.
type text struct {
	lines  []string
	about  []string // keys of findings
	status style
	ids    []string // of the checks with that status, unless they passed
}

// style is the status of a check, or one of two more.
type style string

const (
	plain     style = ""            // there is no report
	unchecked style = "not checked" // no check about it has run
)

// findings counts the outcomes of checks by what they are about: "ID SUBJECT"; "ID *" for
// all of an ID; "ID NAME *" if the subject is a secret and a replica; and every.
type findings map[string]*report.Summary

const every = "*"

func findingsOf(delivery string, from *report.Report) findings {
	found := findings{}
	for _, r := range from.Deliveries {
		if r.Name != delivery {
			continue
		}
		if r.Error != nil {
			found[every] = &report.Summary{Unknown: 1}
		}
		for _, c := range r.Checks {
			name, _, _ := strings.Cut(c.Subject, " ")
			for _, key := range []string{c.ID + " " + c.Subject, c.ID + " *", c.ID + " " + name + " *", every} {
				if found[key] == nil {
					found[key] = &report.Summary{}
				}
				found[key].Add(c.Status)
			}
		}
	}
	return found
}

// judge gives the text the worst status of the checks about it.
func (t *text) judge(found findings) {
	t.status = unchecked
	var all report.Summary
	for _, key := range t.about {
		if s := found[key]; s != nil {
			all.Add(s.Worst())
			t.status = style(all.Worst())
		}
	}
	if t.status == unchecked || t.status == style(verify.StatusPass) || t.status == style(verify.StatusSkip) {
		return
	}
	for _, key := range t.about {
		id, _, _ := strings.Cut(key, " ")
		if s := found[key]; s != nil && key != every && style(s.Worst()) == t.status && !slices.Contains(t.ids, id) {
			t.ids = append(t.ids, id)
		}
	}
}

// heading is the label on one line.
func (t *text) heading() []string { return []string{strings.Join(t.label(), ": ")} }

// label returns the lines to show; the last one has the status.
func (t *text) label() []string {
	lines := slices.Clone(t.lines)
	switch t.status {
	case plain:
	case unchecked:
		lines = append(lines, string(unchecked))
	default:
		line := report.Symbol(verify.Status(t.status)) + " " + string(t.status)
		if len(t.ids) > 0 {
			line += ": " + strings.Join(t.ids, ", ")
		}
		lines = append(lines, line)
	}
	return lines
}

// look has the colors of a style.
type look struct{ name, fill, line, text string }

// looks has all of them. Text is dark on light whatever the page's colors are; a line can be
// seen on a light page and on a dark one.
var looks = map[style]look{
	style(verify.StatusPass):    {"pass", "#dafbe1", "#2da44e", "#0b3d1a"},
	style(verify.StatusWarn):    {"warn", "#fff8c5", "#bf8700", "#4d3300"},
	style(verify.StatusFail):    {"fail", "#ffebe9", "#e5484d", "#66080f"},
	style(verify.StatusUnknown): {"unknown", "#fbefff", "#a371f7", "#3c1a70"},
	style(verify.StatusSkip):    {"skip", "#eaeef2", "#8b949e", "#24292f"},
	unchecked:                   {"unchecked", "#ffffff", "#8b949e", "#24292f"},
}
