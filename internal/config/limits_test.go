package config

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestAliasBombEndsSoonWithOneProblem(t *testing.T) {
	body := "{a0: &a0 [x, x]"
	for i := range 40 {
		body += fmt.Sprintf(", a%d: &a%d [*a%d, *a%d]", i+1, i+1, i, i)
	}
	start := time.Now()
	got := problems(t, delivery("resources: [{type: Client, id: c, secrets: {secret: s}, body: "+body+"}}]\n"))
	if len(got) != 1 || !strings.Contains(got[0].Message, "aliases") {
		t.Errorf("%s", &Error{got})
	}
	if took := time.Since(start); took > 10*time.Second {
		t.Errorf("took %s", took)
	}
}

func TestAliasesOfALongTextAreOneProblem(t *testing.T) {
	long := strings.Repeat("x", 1000)
	for _, aliased := range []string{long, "{" + long + ": 1}", "[[" + long + "]]"} {
		body := "{a: &a " + aliased + ", b: [" + strings.Repeat("*a, ", 10_000) + "]}"
		got := problems(t, delivery("resources: [{type: Client, id: c, secrets: {secret: s}, body: "+body+"}]\n"))
		if len(got) != 1 || !strings.Contains(got[0].Message, "aliases") {
			t.Errorf("%.10s: %s", aliased, &Error{got})
		}
	}
}

func TestVaultConfigThatFitsNoConfigMapIsRefused(t *testing.T) {
	var items []string
	for i := range 300 {
		items = append(items, fmt.Sprintf("{name: s%d, scope: [Client]}", i))
	}
	got := problems(t, delivery("mountPath: /"+strings.Repeat("a", 4000)+"\nsecrets: ["+strings.Join(items, ", ")+"]\n"))
	if len(got) != 1 || got[0].Path != "secrets" || !strings.Contains(got[0].Message, "a ConfigMap holds at most 1048576") {
		t.Errorf("%s", &Error{got})
	}
}

func TestDerivedNamesOfTheLongestNamesAreValid(t *testing.T) {
	label := strings.Repeat("a", 63)
	d := loadText(t, delivery("name: "+label+"\nnamespace: "+label+"\naidbox: {workload: {name: "+label+"}}\n"))
	// What the driver calls its status of a pod is the longest name there is.
	for _, name := range []string{d.SecretProviderClassName(), d.ConfigMapName(), label + "-0123456789-01234-" + label + "-" + d.SecretProviderClassName()} {
		if len(name) > 253 {
			t.Errorf("%s has %d characters", name, len(name))
		}
	}
}

func TestProblemsAreCutAtFiftyLines(t *testing.T) {
	for name, test := range map[string]struct {
		text string
		want string
	}{
		"one document":   {delivery(strings.Repeat("vault: {}\n", 1000)), "and 987 more"},
		"many documents": {strings.Repeat("---\nx: 1\n", 1000), "and 988 more"},
	} {
		got := problems(t, test.text)
		lines := 0
		for _, p := range got {
			lines++
			for _, more := range []string{p.Excerpt, p.Hint} {
				if more != "" {
					lines += 1 + strings.Count(more, "\n")
				}
			}
		}
		if last := got[len(got)-1].String(); last != test.want || lines > 50 || lines < 45 {
			t.Errorf("%s: %d lines, the last is %q", name, lines, last)
		}
	}
	for n, want := range map[int]int{12: 12, 13: 13} { // all of them, or 12 and how many more there are
		if got := problems(t, delivery(strings.Repeat("vault: {}\n", n+1))); len(got) != want {
			t.Errorf("%d problems make %d", n, len(got))
		}
	}
}

func TestTooManyDocumentsAreOneProblem(t *testing.T) {
	start := time.Now()
	_, err := Parse("x.yaml", []byte(strings.Repeat("---\nx: 1\n", maxFile/9)))
	if err == nil || err.Error() != "x.yaml: holds more than 10000 documents" {
		t.Error(err)
	}
	if took := time.Since(start); took > 10*time.Second {
		t.Errorf("took %s", took)
	}
}
