package verify

import (
	"cmp"
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
		return nil, &UsageError{What: "check", Got: name, Known: IDs(), See: "secretctl explain lists them"}
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

// Select returns the groups to run: those named, every one with all, or those
// that only read where nothing is named. An unknown name is a [*UsageError].
func Select(names []string, all bool) ([]string, error) {
	for _, name := range names {
		if !slices.Contains(Groups(), name) {
			return nil, &UsageError{What: "check group", Got: name, Known: Groups()}
		}
	}
	switch {
	case all:
		return Groups(), nil
	case len(names) == 0:
		return slices.Clone(readingGroups), nil
	}
	return slices.DeleteFunc(Groups(), func(g string) bool { return !slices.Contains(names, g) }), nil
}

// UsageError is an unknown group or check.
type UsageError struct {
	What, Got string
	Known     []string
	See       string // in place of the list of all, where that is long
}

func (e *UsageError) Error() string { return fmt.Sprintf("unknown %s %q", e.What, e.Got) }

// Usage says that it is a mistake of usage: nothing was attempted.
func (*UsageError) Usage() bool { return true }

// Hint names the likely one, and all there are.
func (e *UsageError) Hint() string {
	known := cmp.Or(e.See, "available: "+strings.Join(e.Known, ", "))
	best := slices.MinFunc(e.Known, func(a, b string) int {
		return levenshtein.ComputeDistance(e.Got, a) - levenshtein.ComputeDistance(e.Got, b)
	})
	if levenshtein.ComputeDistance(e.Got, best) > 2 {
		return known
	}
	return fmt.Sprintf("did you mean %q? %s", best, known)
}
