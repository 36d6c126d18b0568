package config

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestExcerptShowsTheLineWithoutWhatMayBeAValue(t *testing.T) {
	for name, test := range map[string]struct{ text, want string }{
		"unknown key": {delivery("vault:\n  tokenTTL: 1h\n  valeu: {env: hunter2}\n"), `
  3 |   valeu: {env: …}
    |   ^^^^^`},
		"known value":         {delivery("name: Aidbox_Prod # hunter2\n"), "\n  1 | name: …\n    | ^^^^"},
		"quoted value":        {delivery("name: \"Aidbox_Prod\"\n"), "\n  1 | name: …\n    | ^^^^"},
		"long value":          {delivery("name: " + strings.Repeat("a", 70) + "\n"), "\n  1 | name: …\n    | ^^^^"},
		"odd value":           {delivery("name: hunter2!\n"), "\n  1 | name: …\n    | ^^^^"},
		"alias":               {delivery("aidbox: {serviceAccount: &hunter2 a, probe: *hunter2, nam: x}\n"), "\n  1 | aidbox: {serviceAccount: …, probe: …, nam: …}\n    |                                       ^^^"},
		"value for a source":  {delivery("secrets: [{name: s, scope: [Client], value: hunter2}]\n"), "\n  1 | secrets: [{name: …, scope: […], value: …}]\n    |                                 ^^^^^"},
		"key for a source":    {delivery("secrets: [{name: s, scope: [Client], value: {hunter2}}]\n"), "\n  1 | secrets: [{name: …, scope: […], value: {…}}]\n    |                                 ^^^^^"},
		"address":             {delivery("vault: {address: \"https://a:hunter2@b\"}\n"), "\n  1 | vault: {address: …}\n    |         ^^^^^^^"},
		"item of a list":      {delivery("secrets:\n  - hunter2\n"), "\n  2 |   - …\n    |     ^"},
		"item of a scope":     {delivery("secrets: [{name: s, scope: [Client, hunter2]}]\n"), "\n  1 | secrets: [{name: …, scope: […, …]}]\n    |                                ^"},
		"reference":           {delivery("resources: [{type: Client, id: c, secrets: {secret: hunter2}}]\n"), "\n  1 | resources: [{type: …, id: …, secrets: {secret: …}}]\n    |                                        ^^^^^^"},
		"value in a body":     {delivery("resources: [{type: Client, id: c, secrets: {secret: s}, body: {secret: hunter2}}]\n"), "\n  1 | resources: [{type: …, id: …, secrets: {secret: …}, body: {secret: …}}]\n    |                                                    ^^^^"},
		"literal of an env":   {delivery("aidbox: {env: [{name: BOX_VAULT_CONFIG, value: hunter2}]}\n"), "\n  1 | aidbox: {env: [{name: …, value: …}]}\n    |                 ^^^^"},
		"what is not written": {delivery("secrets:\n  - scope: [Client/c]\n"), "\n  2 |   - scope: […]"},
		"second document":     {delivery("") + "---\n" + delivery("name: B\n"), "\n  5 | name: …\n    | ^^^^"},
		"Windows":             {"name: B\r\n" + delivery(""), "\n  1 | name: …\n    | ^^^^"},
		"tab":                 {delivery("azure:\t{nam: hunter2}\n"), "\n  1 | azure: {nam: …}\n    |         ^^^"},
		"broken value":        {"provider: vault\npassword: \"hunter2\nname: b\n", "\n  2 | …"},
		"broken key":          {"provider: vault\nhunter2: hunter2: a\n", "\n  2 | …"},
		"broken list":         {"secrets:\n  - name: hunter2\n  value: hunter2\n", "\n  1 | secrets:"},
	} {
		t.Run(name, func(t *testing.T) {
			var got string
			for _, p := range problems(t, test.text) {
				got += "\n" + p.Excerpt
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("(-want +got)\n%s%s", diff, test.text)
			}
		})
	}
}

func TestExcerptsOfHugeDocumentsAreShortAndFew(t *testing.T) {
	var items []string
	for i := range 1000 {
		items = append(items, fmt.Sprintf(`{"name": "s%d", "scope": ["Client"], "nam": 1}`, i))
	}
	got := problems(t, delivery("secrets: ["+strings.Join(items, ", ")+"]\n"))
	for i, p := range got {
		line, mark, _ := strings.Cut(p.Excerpt, "\n")
		if (p.Excerpt == "") != (i == len(got)-1) || len([]rune(line)) > excerptWidth+30 {
			t.Fatalf("problem %d: %s", i, p.Excerpt)
		}
		if at := strings.Index(mark, "^"); at >= 0 && !strings.HasPrefix(string([]rune(line)[at:]), `"nam"`) {
			t.Errorf("problem %d: the mark is beside the key\n%s", i, p.Excerpt)
		}
	}
}
