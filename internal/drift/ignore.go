package drift

import (
	"slices"
	"strings"

	"github.com/secretctl/secretctl/internal/diff"
)

// Ignore leaves out the differences at these paths, as [WriteText] prints them, and below.
// An object that differs in nothing else is equal.
func Ignore(objects []Object, paths []string) []Object {
	out := slices.Clone(objects)
	for i, o := range out {
		left := slices.DeleteFunc(slices.Clone(o.Fields), func(f diff.Field) bool {
			return slices.ContainsFunc(paths, func(path string) bool { return within(f.Path, path) })
		})
		if o.State == Different && len(left) == 0 && len(o.Fields) > 0 {
			out[i] = Object{Name: o.Name, State: Equal}
			continue
		}
		out[i].Fields = left
	}
	return out
}

func within(field, path string) bool {
	rest, found := strings.CutPrefix(field, path)
	return found && (rest == "" || strings.ContainsAny(rest[:1], ".[ "))
}
