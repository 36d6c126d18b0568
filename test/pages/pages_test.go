package pages

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"html"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// chromiumVariable names the browser. Without it the tests are skipped.
const chromiumVariable = "SECRETCTL_TEST_CHROMIUM"

// look is how a page is shown.
type look struct {
	name   string
	width  int
	height int
	dark   bool
}

var looks = []look{{"desktop", 1280, 1000, false}, {"dark", 1280, 1000, true}, {"phone", 390, 844, false}, {"phone-dark", 390, 844, true}}

// A page shows well what is right and what is wrong, a rotation, and the drawing alone.
func TestPagesInABrowser(t *testing.T) {
	needBrowser(t)
	axe, err := os.ReadFile("node_modules/axe-core/axe.min.js")
	check(t, err)
	s := startStandIns(t)
	pages := map[string][]byte{
		"verify": s.report(t, 0, "verify", "mount", "client", "auth"),
		"rotate": s.report(t, 0, "rotate", "client-secret"),
		"graph":  s.secretctl(t, 0, "graph", "-o", "html"),
	}
	s.mount.Close()
	s.secretctl(t, 0, append([]string{"rotate", "client-secret", "--no-verify"}, s.local()...)...)
	pages["stale"] = s.report(t, 1, "verify", "mount", "client", "auth")
	shots := os.Getenv("SECRETCTL_TEST_SCREENSHOTS") // a folder
	for name, page := range pages {
		for _, l := range looks {
			t.Run(name+"/"+l.name, func(t *testing.T) {
				for _, problem := range inspect(t, page, string(axe), l) {
					t.Error(problem)
				}
				if shots != "" {
					screenshot(t, page, l, filepath.Join(shots, name+"-"+l.name+".png"))
				}
			})
		}
	}
}

// What is wrong with this page has to be found, or the test above proves nothing.
func TestInspectionFindsWhatIsWrong(t *testing.T) {
	needBrowser(t)
	axe, err := os.ReadFile("node_modules/axe-core/axe.min.js")
	check(t, err)
	const bad = `<!doctype html><html><head><meta name="viewport" content="width=device-width"></head><body style="overflow-wrap: anywhere; background: white">
<p style="color: #ddd">pale</p><p style="width: 5em">averylongwordthatcannotfit</p><p style="width: 600px">wide</p></body></html>`
	found := strings.Join(inspect(t, []byte(bad), string(axe), looks[2]), "\n")
	for _, want := range []string{"color-contrast", "html-has-lang", "broken within a word: averylongwordthatcannotfit", "is wider than the screen"} {
		if !strings.Contains(found, want) {
			t.Errorf("not found: %s\n%s", want, found)
		}
	}
}

func needBrowser(t *testing.T) {
	if os.Getenv(chromiumVariable) == "" {
		t.Skip("make test-pages runs this in Chromium")
	}
}

// inspection runs in the page. It returns what axe finds, words that are broken across
// lines, and whether the page has to be scrolled sideways.
const inspection = `
async function inspect() {
  const problems = (await axe.run(document)).violations.map(v => 'axe: ' + v.id + ': ' + v.help + ': ' + v.nodes.slice(0, 3).map(n => n.target).join(' '));
  document.querySelectorAll('details').forEach(d => d.open = true);
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT), range = document.createRange();
  for (let node; node = walker.nextNode();) {
    if (!node.parentElement.checkVisibility() || ['SCRIPT', 'STYLE'].includes(node.parentElement.tagName)) continue;
    for (const word of node.data.matchAll(/[\p{L}\p{N}]+/gu)) {
      range.setStart(node, word.index);
      range.setEnd(node, word.index + word[0].length);
      const shown = Array.from(range.getClientRects()).filter(r => r.right > 0); // headings for screen readers are to the left of the page
      if (new Set(shown.map(r => Math.round(r.top))).size > 1) problems.push('broken within a word: ' + word[0]);
    }
  }
  const width = document.documentElement.scrollWidth;
  if (width > innerWidth) problems.push('is wider than the screen: ' + width + ' and ' + innerWidth + ' pixels');
  return problems;
}`

// inspect returns what is wrong with a page.
func inspect(t *testing.T, page []byte, axe string, l look) (problems []string) {
	t.Helper()
	script := "<script>" + axe + inspection + "\nparent.show(inspect())</script>"
	dom := browse(t, frame(t, append(withoutPolicy(page), script...), l), l, "--virtual-time-budget=20000", "--dump-dom")
	found := regexp.MustCompile(`(?s)<pre id="found">(.*?)</pre>`).FindSubmatch(dom)
	if found == nil {
		t.Fatalf("the browser did not finish: %.500s", dom)
	}
	if err := json.Unmarshal([]byte(html.UnescapeString(string(found[1]))), &problems); err != nil {
		t.Fatalf("%v: %s", err, found[1])
	}
	return problems
}

func screenshot(t *testing.T, page []byte, l look, file string) {
	t.Helper()
	browse(t, frame(t, withoutPolicy(page), l), l, "--hide-scrollbars", "--screenshot="+file)
}

// withoutPolicy lets a page run the inspection, which its own policy forbids.
func withoutPolicy(page []byte) []byte {
	return regexp.MustCompile(`<meta http-equiv="Content-Security-Policy"[^>]*>`).ReplaceAll(bytes.Clone(page), nil)
}

// frame shows a page in a frame, since no window of Chromium is as narrow as a phone.
func frame(t *testing.T, page []byte, l look) string {
	t.Helper()
	var text bytes.Buffer
	check(t, json.NewEncoder(&text).Encode(string(page))) // which escapes < and >
	file := filepath.Join(t.TempDir(), "frame.html")
	check(t, os.WriteFile(file, fmt.Appendf(nil, `<!doctype html><meta charset="utf-8"><meta name="color-scheme" content="light dark">
<body style="margin: 0"><iframe style="border: 0; display: block; width: %dpx; height: %dpx"></iframe><script>
async function show(found) {
  const pre = document.createElement('pre');
  pre.textContent = JSON.stringify(await found);
  pre.id = 'found';
  document.body.append(pre);
}
document.querySelector('iframe').srcdoc = %s;
</script>`, l.width, l.height, text.String()), 0o600))
	return file
}

// browse opens a file in Chromium and returns what it prints.
func browse(t *testing.T, file string, l look, args ...string) []byte {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	scheme := 1
	if l.dark {
		scheme = 0
	}
	args = append([]string{
		"--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
		"--disable-component-update", "--disable-sync", "--user-data-dir=" + t.TempDir(),
		fmt.Sprintf("--window-size=%d,%d", l.width, l.height), fmt.Sprintf("--blink-settings=preferredColorScheme=%d", scheme),
	}, args...)
	out, err := exec.CommandContext(ctx, os.Getenv(chromiumVariable), append(args, "file://"+file)...).Output()
	check(t, err)
	return out
}
