package pages

import (
	"bytes"
	"flag"
	"fmt"
	"html"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var pictures = flag.String("pictures", "", "write the README's pictures into this folder")

// The pictures show a rotation that did not reach the mount.
func TestPictures(t *testing.T) {
	needBrowser(t)
	if *pictures == "" {
		t.Skip("make pictures writes them")
	}
	s := startStandIns(t)
	s.mount.Close()
	s.secretctl(t, 0, append([]string{"rotate", "client-secret", "--no-verify"}, s.local()...)...)
	text := s.secretctl(t, 1, append([]string{"verify", "mount", "client", "auth", "-o", "short"}, s.local()...)...)
	check(t, os.WriteFile(filepath.Join(*pictures, "verify.svg"), terminal("secretctl verify mount client auth -o short", text), 0o600))
	page := s.report(t, 1, "verify", "mount", "client", "auth")
	screenshot(t, page, look{width: 1000, height: 640}, filepath.Join(*pictures, "report.png"))
}

// The picture of a terminal: characters in a line, and sizes in pixels.
const (
	terminalColumns           = 112
	terminalWidth, lineHeight = 910, 19
)

// colors are those of the terminal's codes, on a dark ground.
var colors = map[string]string{"31": "#ff7b72", "32": "#56d364", "33": "#e3b341", "35": "#d2a8ff", "2": "#9da7b3"}

// terminal draws what a command printed, wrapped as a terminal does.
func terminal(command string, text []byte) []byte {
	var body bytes.Buffer
	lines := 1
	fmt.Fprintf(&body, `<text x="16" y="30"><tspan fill="#9da7b3">$</tspan> %s</text>`+"\n", html.EscapeString(command))
	for line := range strings.Lines(strings.TrimSpace(string(text))) {
		line = strings.TrimRight(line, "\n")
		mark, color := "", ""
		if before, rest, found := strings.Cut(line, "\x1b["); found { // only the mark of a result has a color
			code, rest, _ := strings.Cut(rest, "m")
			symbol, rest, _ := strings.Cut(rest, "\x1b[0m")
			mark, color = symbol, colors[code]
			line = before + symbol + rest
		}
		for rest := line; rest != ""; {
			shown, after := rest, ""
			if runes := []rune(rest); len(runes) > terminalColumns { // break between words
				shown = string(runes[:terminalColumns])
				shown = shown[:strings.LastIndex(shown, " ")]
				after = "      " + strings.TrimSpace(strings.TrimPrefix(rest, shown))
			}
			rest, shown = after, html.EscapeString(shown)
			if mark != "" {
				shown = strings.Replace(shown, mark, `<tspan fill="`+color+`">`+mark+`</tspan>`, 1)
			}
			fmt.Fprintf(&body, `<text x="16" y="%d">%s</text>`+"\n", 30+lines*lineHeight, shown)
			mark = ""
			lines++
		}
	}
	height := lines*lineHeight + 32
	return fmt.Appendf(nil, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%[1]d" height="%[2]d" role="img">
<title>What %[3]s prints</title>
<rect width="100%%" height="100%%" rx="8" fill="#0d1117"/>
<g font-family="ui-monospace, Menlo, Consolas, monospace" font-size="13" fill="#e6edf3" xml:space="preserve">
%[4]s</g>
</svg>
`, terminalWidth, height, html.EscapeString(command), body.String())
}
