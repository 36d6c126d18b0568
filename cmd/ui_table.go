package cmd

import (
	"io"
	"strings"
	"text/tabwriter"
)

// table is rows of cells, for stdout. A heading starts a group of rows, which has columns
// of its own.
type table struct{ rows [][]string }

func (t *table) row(cells ...string) { t.rows = append(t.rows, cells) }

func (t *table) heading(text string) { t.row("# " + text) }

// print writes a table. On a terminal the last column is wrapped.
func (a *app) print(t *table) error {
	return a.printFolded(func(w io.Writer) error {
		columns := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
		cleaned := map[string]string{} // most cells repeat others, and cleaning one takes long
		for _, row := range t.rows {
			for i, cell := range row {
				if _, again := cleaned[cell]; !again {
					cleaned[cell] = a.clean(cell)
				}
				row[i] = cleaned[cell]
			}
			line := strings.Join(row, "\t")
			if _, err := io.WriteString(columns, strings.TrimRight(line, "\t")+"\n"); err != nil {
				return err
			}
		}
		return columns.Flush()
	})
}
