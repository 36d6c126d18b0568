package vault

import (
	"context"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/hashicorp/hcl"

	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/store"
)

// policyStep lets the pod read the delivery's secrets, or the rotate job rotate them.
type policyStep struct {
	v      *Store
	name   string
	rules  []policyRule
	change store.Change
}

type policyRule struct {
	path   string
	allows []string
}

func podRules(d *config.Delivery) (rules []policyRule) {
	for _, path := range d.PolicyPaths() {
		rules = append(rules, policyRule{path, []string{"read"}})
	}
	return rules
}

// rotateRules let the rotate job write new versions of its secrets and read their age,
// but neither create nor delete a secret.
func rotateRules(d *config.Delivery) (rules []policyRule) {
	for _, path := range d.RotatePaths() {
		rules = append(rules, policyRule{d.Vault.KVMount + "/data/" + path, []string{"read", "update"}})
	}
	for _, path := range d.RotatePaths() {
		rules = append(rules, policyRule{d.Vault.KVMount + "/metadata/" + path, []string{"read"}})
	}
	return rules
}

// owner names the delivery and, by its auth method, the cluster: deliveries of several
// clusters often have the same name.
func (s *policyStep) owner() string { return s.v.d.Owner() + " at auth/" + s.v.d.Vault.AuthMount }

func (s *policyStep) path() string { return "sys/policies/acl/" + s.name }

func (s *policyStep) object() string { return fmt.Sprintf("policy %q", s.name) }

func (s *policyStep) diff(ctx context.Context) ([]store.Change, error) {
	s.change = store.Change{Phase: phasePolicy, Object: s.path(), Action: store.Unchanged}
	var is struct {
		Policy string `json:"policy"`
	}
	found, err := s.v.get(ctx, s.path(), &is)
	switch {
	case err != nil:
		return nil, s.v.fail(ctx, access{s.object(), s.path(), []string{"read"}}, err)
	case !found:
		s.change.Action, s.change.Detail = store.Create, policySummary(s.rules)
	case is.Policy != s.text():
		err = s.compare(is.Policy)
	}
	return []store.Change{s.change}, err
}

// compare completes the change of a policy with another text. A policy with another
// owner that grants what the delivery needs is left alone.
func (s *policyStep) compare(text string) error {
	owner := ""
	if found := ownerComment.FindStringSubmatch(text); found != nil {
		owner = found[1]
	}
	ownedBy := "it belongs to the delivery " + owner
	if owner == "" {
		ownedBy = "secretctl did not write it"
	}
	is := parsePolicy(text)
	difference := is.difference(s.rules)
	switch {
	case owner == s.owner():
	case !slices.ContainsFunc(s.rules, func(r policyRule) bool { return !is.grants(r) }):
		s.change.Detail = "grants it already; " + ownedBy
		return nil
	case s.v.o.Adopt:
		s.change.Warning = "takes over a policy: " + ownedBy
	default:
		why := fmt.Sprintf("does not grant what the delivery needs (%s), and %s", difference, ownedBy)
		s.change.Refused = s.v.refuseOther(s.object(), why, "vault.policy")
		if !s.v.o.Compare {
			return s.change.Refused
		}
	}
	s.change.Action, s.change.Detail = store.Update, difference
	return nil
}

func (s *policyStep) apply(ctx context.Context) ([]store.Change, error) {
	if _, err := s.v.put(ctx, s.path(), map[string]any{"policy": s.text()}); err != nil {
		return nil, s.v.fail(ctx, access{s.object(), s.path(), []string{"update"}}, err)
	}
	return []store.Change{s.change}, nil
}

// Vault has no tags on a policy, so it starts with a comment that names its owner.
const ownerLine = "# Managed by secretctl for %s: the next provision undoes what is changed here.\n"

var ownerComment = regexp.MustCompile(`^# Managed by secretctl for (.+): the next provision`)

// text returns the policy. The config refuses paths that Vault would take for patterns,
// except the "/*" that policyScope prefix adds.
func (s *policyStep) text() string {
	text := fmt.Sprintf(ownerLine, s.owner())
	for _, r := range s.rules {
		text += fmt.Sprintf("path %q {\n  capabilities = [%s]\n}\n", r.path, quoted(r.allows))
	}
	return text
}

// policySummary returns what rules allow: "read on a, b; update on c".
func policySummary(rules []policyRule) string {
	var text, allows string
	for _, r := range rules {
		if now := strings.Join(r.allows, " and "); now == allows {
			text += ", " + r.path
		} else {
			text += "; " + now + " on " + r.path
			allows = now
		}
	}
	return strings.TrimPrefix(text, "; ")
}

// policy is the rules of a policy in Vault by path; nil if it cannot be parsed.
type policy map[string]struct {
	Capabilities []string `hcl:"capabilities"`
	Policy       string   `hcl:"policy"` // the old way to write capabilities
}

func parsePolicy(text string) policy {
	var parsed struct {
		Path policy `hcl:"path"`
	}
	if hcl.Decode(&parsed, text) != nil {
		return nil
	}
	return parsed.Path
}

// difference returns the paths that rules add and remove.
func (is policy) difference(rules []policyRule) string {
	if is == nil {
		return "replaced"
	}
	var added, removed []string
	wanted := map[string]bool{}
	for _, r := range rules {
		wanted[r.path] = true
		if _, found := is[r.path]; !found {
			added = append(added, "+"+r.path)
		}
	}
	for _, path := range slices.Sorted(maps.Keys(is)) {
		if !wanted[path] {
			removed = append(removed, "-"+path)
		}
	}
	if len(added)+len(removed) == 0 {
		return "same paths, other text"
	}
	return strings.Join(append(added, removed...), ", ")
}

// grants reports whether a policy allows what a rule allows, whose path may end in "/*".
// Every rule that matches has to allow it, so it does not matter which one Vault prefers.
func (is policy) grants(wanted policyRule) bool {
	granted := false
	for path, rule := range is {
		if !ruleMatches(strings.TrimPrefix(path, "/"), wanted.path) {
			continue
		}
		for _, capability := range wanted.allows {
			if !slices.Contains(rule.Capabilities, capability) && rule.Policy != "write" && rule.Policy != capability {
				return false
			}
		}
		if slices.Contains(rule.Capabilities, "deny") {
			return false
		}
		granted = true
	}
	return granted
}

// ruleMatches compares segment by segment: in a rule, "+" is a segment of any name, and
// "*" at the end is any rest.
func ruleMatches(rule, wanted string) bool {
	prefix, glob := strings.CutSuffix(rule, "*")
	rules, names := strings.Split(prefix, "/"), strings.Split(wanted, "/")
	if len(rules) > len(names) || !glob && len(rules) != len(names) {
		return false
	}
	for i, segment := range rules {
		last := glob && i == len(rules)-1
		if segment != names[i] && (segment != "+" || last) && (!last || !strings.HasPrefix(names[i], segment)) {
			return false
		}
	}
	return true
}
