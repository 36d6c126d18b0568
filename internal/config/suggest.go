package config

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/agnivade/levenshtein"
)

// maxWord is the longest word, in bytes, that is compared with others.
const maxWord = 64

// didYouMean returns a question that names the choice nearest to word, or "" when
// none is near.
func didYouMean(word string, choices []string) string {
	best, distance := "", 0
	plain := plainWord(word)
	if len(word) > maxWord || plain == "" {
		return ""
	}
	for _, choice := range choices {
		d := levenshtein.ComputeDistance(plain, plainWord(choice))
		near := d <= 2 || plain[0] == plainWord(choice)[0] // Patient is no Client
		if near && d <= (len(plain)+3)/3 && d < len(plain) && (best == "" || d < distance) {
			best, distance = choice, d
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf("did you mean %q?", best)
}

// plainWord takes away what differs between ways to write the same word.
func plainWord(word string) string {
	return strings.ToLower(strings.ReplaceAll(strings.ReplaceAll(word, "-", ""), "_", ""))
}

// keys knows the keys of structs by their json tags.
type keys struct {
	byType map[reflect.Type]map[string]reflect.StructField
	places map[string]string
}

// of returns the fields of a struct by their keys.
func (k *keys) of(t reflect.Type) map[string]reflect.StructField {
	if fields, known := k.byType[t]; known {
		return fields
	}
	fields := map[string]reflect.StructField{}
	for _, f := range reflect.VisibleFields(t) {
		if name, _, _ := strings.Cut(f.Tag.Get("json"), ","); name != "" && name != "-" {
			fields[name] = f
		}
	}
	if k.byType == nil {
		k.byType = map[reflect.Type]map[string]reflect.StructField{}
	}
	k.byType[t] = fields
	return fields
}

// elsewhere asks whether a key was meant that stands in another place of a
// delivery, or returns "".
func (k *keys) elsewhere(key string) string {
	if k.places == nil {
		k.places = map[string]string{}
		k.find(reflect.TypeFor[Delivery](), "")
	}
	if plainWord(key) == "useazuretokenproxy" {
		return "identity binding is not supported: use identity.type workload"
	}
	if renamed := map[string]string{"deployment": "aidbox.workload.name"}[plainWord(key)]; renamed != "" {
		return fmt.Sprintf("write %s", renamed)
	}
	if path := k.places[plainWord(key)]; path != "" {
		return fmt.Sprintf("did you mean %s?", path)
	}
	return ""
}

// find notes the first place of every key below t.
func (k *keys) find(t reflect.Type, path string) {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice {
		if t.Kind() == reflect.Slice {
			path += "[]"
		}
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct || strings.HasPrefix(t.PkgPath(), "k8s.io/") {
		return
	}
	fields := k.of(t)
	names := slices.Sorted(maps.Keys(fields))
	for _, name := range names {
		if word := plainWord(name); k.places[word] == "" {
			k.places[word] = strings.TrimPrefix(path+"."+name, ".")
		}
	}
	for _, name := range names {
		k.find(fields[name].Type, strings.TrimPrefix(path+"."+name, "."))
	}
}
