package main

import (
	"fmt"
	"strings"
)

// table holds the results and prints them as Markdown.
type table struct {
	rows   [][]string
	missed int
}

var columns = []string{"what", "secretctl", "beside", "took", "ratio", "aim", "", "ratio of CPU time"}

// time adds a row that compares two medians; aim is 0 if there is none.
func (t *table) time(what string, ours, theirs measured, aim float64) {
	t.ratio(what, ours.String(), theirs.name, theirs.String(), float64(ours.median())/float64(theirs.median()), aim)
	last := t.rows[len(t.rows)-1]
	last[len(last)-1] = fmt.Sprintf("%.2f", float64(ours.cpu())/float64(theirs.cpu()))
}

// peak adds a row that compares peak memory.
func (t *table) peak(what string, ours, theirs measured, aim float64) {
	t.ratio(what, fmt.Sprintf("%.0f MiB", ours.peak()), theirs.name, fmt.Sprintf("%.0f MiB", theirs.peak()), ours.peak()/theirs.peak(), aim)
}

func (t *table) ratio(what, ours, name, theirs string, ratio, aim float64) {
	wanted := ""
	if aim > 0 {
		wanted = fmt.Sprintf("at most %.2f", aim)
	}
	t.add(what, ours, name, theirs, fmt.Sprintf("%.2f", ratio), wanted, aim == 0 || ratio <= aim)
}

// add adds a row; without an aim it cannot be missed.
func (t *table) add(what, ours, name, theirs, ratio, aim string, met bool) {
	verdict := ""
	switch {
	case aim != "" && met:
		verdict = "met"
	case aim != "":
		verdict = "missed"
		t.missed++
	}
	t.rows = append(t.rows, []string{what, ours, name, theirs, ratio, aim, verdict, ""})
}

func (t *table) met() bool { return t.missed == 0 }

func (t *table) String() string {
	var out strings.Builder
	width := make([]int, len(columns))
	for _, row := range append([][]string{columns}, t.rows...) {
		for i, cell := range row {
			width[i] = max(width[i], len(cell))
		}
	}
	line := func(cells []string) {
		for i, cell := range cells {
			fmt.Fprintf(&out, "| %-*s ", width[i], cell)
		}
		out.WriteString("|\n")
	}
	rule := make([]string, len(columns))
	for i := range rule {
		rule[i] = strings.Repeat("-", max(width[i], 3))
	}
	line(columns)
	line(rule)
	for _, row := range t.rows {
		line(row)
	}
	return out.String()
}
