package render

import (
	"bytes"
	"strings"
	"testing"
	"unicode/utf8"

	yaml3 "go.yaml.in/yaml/v3"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"
)

// readers are the parsers of kubectl and of the Azure provider.
var readers = map[string]func([]byte, any) error{
	"sigs.k8s.io/yaml": func(b []byte, v any) error { return yaml.UnmarshalStrict(b, v) },
	"yaml/v3":          yaml3.Unmarshal,
}

func comesBack(t *testing.T, text, want string) {
	t.Helper()
	for name, read := range readers {
		var got map[string]string
		if err := read([]byte("k: "+text+"\n"), &got); err != nil {
			t.Errorf("%s: %.200q: %v", name, text, err)
		} else if got["k"] != want {
			t.Errorf("%s: %.200q came back as %.200q", name, want, got["k"])
		}
	}
}

func everyRune() []string {
	var texts []string
	var b strings.Builder
	for r := rune(0); r <= utf8.MaxRune; r++ {
		if r > 0xffff {
			r += 0x3ff // every plane, not every rune
		}
		if utf8.ValidRune(r) {
			b.WriteRune(r)
		}
		if b.Len() > 4000 {
			texts = append(texts, b.String())
			b.Reset()
		}
	}
	return append(texts, b.String())
}

func TestQuotedTextComesBackWhateverIsInIt(t *testing.T) {
	for _, s := range append(nasty, everyRune()...) {
		text, err := quote(s)
		if err != nil {
			t.Fatalf("%q: %v", s, err)
		}
		if strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r > '~' }) {
			t.Errorf("%.80q: not printable ASCII", text)
		}
		comesBack(t, text, s)
	}
}

func TestFlowComesBackWhateverIsInIt(t *testing.T) {
	for _, s := range append(nasty, everyRune()...) {
		text, err := flow(corev1.EnvVar{Name: "x", Value: s})
		if err != nil {
			t.Fatal(err)
		}
		var got map[string]corev1.EnvVar
		if err := yaml.UnmarshalStrict([]byte("k: "+text), &got); err != nil || got["k"].Value != s {
			t.Errorf("%.80q came back as %.80q, %v", s, got["k"].Value, err)
		}
	}
}

func TestBlockIsLiteralWhereThatKeepsTheText(t *testing.T) {
	for text, block := range map[string]bool{
		"one\n":                  true,
		"{\"a\": {\n  \"é\"}}\n": true,
		"😀: \"x\" # y\n- \n":     true,
		"":                       false,
		"no newline":             false,
		"two newlines\n\n":       false,
		"a\n\nb\n":               false,
		" indented\n":            false,
		"\nblank\n":              false,
		"tab\there\n":            false,
		"del\x7f\n":              false,
		"next\u0085line\n":       false,
		"separator\u2028\n":      false,
		"mark\ufeff\n":           false,
		"carriage\r\n":           false,
		"nul\x00\n":              false,
	} {
		got, err := literal(2, text)
		if err != nil || strings.HasPrefix(got, "|\n  ") != block {
			t.Errorf("%q: got %q, %v", text, got, err)
		}
		comesBack(t, got, text)
	}
	for _, text := range everyRune() {
		got, err := literal(4, strings.TrimLeft(text, " ")+"\n")
		if err != nil {
			t.Fatal(err)
		}
		comesBack(t, got, strings.TrimLeft(text, " ")+"\n")
	}
}

func TestTextThatIsNotUTF8IsRefused(t *testing.T) {
	for _, f := range []func(string) (string, error){quote, func(s string) (string, error) { return literal(2, s) }} {
		if got, err := f("a\xffb\n"); err == nil {
			t.Errorf("got %q", got)
		}
	}
	d := vaultDelivery()
	d.Vault.Role = "a\xff"
	_, err := objectsOf(d, Options{})
	if err == nil || !bytes.Contains([]byte(err.Error()), []byte("secretproviderclass-vault.yaml.tmpl")) {
		t.Errorf("got %v", err)
	}
}
