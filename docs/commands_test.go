package docs_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/secretctl/secretctl/cmd"
)

var (
	codeLine = regexp.MustCompile("(?m)^ *(?:\\$ )?(secretctl [a-z][^\n]*)$")
	codeWord = regexp.MustCompile("`(secretctl [a-z][^`]*)`")
	flagName = regexp.MustCompile(`^--([a-z][a-z-]*)`)
)

// TestEveryCommandLineOfAPageIsOne finds the command of each line that a page shows, and
// each of its flags. What a shell does with the line is left out.
func TestEveryCommandLineOfAPageIsOne(t *testing.T) {
	root := cmd.Root()
	for page, text := range pages(t) {
		text = strings.ReplaceAll(text, "\\\n", " ")
		found := codeWord.FindAllStringSubmatch(text, -1)
		for i, block := range strings.Split(text, "```") {
			if i%2 == 1 {
				found = append(found, codeLine.FindAllStringSubmatch(block, -1)...)
			}
		}
		for _, m := range found {
			line, _, _ := strings.Cut(m[1], " #")
			line = strings.FieldsFunc(strings.Join(strings.Fields(line), " "), func(r rune) bool { return strings.ContainsRune("|>&;", r) })[0]
			words := strings.Fields(line)[1:]
			c, _, err := root.Find(words)
			if err != nil || c == root {
				t.Errorf("%s: %q: there is no such command", page, line)
				continue
			}
			for _, word := range words {
				flag := flagName.FindStringSubmatch(word)
				if flag != nil && c.Flag(flag[1]) == nil && flag[1] != "help" {
					t.Errorf("%s: %q: %s has no flag --%s", page, line, c.CommandPath(), flag[1])
				}
			}
		}
	}
}
