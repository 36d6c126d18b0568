package secret

import (
	"regexp"
	"strings"
	"unicode"
)

// How many characters of a text from outside are shown.
const (
	maxLine = 200
	maxTail = 400
)

// cut shortens a clean line, unless [Sanitizer.Tail] already has.
func cut(line string) string {
	r := []rune(line)
	if len(r) > maxTail || len(r) > maxLine && r[0] != '…' {
		return strings.TrimRight(string(r[:maxLine-1]), " ") + "…"
	}
	return line
}

func cutStart(line string) string {
	if r := []rune(line); len(r) > maxTail {
		return "…" + string(r[len(r)-maxTail+1:])
	}
	return line
}

// cleanLine makes one line of text, with one blank for any white space or invisible
// characters. It removes colors whole: left in part, they could stand in the middle
// of a value that the Sanitizer learns later.
func cleanLine(text string) string {
	return disarm(strings.Join(strings.FieldsFunc(colorless(text), func(r rune) bool {
		return unicode.IsSpace(r) || invisible(r)
	}), " "))
}

// cleanLines is cleanLine for text that keeps its lines, tabs and blanks.
func cleanLines(text string) string {
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		lines[i] = disarm(blank(colorless(strings.TrimSuffix(line, "\r")), "\t"))
	}
	return strings.Join(lines, "\n")
}

// colorless removes colors, and those that appear when inner ones are removed.
func colorless(text string) string {
	text = strings.ToValidUTF8(text, "\uFFFD")
	for plain := range layers(text, escapes[0]) {
		text = plain
	}
	return text
}

// blank replaces each invisible character with a blank, except those in keep.
func blank(text, keep string) string {
	return strings.Map(func(r rune) rune {
		if invisible(r) && !strings.ContainsRune(keep, r) {
			return ' '
		}
		return r
	}, text)
}

var color = regexp.MustCompile("\x1b\\[[0-9;]*m")

// Visible returns what a command was asked for, such as manifests or a report, as it
// may leave the process: each invisible character is a blank, except line breaks,
// tabs and colors.
func Visible(text []byte) []byte {
	valid := strings.ToValidUTF8(string(text), "\uFFFD")
	var out []byte
	end := 0
	for _, at := range color.FindAllStringIndex(valid, -1) {
		out = append(out, blank(valid[end:at[0]], "\n\t")+valid[at[0]:at[1]]...)
		end = at[1]
	}
	return append(out, blank(valid[end:], "\n\t")...)
}

// invisible reports whether a character is a control character, changes how others
// are shown, or shows as nothing, as a zero-width space or a Hangul filler does.
func invisible(r rune) bool {
	if r < 0x7f {
		return r < ' '
	}
	return !unicode.IsPrint(r) || r == '\u2800' || // a Braille pattern without a dot
		unicode.In(r, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector)
}

var workflowCommand = regexp.MustCompile(`::[A-Za-z]|##[A-Za-z]*\[`)

// disarm inserts a blank into what a CI system would take for a command: "::error::"
// at the start of a line or in it, "##[error]" and "##vso[task.complete]" anywhere.
func disarm(line string) string {
	if !strings.Contains(line, "::") && !strings.Contains(line, "##") {
		return line
	}
	start := len(line) - len(strings.TrimLeft(line, " \t"))
	last := strings.LastIndex(line, "::")
	var b strings.Builder
	end := 0
	for _, at := range workflowCommand.FindAllStringIndex(line, -1) {
		if i := at[0]; line[i] == '#' || i == start || i+1 < last {
			b.WriteString(line[end:i+1] + " ")
			end = i + 1
		}
	}
	return b.String() + line[end:]
}

func letter(b byte) bool { return 'a' <= b|0x20 && b|0x20 <= 'z' }
