package vault

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/hashicorp/hcl"

	"github.com/secretctl/secretctl/internal/hint"
	"github.com/secretctl/secretctl/internal/store"
)

// Vault has no tags on a policy, so the owner stands in a comment that begins it.
const ownerLine = "# Managed by secretctl for %s: the next provision undoes what is changed here.\n"

var ownerComment = regexp.MustCompile(`^# Managed by secretctl for (\S+): `)

// policyOwner returns the delivery that a policy was written for; "" where secretctl
// did not write it.
func policyOwner(text string) string {
	if found := ownerComment.FindStringSubmatch(text); found != nil {
		return found[1]
	}
	return ""
}

// refuseOther is the error about an object that belongs to somebody else. setting is
// the key of the config by which the delivery gets one of its own.
func refuseOther(object, why, setting, own string) error {
	err := store.Refused(fmt.Sprintf("vault: %s: %s; not changed", object, why))
	return hint.Wrap(err, "set %s to a name of the delivery's own, such as %s, or take this one over: secretctl provision --adopt", setting, own)
}

// grants says whether a policy lets its tokens do what a rule allows, whose path may end
// in "/*". Every rule that matches has to allow it: which one Vault prefers is then no
// question.
func grants(policy string, wanted policyRule) bool {
	var parsed struct {
		Path map[string]struct {
			Capabilities []string `hcl:"capabilities"`
			Policy       string   `hcl:"policy"` // the older way to write capabilities
		} `hcl:"path"`
	}
	if hcl.Decode(&parsed, policy) != nil {
		return false
	}
	granted := false
	for rule, allows := range parsed.Path {
		if !ruleMatches(strings.TrimPrefix(rule, "/"), wanted.path) {
			continue
		}
		lacks := slices.ContainsFunc(wanted.allows, func(capability string) bool {
			return !slices.Contains(allows.Capabilities, capability) && allows.Policy != "write" && allows.Policy != capability
		})
		if lacks || slices.Contains(allows.Capabilities, "deny") {
			return false
		}
		granted = true
	}
	return granted
}

// ruleMatches compares segment by segment: in a rule "+" stands for one of any name,
// and "*" at the end for any rest.
func ruleMatches(rule, wanted string) bool {
	prefix, glob := strings.CutSuffix(rule, "*")
	rules, names := strings.Split(prefix, "/"), strings.Split(wanted, "/")
	if len(rules) > len(names) || !glob && len(rules) != len(names) {
		return false
	}
	for i, segment := range rules {
		last := glob && i == len(rules)-1
		switch {
		case segment == "+" && !last, segment == names[i], last && strings.HasPrefix(names[i], segment):
		default:
			return false
		}
	}
	return true
}

// admits says whether a name is among those of a role, which may be patterns.
func admits(patterns []string, name string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool {
		matched, err := path.Match(p, name)
		return matched && err == nil
	})
}

// ownName is a name for a policy or a role that no other delivery has by default.
func (v *Store) ownName() string { return v.d.Name + "-" + v.d.Namespace }
