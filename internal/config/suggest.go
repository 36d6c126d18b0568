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

// didYouMean asks whether the choice most like word was meant; "" if none is like it.
func didYouMean(word string, choices []string) string {
	plain := plainWord(word)
	if len(word) > maxWord || plain == "" {
		return ""
	}
	best, question := min(max(3, len(plain)/3+1), len(plain)), "" // two typing errors, in a long word more
	for _, choice := range choices {
		if d := levenshtein.ComputeDistance(plain, plainWord(choice)); d < best {
			best, question = d, fmt.Sprintf("did you mean %q?", choice)
		}
	}
	return question
}

// plainWord makes the same of camelCase, kebab-case and snake_case.
func plainWord(word string) string {
	return strings.ToLower(strings.ReplaceAll(strings.ReplaceAll(word, "-", ""), "_", ""))
}

// keys finds the keys of structs, their json tags.
type keys struct {
	byType map[reflect.Type]map[string]reflect.Type
	places map[string]string
}

// of returns the keys of a struct and the types of their values.
func (k *keys) of(t reflect.Type) map[string]reflect.Type {
	if fields, known := k.byType[t]; known {
		return fields
	}
	fields := map[string]reflect.Type{}
	for _, f := range reflect.VisibleFields(t) {
		if name, _, _ := strings.Cut(f.Tag.Get("json"), ","); name != "" && name != "-" {
			fields[name] = f.Type
		}
	}
	if k.byType == nil {
		k.byType = map[reflect.Type]map[string]reflect.Type{}
	}
	k.byType[t] = fields
	return fields
}

// elsewhere asks whether a key of another part of a delivery was meant; "" if none was.
func (k *keys) elsewhere(key string) string {
	if k.places == nil {
		k.places = map[string]string{}
		k.find(reflect.TypeFor[Delivery](), "")
	}
	if plainWord(key) == "useazuretokenproxy" {
		return "identity binding is not supported: use identity.type workload"
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
		k.find(fields[name], strings.TrimPrefix(path+"."+name, "."))
	}
}
