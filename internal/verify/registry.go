package verify

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/agnivade/levenshtein"
)

// registry declares every check once, in the order in which they run. The part
// of an ID before the slash is its group. Each has an anchor in docs/checks.md.
var registry = []struct{ id, title string }{
	{"cluster/api", "the API server answers"},
	{"cluster/csi-driver", "the Secrets Store CSI driver runs"},
	{"cluster/rotation-enabled", "the driver rotates"},
	{"cluster/provider", "the driver has the provider for the store"},
	{"cluster/crds", "the cluster knows the driver's kinds"},
	{"cluster/token-requests", "the provider gets the token that the store wants"},
	{"store/reachable", "the store answers"},
	{"store/secret-present", "the store has the secret"},
	{"store/pod-can-read", "the pod may log in to the store and read the secrets"},
	{"aidbox/reachable", "Aidbox answers"},
	{"aidbox/version", "Aidbox is new enough"},
	{"workload/service-account", "the pods run as the ServiceAccount that the store trusts"},
	{"workload/secret-provider-class", "the SecretProviderClass is as the delivery says"},
	{"workload/vault-config", "the ConfigMap has the vault config, and the pods are made for it"},
	{"workload/deployment", "every replica runs, as the Deployment says"},
	{"workload/no-subpath", "no pod mounts a single file, which would never change"},
	{"mount/present", "the secret's file is in the mount"},
	{"mount/readable", "Aidbox may read the file"},
	{"mount/matches-store", "the file has the value of the store"},
	{"mount/status", "the file is published so that rotation reaches it"},
	{"mount/vault-config", "the vault config names the files and scopes of the delivery"},
	{"client/exists", "the resource is in Aidbox"},
	{"client/masked", "the resource holds no literal secret"},
	{"client/reference", "the resource refers to the right secret"},
	{"auth/accepts-secret", "Aidbox accepts the secret"},
	{"auth/rejects-wrong", "Aidbox refuses another secret"},
	{"auth/rejects-empty", "Aidbox refuses an empty secret"},
	{"auth/token", "Aidbox gives a token for the secret"},
	{"scope/out-of-scope-refused", "a Client outside the scope cannot use the secret"},
	{"rotation/store-updated", "the store took the new value"},
	{"rotation/mounted", "the new value reached the mount"},
	{"rotation/new-accepted", "Aidbox accepts the new value"},
	{"rotation/old-rejected", "Aidbox refuses the old value"},
	{"rotation/no-restart", "Aidbox stayed up meanwhile"},
}

// readingGroups are the ones that run unless groups are named.
var readingGroups = []string{"workload", "mount", "client", "auth"}

// Prerequisites returns the groups about what a delivery needs, which make sense
// before anything of it is installed.
func Prerequisites() []string { return []string{"cluster", "store", "aidbox"} }

// IDs returns the ID of every check there is.
func IDs() []string {
	var ids []string
	for _, e := range registry {
		ids = append(ids, e.id)
	}
	return ids
}

// Find returns the ID of the check of that name, those of the group, or all where
// name is "". An unknown name is a [*UsageError].
func Find(name string) ([]string, error) {
	found := slices.DeleteFunc(IDs(), func(id string) bool { return name != "" && name != id && name != groupOf(id) })
	if len(found) == 0 {
		return nil, &UsageError{What: "check", Got: name, Known: IDs(), See: "secretctl explain lists them"}
	}
	return found, nil
}

// Groups returns the names of the groups, in the order in which they run.
func Groups() []string {
	var groups []string
	for _, e := range registry {
		groups = append(groups, groupOf(e.id))
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

// Title returns what a check proves, in a few words.
func Title(id string) string {
	for _, e := range registry {
		if e.id == id {
			return e.title
		}
	}
	return ""
}

// manual is where the documentation is for those who have none beside them.
const manual = "https://github.com/secretctl/secretctl/blob/main/docs/checks.md"

// doc returns the page that explains a check.
func doc(id string) string { return manual + "#" + strings.ReplaceAll(id, "/", "-") }

// UsageError says that there is no group or check of that name.
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
	known := cmp.Or(e.See, "known: "+strings.Join(e.Known, ", "))
	best := slices.MinFunc(e.Known, func(a, b string) int {
		return levenshtein.ComputeDistance(e.Got, a) - levenshtein.ComputeDistance(e.Got, b)
	})
	if levenshtein.ComputeDistance(e.Got, best) > 2 {
		return known
	}
	return fmt.Sprintf("did you mean %q? %s", best, known)
}
