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

// print writes a table. On a terminal the last column is wrapped.
func (a *app) print(t *table) error {
	for _, row := range t.rows {
		for i, cell := range row {
			row[i] = a.clean(cell)
		}
	}
	return a.printFolded(func(w io.Writer) error {
		columns := t.columns()
		for _, row := range t.rows {
			last := len(row) - 1
			for i, cell := range row[:last] {
				row[i] = pad(cell, columns[i])
			}
			if _, err := io.WriteString(w, strings.TrimRight(strings.Join(row, "  "), " ")+"\n"); err != nil {
				return err
			}
		}
		return nil
	})
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
