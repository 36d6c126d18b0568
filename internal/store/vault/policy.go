package vault

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl"

	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/store"
)

// policyStep grants the pod read on the delivery's secrets, or the rotate job what it
// takes to rotate them.
type policyStep struct {
	v      *Store
	name   string
	rules  []policyRule
	text   string
	change store.Change
}

// policyRule is a path, and what may be done there.
type policyRule struct {
	path   string
	allows []string
}

// podRules let the pod read its secrets.
func podRules(d *config.Delivery) (rules []policyRule) {
	for _, path := range d.PolicyPaths() {
		rules = append(rules, policyRule{path, []string{"read"}})
	}
	return rules
}

// rotateRules let the rotate job write new versions of its secrets and read how old
// they are. It makes no secret that is not there, and deletes none.
func rotateRules(d *config.Delivery) (rules []policyRule) {
	paths := d.RotatePaths()
	for _, path := range paths {
		rules = append(rules, policyRule{d.Vault.KVMount + "/data/" + path, []string{"read", "update"}})
	}
	for _, path := range paths {
		rules = append(rules, policyRule{d.Vault.KVMount + "/metadata/" + path, []string{"read"}})
	}
	return rules
}

func (s *policyStep) part() store.Part { return store.Part{Diff: s.diff, Apply: s.apply} }

func (s *policyStep) path() string { return "sys/policies/acl/" + s.name }

func (s *policyStep) access(needs ...string) access {
	return access{object: fmt.Sprintf("policy %q", s.name), path: s.path(), needs: needs}
}

func (s *policyStep) diff(ctx context.Context) ([]store.Change, error) {
	s.change = store.Change{Phase: phasePolicy, Object: s.path(), Action: store.Unchanged}
	s.text = policyText(s.v.d.Owner(), s.rules)
	var is struct {
		Policy string `json:"policy"`
	}
	found, err := s.v.get(ctx, s.path(), &is)
	switch {
	case err != nil:
		return nil, s.v.fail(ctx, s.access("read"), err)
	case !found:
		s.change.Action, s.change.Detail = store.Create, policySummary(s.rules)
	case is.Policy != s.text:
		err = s.compare(is.Policy)
	}
	return []store.Change{s.change}, err
}

// compare says what is to happen to a policy of another text. One of somebody else
// that grants what is needed is left as it is.
func (s *policyStep) compare(is string) error {
	owner := policyOwner(is)
	difference := policyDifference(is, s.rules)
	if owner == s.v.d.Owner() || s.v.o.Adopt {
		s.change.Action, s.change.Detail = store.Update, difference
		if owner != s.v.d.Owner() {
			s.change.Warning = "takes over a policy: " + writtenBy(owner)
		}
		return nil
	}
	if !slices.ContainsFunc(s.rules, func(r policyRule) bool { return !grants(is, r) }) {
		s.change.Detail = "grants it already; " + writtenBy(owner)
		return nil
	}
	why := fmt.Sprintf("does not grant what the delivery needs (%s), and %s", difference, writtenBy(owner))
	refused := refuseOther(s.access().object, why, "vault.policy", s.v.ownName())
	if !s.v.o.Compare {
		return refused
	}
	s.change.Action, s.change.Detail, s.change.Refused = store.Update, difference, refused
	return nil
}

// writtenBy says whose a policy is.
func writtenBy(owner string) string {
	if owner == "" {
		return "secretctl did not write it"
	}
	return fmt.Sprintf("it belongs to the delivery %s", owner)
}

func (s *policyStep) apply(ctx context.Context) ([]store.Change, error) {
	if _, err := s.v.put(ctx, s.path(), map[string]any{"policy": s.text}); err != nil {
		return nil, s.v.fail(ctx, s.access("update"), err)
	}
	return []store.Change{s.change}, nil
}

// policyText returns a policy with these rules. The config has refused what
// Vault would take for a pattern, but for the "/*" that the prefix scope adds.
func policyText(owner string, rules []policyRule) string {
	var text strings.Builder
	fmt.Fprintf(&text, ownerLine, owner)
	for _, r := range rules {
		fmt.Fprintf(&text, "path %q {\n  capabilities = [%s]\n}\n", r.path, quoted(r.allows))
	}
	return text.String()
}

// policySummary says what rules allow: "read on a, b; update on c".
func policySummary(rules []policyRule) string {
	var text, allows string
	for _, r := range rules {
		switch now := strings.Join(r.allows, " and "); {
		case now == allows:
			text += ", " + r.path
		default:
			text += "; " + now + " on " + r.path
			allows = now
		}
	}
	return strings.TrimPrefix(text, "; ")
}

// policyDifference says which paths come and go.
func policyDifference(before string, rules []policyRule) string {
	var parsed struct {
		Path map[string]any `hcl:"path"`
	}
	if hcl.Decode(&parsed, before) != nil {
		return "replaced"
	}
	var difference []string
	for _, r := range rules {
		if _, had := parsed.Path[r.path]; !had {
			difference = append(difference, "+"+r.path)
		}
		delete(parsed.Path, r.path)
	}
	var gone []string
	for path := range parsed.Path {
		gone = append(gone, "-"+path)
	}
	slices.Sort(gone)
	if difference = append(difference, gone...); len(difference) == 0 {
		return "same paths, other text"
	}
	return strings.Join(difference, ", ")
}
