// Package diff compares two documents: which fields differ, and for those that may be
// shown, from what to what.
package diff

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"
)

// maxValue is how much of a value is shown, in characters.
const maxValue = 120

// Field is one place where two documents differ. Before and After are nil if that
// document does not have the field, and both if Hidden.
type Field struct {
	Path   string          `json:"path"`
	Before json.RawMessage `json:"before,omitempty"`
	After  json.RawMessage `json:"after,omitempty"`
	Hidden bool            `json:"hidden,omitempty"` // a value that may be secret, so it is not shown
}

// String is the form for people, with the beginning of a long value.
func (f Field) String() string {
	if f.Hidden {
		return f.Path + ": differs (not shown)"
	}
	return fmt.Sprintf("%s: %s -> %s", f.Path, brief(f.Before), brief(f.After))
}

func brief(value json.RawMessage) string {
	r := []rune(string(value))
	switch {
	case len(r) == 0:
		return "(none)"
	case len(r) > maxValue:
		return string(r[:maxValue-1]) + "…"
	}
	return string(r)
}

// Fields returns the places where before and after, decoded from JSON, differ, in
// the order of their paths. Elements of a list are matched by what names them;
// text that is a YAML or JSON document is compared as such. hide reports whether the
// values at a path, and below it, must not be shown; it may be nil.
func Fields(before, after any, hide func(path []string) bool) []Field {
	c := comparer{hide: hide}
	c.compare(nil, before, after, false)
	return c.fields
}

// absent is the value of a field that a document does not have.
type absent struct{}

type comparer struct {
	hide   func([]string) bool
	fields []Field
}

func (c *comparer) compare(path []string, before, after any, hidden bool) {
	if reflect.DeepEqual(before, after) {
		return
	}
	hidden = hidden || c.hide != nil && len(path) > 0 && c.hide(path)
	if !hidden {
		before, after = decodeTexts(before, after)
	}
	if b, a, ok := both[map[string]any](before, after); ok && len(b)+len(a) > 0 {
		c.compareMaps(path, b, a, hidden)
		return
	}
	if b, a, ok := both[[]any](before, after); ok && len(b)+len(a) > 0 {
		bNames, aNames, known := names(b, a), names(a, b), len(c.fields)
		c.compareMaps(path, byName(bNames, b), byName(aNames, a), hidden)
		if len(c.fields) == known { // the same elements
			c.fields = append(c.fields, Field{Path: show(path) + " (order)", Before: text(bNames), After: text(aNames)})
		}
		return
	}
	f := Field{Path: show(path), Hidden: hidden}
	if !hidden {
		f.Before, f.After = text(before), text(after)
	}
	c.fields = append(c.fields, f)
}

func (c *comparer) compareMaps(path []string, before, after map[string]any, hidden bool) {
	all := map[string]any{}
	maps.Copy(all, before)
	maps.Copy(all, after)
	for _, key := range slices.Sorted(maps.Keys(all)) {
		c.compare(append(slices.Clip(path), key), valueAt(before, key), valueAt(after, key), hidden)
	}
}

func valueAt(m map[string]any, key string) any {
	if v, found := m[key]; found {
		return v
	}
	return absent{}
}

// both returns two maps or two lists. That of an absent field is empty.
func both[T any](before, after any) (b, a T, ok bool) {
	b, bOK := before.(T)
	a, aOK := after.(T)
	return b, a, (bOK || before == absent{}) && (aOK || after == absent{})
}

// names returns what names the elements of a list: the first field that identifies them
// in this list and in the other, else their index.
func names(list, other []any) []string {
	for _, key := range []string{"name", "objectName", "mountPath", "containerPort"} {
		of, unique := valuesOf(key, list)
		if _, otherUnique := valuesOf(key, other); unique && otherUnique {
			return of
		}
	}
	indexes := make([]string, len(list))
	for i := range list {
		indexes[i] = fmt.Sprint(i)
	}
	return indexes
}

func valuesOf(key string, list []any) (values []string, unique bool) {
	for _, element := range list {
		m, _ := element.(map[string]any)
		value, found := m[key]
		if !found || slices.Contains(values, fmt.Sprint(value)) {
			return nil, false
		}
		values = append(values, fmt.Sprint(value))
	}
	return values, true
}

func byName(names []string, list []any) map[string]any {
	m := map[string]any{}
	for i, name := range names {
		m["["+name+"]"] = list[i]
	}
	return m
}

// decodeTexts returns the content of two texts that are YAML or JSON documents. If the
// content is the same, the layout differs, and it returns the texts.
func decodeTexts(before, after any) (b, a any) {
	if b, a := decodeText(before), decodeText(after); b != nil && a != nil && !reflect.DeepEqual(b, a) {
		return b, a
	}
	return before, after
}

func decodeText(v any) (document any) {
	s, isText := v.(string)
	if !isText || !strings.ContainsAny(s, "\n{[") || yaml.Unmarshal([]byte(s), &document) != nil {
		return nil
	}
	switch document.(type) {
	case map[string]any, []any:
		return document
	}
	return nil
}

// show writes a path as people do: spec.containers[aidbox].image.
func show(path []string) string {
	var out strings.Builder
	for i, segment := range path {
		switch {
		case strings.HasPrefix(segment, "["):
		case strings.ContainsAny(segment, "./ \n"):
			segment = fmt.Sprintf("[%q]", segment)
		case i > 0:
			out.WriteByte('.')
		}
		out.WriteString(segment)
	}
	return out.String()
}

// text writes a value as JSON in one line.
func text(v any) json.RawMessage {
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	if v == (absent{}) || enc.Encode(v) != nil {
		return nil
	}
	return bytes.TrimSpace(out.Bytes())
}
