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

// Field is one place where two documents differ. Before and After are nil where
// the document lacks the field, and both where Hidden.
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
// text of several lines that is YAML or JSON is compared as such. hide says of a
// path whether the values there, and below it, are not to be shown; it may be nil.
func Fields(before, after any, hide func(path []string) bool) []Field {
	c := comparer{hide: hide}
	c.compare(nil, before, after, false)
	return c.fields
}

// absent is the value of a field that a document lacks.
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
	if c.compareMaps(path, before, after, hidden) || c.compareLists(path, before, after, hidden) {
		return
	}
	if b, a, ok := structured(before, after); ok && !hidden {
		c.compare(path, b, a, hidden)
		return
	}
	f := Field{Path: show(path), Hidden: hidden}
	if !hidden {
		f.Before, f.After = text(before), text(after)
	}
	c.fields = append(c.fields, f)
}

func (c *comparer) compareMaps(path []string, before, after any, hidden bool) bool {
	b, bOK := contents[map[string]any](before)
	a, aOK := contents[map[string]any](after)
	if !bOK || !aOK || len(b)+len(a) == 0 {
		return false
	}
	keys := slices.Sorted(maps.Keys(b))
	for key := range a {
		if _, both := b[key]; !both {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	for _, key := range keys {
		c.compare(append(slices.Clip(path), key), valueAt(b, key), valueAt(a, key), hidden)
	}
	return true
}

func (c *comparer) compareLists(path []string, before, after any, hidden bool) bool {
	b, bOK := contents[[]any](before)
	a, aOK := contents[[]any](after)
	if !bOK || !aOK || len(b)+len(a) == 0 {
		return false
	}
	bNames, aNames := names(b, a)
	element := func(name string) []string {
		return append(slices.Clip(path), "["+name+"]")
	}
	for i, name := range bNames {
		var other any = absent{}
		if j := slices.Index(aNames, name); j >= 0 {
			other = a[j]
		}
		c.compare(element(name), b[i], other, hidden)
	}
	for j, name := range aNames {
		if !slices.Contains(bNames, name) {
			c.compare(element(name), absent{}, a[j], hidden)
		}
	}
	if was, is := shared(bNames, aNames), shared(aNames, bNames); !slices.Equal(was, is) {
		c.fields = append(c.fields, Field{Path: show(path) + " (order)", Before: text(was), After: text(is)})
	}
	return true
}

// contents returns a map or list; that of a field that is lacking is empty.
func contents[T any](v any) (T, bool) {
	t, ok := v.(T)
	if _, lacking := v.(absent); lacking {
		return t, true
	}
	return t, ok
}

func valueAt(m map[string]any, key string) any {
	if v, found := m[key]; found {
		return v
	}
	return absent{}
}

func shared(of, with []string) []string {
	return slices.DeleteFunc(slices.Clone(of), func(name string) bool { return !slices.Contains(with, name) })
}

// names returns what names the elements of two lists: the first field that tells
// them apart in both, else their index.
func names(a, b []any) (ofA, ofB []string) {
	for _, key := range []string{"name", "objectName", "mountPath", "containerPort"} {
		ofA, okA := by(key, a)
		ofB, okB := by(key, b)
		if okA && okB {
			return ofA, ofB
		}
	}
	return indexes(len(a)), indexes(len(b))
}

func by(key string, list []any) ([]string, bool) {
	var out []string
	for _, element := range list {
		m, _ := element.(map[string]any)
		name, found := m[key]
		if !found || slices.Contains(out, fmt.Sprint(name)) {
			return nil, false
		}
		out = append(out, fmt.Sprint(name))
	}
	return out, true
}

func indexes(n int) []string {
	var out []string
	for i := range n {
		out = append(out, fmt.Sprint(i))
	}
	return out
}

// structured decodes two texts that are YAML or JSON documents.
func structured(before, after any) (b, a any, ok bool) {
	decode := func(v any) (any, bool) {
		s, isText := v.(string)
		if !isText || !strings.ContainsAny(s, "\n{[") {
			return nil, false
		}
		var out any
		if yaml.Unmarshal([]byte(s), &out) != nil {
			return nil, false
		}
		switch out.(type) {
		case map[string]any, []any:
			return out, true
		}
		return nil, false
	}
	b, bOK := decode(before)
	a, aOK := decode(after)
	// The same content in another layout is a difference too, but one of text.
	return b, a, bOK && aOK && !reflect.DeepEqual(a, b)
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
	if _, lacking := v.(absent); lacking {
		return nil
	}
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	if enc.Encode(v) != nil {
		return nil
	}
	return bytes.TrimSpace(out.Bytes())
}
