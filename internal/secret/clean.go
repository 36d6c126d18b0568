package secret

import (
	"bytes"
	"strings"
	"unicode"
	"unicode/utf8"
)

// How many characters of a text from outside are shown.
const (
	maxLine = 200
	maxTail = 400
)

// cut shortens a line that was cleaned, but not one that cutStart has.
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

// cleanLine makes one line of text, with one blank where there was white space or
// something that cannot be seen. Colors go as a whole, lest they stand in the middle
// of a value that is learned later.
func cleanLine(text string) string {
	return disarm(strings.Join(strings.FieldsFunc(colorless(text), func(r rune) bool {
		return unicode.IsSpace(r) || unseen(r)
	}), " "))
}

// colorless takes off colors, also those within others.
func colorless(text string) string {
	text = strings.ToValidUTF8(text, "\uFFFD")
	for plain := range layers(text, escapes[0]) {
		text = plain
	}
	return text
}

// clean puts a blank in place of what cannot be seen, and leaves white space as it
// is but for what would break the line.
func clean(line string) string {
	return disarm(strings.Map(func(r rune) rune {
		if r != '\t' && unseen(r) {
			return ' '
		}
		return r
	}, colorless(line)))
}

// visibleBytes puts a blank in place of what cannot be seen, but for line breaks, tabs
// and colors.
func visibleBytes(text []byte) []byte {
	hidden := func(r rune) bool { return r != '\n' && r != '\t' && unseen(r) }
	if bytes.IndexFunc(text, hidden) < 0 && utf8.Valid(text) {
		return text
	}
	var out bytes.Buffer
	for _, part := range strings.SplitAfter(strings.ToValidUTF8(string(text), "\uFFFD"), "m") {
		// A color is "\x1b[1;31m", so that a part may end with one.
		color := ""
		if at := strings.LastIndexByte(part, escape); at >= 0 && strings.HasPrefix(part[at+1:], "[") && strings.Trim(part[at+2:], "0123456789;") == "m" {
			part, color = part[:at], part[at:]
		}
		out.WriteString(strings.Map(func(r rune) rune {
			if hidden(r) {
				return ' '
			}
			return r
		}, part) + color)
	}
	return out.Bytes()
}

// unseen says whether a character is control, changes how others are shown, or
// shows as nothing, as a zero-width one or a Hangul filler does.
func unseen(r rune) bool {
	if r < 0x7f {
		return r < ' '
	}
	return !unicode.IsPrint(r) || r == '\u2800' || // a Braille pattern without a dot
		unicode.In(r, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector)
}

// disarm takes apart what a CI system would obey: "::error::" at the start of a
// line or in it, "##[error]" and "##vso[task.complete]" anywhere.
func disarm(line string) string {
	if !strings.Contains(line, "::") && !strings.Contains(line, "##") {
		return line
	}
	var b strings.Builder
	last := strings.LastIndex(line, "::")
	start := len(line) - len(strings.TrimLeft(line, " \t"))
	for i := range len(line) {
		b.WriteByte(line[i])
		rest := line[i:]
		named := strings.HasPrefix(rest, "::") && len(rest) > 2 && letter(rest[2])
		if named && (i == start || i+1 < last) || azureCommand(rest) {
			b.WriteByte(' ')
		}
	}
	return b.String()
}

// azureCommand says whether text starts as a command of Azure Pipelines does.
func azureCommand(text string) bool {
	name, marked := strings.CutPrefix(text, "##")
	end := 0
	for end < len(name) && letter(name[end]) {
		end++
	}
	return marked && strings.HasPrefix(name[end:], "[")
}

func letter(b byte) bool { return 'a' <= b|0x20 && b|0x20 <= 'z' }
