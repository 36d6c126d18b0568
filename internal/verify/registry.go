package verify

import (
	"fmt"
	"slices"
	"strings"

	"github.com/agnivade/levenshtein"

	"github.com/secretctl/secretctl/internal/hint"
)

// checks are all checks, in the order in which they run.
var checks = slices.Concat(
	clusterChecks, storeChecks, aidboxChecks, workloadChecks, mountChecks, clientChecks, authChecks, scopeChecks, rotationChecks,
)

// readOnlyGroups run by default.
var readOnlyGroups = []string{"workload", "mount", "client", "auth"}

// Prerequisites returns the groups that make sense before anything is installed.
func Prerequisites() []string { return []string{"cluster", "store", "aidbox"} }

// IDs returns the ID of every check.
func IDs() (ids []string) {
	for _, c := range checks {
		ids = append(ids, c.ID)
	}
	return ids
}

// Groups returns the names of the groups, in the order in which they run.
func Groups() []string { return GroupsOf(IDs()) }

// GroupsOf returns the groups of what [Select] returned.
func GroupsOf(selected []string) (groups []string) {
	for _, name := range selected {
		groups = append(groups, groupOf(name))
	}
	return slices.Compact(groups)
}

func groupOf(id string) string {
	group, _, _ := strings.Cut(id, "/")
	return group
}

// Find returns the check with this ID, the checks of the group with this name, or all checks
// if the name is "". An unknown name is a usage error.
func Find(name string) ([]Check, error) {
	found := slices.DeleteFunc(slices.Clone(checks), func(c Check) bool { return name != "" && name != c.ID && name != c.Group() })
	if len(found) == 0 {
		return nil, unknown("check", name, "run secretctl explain to list them")
	}
	return found, nil
}

// Select returns what to run, in order: the named groups and checks, or every group with all,
// or the read-only groups if nothing is named. An unknown name is a usage error.
func Select(names []string, all bool) (selected []string, err error) {
	for _, name := range names {
		if !slices.Contains(Groups(), name) && !slices.Contains(IDs(), name) {
			return nil, unknown("group or check", name, "groups: "+strings.Join(Groups(), ", "))
		}
	}
	switch {
	case all:
		return Groups(), nil
	case len(names) == 0:
		return slices.Clone(readOnlyGroups), nil
	}
	for _, c := range checks {
		for _, name := range []string{c.Group(), c.ID} {
			if slices.Contains(names, name) && !slices.Contains(selected, name) && !slices.Contains(selected, c.Group()) {
				selected = append(selected, name)
			}
		}
	}
	return selected, nil
}

// unknown is a usage error that suggests the likely group or check. see says where all are.
func unknown(what, got, see string) error {
	distance := func(name string) int { return levenshtein.ComputeDistance(got, name) }
	best := slices.MinFunc(append(Groups(), IDs()...), func(a, b string) int { return distance(a) - distance(b) })
	if d := distance(best); d <= 2 && d*2 < len(got) { // "nope" is no scope
		see = fmt.Sprintf("did you mean %q? %s", best, see)
	}
	return hint.Usage(see, "unknown %s %q", what, got)
}
