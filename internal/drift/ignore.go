package drift

import (
	"slices"
	"strings"

	"github.com/secretctl/secretctl/internal/diff"
)

// Ignore leaves differences out: each path is one as WriteText prints it, and stands for
// everything below it too. An object that differs in nothing else is equal.
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

// byDeployer says whether a difference comes from who applied the object: Argo CD writes
// the name of its application into the label instance, Helm itself into managed-by. What
// they and Flux add, such as annotations, is no difference anyway.
func byDeployer(f diff.Field) bool {
	return f.Path == `metadata.labels["app.kubernetes.io/instance"]` && f.Before != nil ||
		f.Path == `metadata.labels["app.kubernetes.io/managed-by"]` && string(f.Before) == `"Helm"`
}
