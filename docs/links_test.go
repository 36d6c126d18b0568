package docs_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// pages returns the files of the documentation that people write, by their path from
// the root of the repository.
func pages(t *testing.T) map[string]string {
	t.Helper()
	t.Chdir("..")
	found := map[string]string{}
	for _, pattern := range []string{"*.md", "docs/*.md", "docs/ci/*.md", "test/*/README.md"} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: %v, %v", pattern, files, err)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			found[file] = string(text)
		}
	}
	return found
}

var (
	link     = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	heading  = regexp.MustCompile(`(?m)^#+ (.+)$`)
	anchor   = regexp.MustCompile(`<a id="([^"]+)">`)
	codeSpan = regexp.MustCompile("`((?:cmd|internal|templates|test|docs)/[^` ]+)`")
)

// anchors returns those that GitHub makes of a page's headings, and those that the page
// has itself.
func anchors(text string) (found []string) {
	for _, m := range heading.FindAllStringSubmatch(text, -1) {
		slug := regexp.MustCompile(`[^\p{L}\p{N} _-]`).ReplaceAllString(strings.ToLower(m[1]), "")
		found = append(found, strings.ReplaceAll(slug, " ", "-"))
	}
	for _, m := range anchor.FindAllStringSubmatch(text, -1) {
		found = append(found, m[1])
	}
	return found
}

func TestEveryLinkOfAPageLeadsSomewhere(t *testing.T) {
	all := pages(t)
	for page, text := range all {
		for _, m := range link.FindAllStringSubmatch(text, -1) {
			if strings.Contains(m[1], "://") || strings.HasPrefix(m[1], "mailto:") {
				continue
			}
			target, fragment, _ := strings.Cut(m[1], "#")
			file := page
			if target != "" {
				file = filepath.Join(filepath.Dir(page), target)
			}
			if _, err := os.Stat(file); err != nil {
				t.Errorf("%s: %s does not exist", page, m[1])
			}
			if fragment != "" && !slices.Contains(anchors(all[file]), fragment) {
				t.Errorf("%s: %s has no such heading", page, m[1])
			}
		}
	}
}

// A path with a word in capitals, such as cmd/NAME.go, is a pattern for the reader.
func TestEveryPathThatAPageNamesExists(t *testing.T) {
	for page, text := range pages(t) {
		for _, m := range codeSpan.FindAllStringSubmatch(text, -1) {
			path := strings.TrimSuffix(m[1], ":")
			if regexp.MustCompile(`[A-Z]{4,}`).MatchString(path) && !strings.HasSuffix(path, "README.md") {
				continue
			}
			if found, err := filepath.Glob(path); err != nil || len(found) == 0 {
				t.Errorf("%s: %s does not exist", page, path)
			}
		}
	}
}
