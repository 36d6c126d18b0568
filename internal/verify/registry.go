package verify

import (
	"fmt"
	"slices"
	"strings"

	"github.com/agnivade/levenshtein"
)

// checks are all of them, in the order in which they run.
var checks = slices.Concat(
	clusterChecks, storeChecks, aidboxChecks, workloadChecks, mountChecks, clientChecks, authChecks, scopeChecks, rotationChecks,
)

// readingGroups run by default.
var readingGroups = []string{"workload", "mount", "client", "auth"}

// Prerequisites returns the groups that make sense before anything is installed.
func Prerequisites() []string { return []string{"cluster", "store", "aidbox"} }

// IDs returns the ID of every check there is.
func IDs() []string {
	var ids []string
	for _, c := range checks {
		ids = append(ids, c.ID)
	}
	return ids
}

// Find returns the check of that ID, those of the group, or all where name is "".
// An unknown name is a [*UsageError].
func Find(name string) ([]Check, error) {
	found := slices.DeleteFunc(slices.Clone(checks), func(c Check) bool { return name != "" && name != c.ID && name != c.Group() })
	if len(found) == 0 {
		return nil, &UsageError{What: "check", Got: name, Known: append(Groups(), IDs()...), See: "secretctl explain lists them"}
	}
	return found, nil
}

// Groups returns the names of the groups, in the order in which they run.
func Groups() []string {
	var groups []string
	for _, c := range checks {
		groups = append(groups, c.Group())
	}
	return slices.Compact(groups)
}

// Select returns what to run, in order: the groups and the checks that are named, every
// group with all, or the groups that only read where nothing is named. An unknown name
// is a [*UsageError].
func Select(names []string, all bool) ([]string, error) {
	for _, name := range names {
		if !slices.Contains(Groups(), name) && !slices.Contains(IDs(), name) {
			return nil, &UsageError{What: "group or check", Got: name, Known: append(Groups(), IDs()...), See: "groups: " + strings.Join(Groups(), ", ")}
		}
	}
	switch {
	case all:
		return Groups(), nil
	case len(names) == 0:
		return slices.Clone(readingGroups), nil
	}
	var selected []string
	for _, c := range checks {
		for _, name := range []string{c.Group(), c.ID} {
			if slices.Contains(names, name) && !slices.Contains(selected, name) && !slices.Contains(selected, c.Group()) {
				selected = append(selected, name)
			}
		}
	}
	return selected, nil
}

// GroupsOf returns the groups of what [Select] returned.
func GroupsOf(selected []string) []string {
	var groups []string
	for _, name := range selected {
		group, _, _ := strings.Cut(name, "/")
		groups = append(groups, group)
	}
	return slices.Compact(groups)
}

// UsageError is an unknown group or check.
type UsageError struct {
	What, Got string
	Known     []string
	See       string // where to find what is known
}

func (e *UsageError) Error() string { return fmt.Sprintf("unknown %s %q", e.What, e.Got) }

// Usage says that it is a mistake of usage: nothing was attempted.
func (*UsageError) Usage() bool { return true }

// Hint names the likely one, and all there are.
func (e *UsageError) Hint() string {
	best := slices.MinFunc(e.Known, func(a, b string) int {
		return levenshtein.ComputeDistance(e.Got, a) - levenshtein.ComputeDistance(e.Got, b)
	})
	if d := levenshtein.ComputeDistance(e.Got, best); d > 2 || d*2 >= len(e.Got) { // "nope" is no scope
		return e.See
	}
	return fmt.Sprintf("did you mean %q? %s", best, e.See)
}
