package vault

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl"

	"github.com/secretctl/secretctl/internal/store"
)

const managedLine = "# Managed by secretctl: the next provision undoes what is changed here.\n"

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
	s.text = policyText(paths)
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
		s.change.Action, s.change.Detail = store.Update, policyDifference(is.Policy, paths)
		if !strings.HasPrefix(is.Policy, managedLine) {
			s.change.Warning = "replaces a policy that secretctl did not write"
		}
	}
	return []store.Change{s.change}, nil
}

func (s *policyStep) apply(ctx context.Context) ([]store.Change, error) {
	if _, err := s.v.put(ctx, s.path(), map[string]any{"policy": s.text}); err != nil {
		return nil, s.v.fail(ctx, s.access("update"), err)
	}
	return []store.Change{s.change}, nil
}

// policyText returns a policy with read on each path. The config has refused what
// Vault would take for a pattern, but for the "/*" that the prefix scope adds.
func policyText(paths []string) string {
	var text strings.Builder
	text.WriteString(managedLine)
	for _, path := range paths {
		fmt.Fprintf(&text, "path %q {\n  capabilities = [\"read\"]\n}\n", path)
	}
	return text.String()
}

// policyDifference tells which paths come and go.
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
