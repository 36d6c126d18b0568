package cmd

import (
	"bytes"
	"io"
	"os"
	"regexp"
	"strings"
	"unicode/utf8"

	"golang.org/x/term"

	"github.com/secretctl/secretctl/internal/hint"
)

// clean makes one line of a text that may come from a server, without cutting it.
func (a *app) clean(text string) string {
	return hint.OneLine(a.sanitizer.Text(hint.OneLine(text)))
}

// wrap breaks a line between words to fit into width columns, and indents the lines after
// the first. A width of 0 breaks nothing.
func wrap(line string, width int, indent string) string {
	if width <= 0 || utf8.RuneCountInString(line) <= width {
		return line
	}
	var out strings.Builder
	column := 0
	for word := range strings.FieldsSeq(line) {
		length := utf8.RuneCountInString(word)
		switch {
		case column == 0:
		case column+1+length > width:
			out.WriteString("\n" + indent)
			column = utf8.RuneCountInString(indent)
		default:
			out.WriteByte(' ')
			column++
		}
		out.WriteString(word)
		column += length
	}
	return out.String()
}

// printFolded writes text for people to stdout, folded on a terminal.
func (a *app) printFolded(write func(io.Writer) error) error {
	var text bytes.Buffer
	if err := write(&text); err != nil {
		return err
	}
	_, err := io.WriteString(a.Out, fold(text.String(), a.width(a.OutTerminal)))
	return err
}

var color = regexp.MustCompile("\x1b\\[[0-9]*m")

// fold wraps the last cell of each line that is longer than width, in the column of that
// cell, or below the others if it starts far to the right. Cells are two spaces apart. A
// width of 0 wraps nothing.
func fold(text string, width int) string {
	var out strings.Builder
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, " \n")
		plain := color.ReplaceAllString(line, "")
		start := strings.LastIndex(plain, "  ") + 2
		if start == 1 { // a single cell
			start = 0
		}
		before, uncolored := strings.CutSuffix(line, plain[start:])
		if width > 0 && utf8.RuneCountInString(plain) > width && uncolored {
			column := utf8.RuneCountInString(plain[:start])
			hang := 0
			if strings.HasPrefix(plain[start:], "- ") { // an item of a list
				hang = 2
			}
			if column > width/2 {
				before, column = strings.TrimRight(before, " ")+"\n      ", 6
			}
			line = before + strings.ReplaceAll(wrap(plain[start:], width-column-hang, ""), "\n", "\n"+strings.Repeat(" ", column+hang))
		}
		out.WriteString(line + "\n")
	}
	return out.String()
}

// width returns the columns of the terminal, or 0 for a stream that is not a terminal.
func (a *app) width(terminal bool) int {
	if !terminal || a.Columns == nil {
		return 0
	}
	return a.Columns()
}

// columns returns the width of the terminal that one of the streams is connected to.
func columns(streams ...*os.File) int {
	for _, stream := range streams {
		if width, _, err := term.GetSize(int(stream.Fd())); err == nil {
			return width
		}
	}
	return 0
}
