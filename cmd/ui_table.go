package cmd

import (
	"io"
	"strings"
	"unicode/utf8"
)

// table is rows in columns, for stdout. All rows but headings have the same number of
// cells.
type table struct{ rows [][]string }

func (t *table) row(cells ...string) { t.rows = append(t.rows, cells) }

// heading begins a group of rows.
func (t *table) heading(text string) { t.row("# " + text) }

// print writes a table. On a terminal that is wide enough the last column is wrapped.
func (a *app) print(t *table) error {
	for _, row := range t.rows {
		for i, cell := range row {
			row[i] = a.clean(cell)
		}
	}
	width := a.width(a.OutTerminal)
	var out strings.Builder
	columns := t.columns()
	for _, row := range t.rows {
		var line strings.Builder
		last := len(row) - 1
		for i, cell := range row[:last] {
			line.WriteString(pad(cell, columns[i]+2))
		}
		start := utf8.RuneCountInString(line.String())
		if start <= width/2 {
			row[last] = wrap(row[last], width-start, "")
		}
		line.WriteString(strings.ReplaceAll(row[last], "\n", "\n"+strings.Repeat(" ", start)))
		out.WriteString(strings.TrimRight(line.String(), " ") + "\n")
	}
	_, err := io.WriteString(a.Out, out.String())
	return err
}

// columns returns how wide each column is but the last.
func (t *table) columns() []int {
	var widths []int
	for _, row := range t.rows {
		for i, cell := range row[:len(row)-1] {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	return widths
}

func pad(cell string, width int) string {
	return cell + strings.Repeat(" ", width-utf8.RuneCountInString(cell))
}
