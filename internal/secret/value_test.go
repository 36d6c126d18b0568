package secret

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"log/slog"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"
)

const canary = "c4nary-v4lue"

// holder contains a value in every way that a type can.
type holder struct {
	Exported Value
	Pointer  *Value
	List     []Value
	Map      map[string]Value
	Any      any
	hidden   Value
}

func TestValueIsShownByNothing(t *testing.T) {
	v := New([]byte(canary))
	things := map[string]any{
		"value": v, "pointer": &v, "list": []Value{v}, "map": map[string]Value{"a": v}, "function": v.reveal,
		"holder":            holder{v, &v, []Value{v}, map[string]Value{"a": v}, v, v},
		"pointer to holder": &holder{v, &v, []Value{v}, map[string]Value{"a": v}, &v, v},
		"error":             &SourceError{Source: Source{Env: "A"}, Err: fmt.Errorf("%v", v)},
	}
	encoded := []string{canary, hex.EncodeToString([]byte(canary)), base64.StdEncoding.EncodeToString([]byte(canary)), fmt.Sprint([]byte(canary))}
	for name, thing := range things {
		shown := map[string]string{}
		for _, verb := range "vsqxXdbocUeEfFgGtpT" {
			for _, flags := range []string{"", "+", "#", "-20.5", " "} {
				format := "%" + flags + string(verb)
				shown[format] = fmt.Sprintf(format, thing)
			}
		}
		var log bytes.Buffer
		for _, handler := range []slog.Handler{slog.NewTextHandler(&log, nil), slog.NewJSONHandler(&log, nil)} {
			slog.New(handler).Info("x", "thing", thing, slog.Any("again", thing))
		}
		shown["slog"] = log.String()
		asJSON, _ := json.Marshal(thing) // a function has no JSON
		shown["json"] = string(asJSON)
		asYAML, _ := yaml.Marshal(thing)
		shown["yaml"] = string(asYAML)
		asXML, _ := xml.Marshal(thing)
		shown["xml"] = string(asXML)
		shown["cmp"] = cmp.Diff(thing, 0, cmp.Exporter(func(reflect.Type) bool { return true }))
		for how, text := range shown {
			for _, e := range encoded {
				if strings.Contains(strings.ToLower(text), strings.ToLower(e)) {
					t.Errorf("%s shows the %s: %s", how, name, text)
				}
			}
		}
	}
	if got := fmt.Sprintf("%s %v %q %x", v, v, v, v); got != "[secret] [secret] [secret] [secret]" {
		t.Errorf("got %s", got)
	}
}

func TestValueKeepsACopyOfItsBytes(t *testing.T) {
	b := []byte("before")
	v := New(b)
	copy(b, "after!")
	if got := string(v.Reveal()); got != "before" {
		t.Errorf("got %q", got)
	}
}

func TestValuesAreEqualWhenTheirBytesAre(t *testing.T) {
	for _, test := range []struct {
		a, b Value
		want bool
	}{
		{New([]byte("a")), New([]byte("a")), true},
		{New([]byte("a")), New([]byte("b")), false},
		{New([]byte("a")), New([]byte("aa")), false},
		{Value{}, New(nil), true},
		{Value{}, New([]byte("a")), false},
	} {
		if got := test.a.Equal(test.b); got != test.want {
			t.Errorf("%q and %q: %t", test.a.Reveal(), test.b.Reveal(), got)
		}
	}
}

func TestOddityDescribesWhatHardlyAnybodyIntends(t *testing.T) {
	for text, want := range map[string]string{
		"": "", "value": "", "two words": "", "a\nb": "", "\uFEFF": "begins with a byte order mark", "\uFEFFvalue": "begins with a byte order mark", "a\uFEFF": "",
		"a\n": "ends in a line break", "\uFEFFa\r\n": "ends in a line break", "a\x00b": "has a NUL character",
		"-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n": "",
		" a": "begins with white space", "\na": "begins with white space", "\ta": "begins with white space", "a ": "ends in white space", "a\t": "ends in white space", " ": "begins with white space",
	} {
		if got := New([]byte(text)).Oddity(); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

func TestEmptyAndEndsInNewline(t *testing.T) {
	for text, want := range map[string][2]bool{
		"": {true, false}, "a": {false, false}, "a\n": {false, true}, "a\r": {false, true}, "\n": {false, true}, "a\nb": {false, false},
	} {
		v := New([]byte(text))
		if got := [2]bool{v.Empty(), v.EndsInNewline()}; got != want {
			t.Errorf("%q: empty %t, ends in newline %t", text, got[0], got[1])
		}
	}
	if !(Value{}).Empty() {
		t.Error("the zero Value is not empty")
	}
}
