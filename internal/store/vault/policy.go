package vault

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl"

	"github.com/secretctl/secretctl/internal/store"
)

// policyStep grants the pod read on the delivery's secrets.
type policyStep struct {
	v      *Store
	text   string
	change store.Change
}

func (s *policyStep) path() string { return "sys/policies/acl/" + s.v.d.Vault.Policy }

func (s *policyStep) access(needs ...string) access {
	return access{object: fmt.Sprintf("policy %q", s.v.d.Vault.Policy), path: s.path(), needs: needs}
}

func (s *policyStep) diff(ctx context.Context) ([]store.Change, error) {
	s.change = store.Change{Phase: phasePolicy, Object: s.path(), Action: store.Unchanged}
	paths := s.v.d.PolicyPaths()
	s.text = policyText(s.v.d.Owner(), paths)
	var is struct {
		Policy string `json:"policy"`
	}
	found, err := s.v.get(ctx, s.path(), &is)
	switch {
	case err != nil:
		return nil, s.v.fail(ctx, s.access("read"), err)
	case !found:
		s.change.Action, s.change.Detail = store.Create, "read on "+strings.Join(paths, ", ")
	case is.Policy != s.text:
		err = s.compare(is.Policy, paths)
	}
	return []store.Change{s.change}, err
}

// compare says what is to happen to a policy of another text. One of somebody else
// that grants what the pod needs is left as it is.
func (s *policyStep) compare(is string, paths []string) error {
	owner := policyOwner(is)
	difference := policyDifference(is, paths)
	if owner == s.v.d.Owner() || s.v.o.Adopt {
		s.change.Action, s.change.Detail = store.Update, difference
		if owner != s.v.d.Owner() {
			s.change.Warning = "takes over a policy that " + writtenBy(owner)
		}
		return nil
	}
	if !slices.ContainsFunc(paths, func(p string) bool { return !grantsRead(is, p) }) {
		s.change.Detail = "grants read already; " + writtenBy(owner)
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

// policyText returns a policy with read on each path. The config has refused what
// Vault would take for a pattern, but for the "/*" that the prefix scope adds.
func policyText(owner string, paths []string) string {
	var text strings.Builder
	fmt.Fprintf(&text, ownerLine, owner)
	for _, path := range paths {
		fmt.Fprintf(&text, "path %q {\n  capabilities = [\"read\"]\n}\n", path)
	}
	return text.String()
}

// policyDifference says which paths come and go.
func policyDifference(before string, paths []string) string {
	var parsed struct {
		Path map[string]any `hcl:"path"`
	}
	if hcl.Decode(&parsed, before) != nil {
		return "replaced"
	}
	var difference []string
	for _, path := range paths {
		if _, had := parsed.Path[path]; !had {
			difference = append(difference, "+"+path)
		}
		delete(parsed.Path, path)
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
