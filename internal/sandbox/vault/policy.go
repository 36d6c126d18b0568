package vault

import (
	"slices"
	"strings"

	"github.com/hashicorp/hcl"
)

const rootPolicy = "root"

// defaultPolicy is the part of Vault's own that matters here.
const defaultPolicy = `
path "auth/token/revoke-self" { capabilities = ["update"] }
path "sys/capabilities-self" { capabilities = ["update"] }
path "sys/internal/ui/mounts" { capabilities = ["read"] }
`

// rules are the capabilities that a policy grants, by path; one that ends in "*"
// stands for all that begins so.
type rules map[string][]string

func parsePolicy(source string) (rules, error) {
	var parsed struct {
		Path map[string]struct {
			Capabilities []string `hcl:"capabilities"`
		} `hcl:"path"`
	}
	err := hcl.Decode(&parsed, source)
	r := rules{}
	for path, rule := range parsed.Path {
		r[path] = rule.Capabilities
	}
	return r, err
}

// capabilities returns what policies grant on a path, ["deny"] for nothing. Of
// the rules of a policy that match, the longest decides.
func (v *Server) capabilities(policies []string, path string) (granted []string) {
	if slices.Contains(policies, rootPolicy) {
		return []string{rootPolicy}
	}
	for _, name := range policies {
		parsed, _ := parsePolicy(v.policies[name]) // which was parsed when it was written
		best := ""
		for rule := range parsed {
			prefix, open := strings.CutSuffix(rule, "*")
			if matches := rule == path || open && strings.HasPrefix(path, prefix); matches && len(rule) > len(best) {
				best = rule
			}
		}
		granted = append(granted, parsed[best]...)
	}
	if len(granted) == 0 || slices.Contains(granted, "deny") {
		return []string{"deny"}
	}
	slices.Sort(granted)
	return slices.Compact(granted)
}

// allowed says whether the policies of its token allow a request.
func (v *Server) allowed(req *request) bool {
	granted := v.capabilities(req.policies, req.path)
	return granted[0] == rootPolicy || slices.Contains(granted, req.op) || req.op == opUpdate && slices.Contains(granted, opCreate) ||
		strings.HasPrefix(req.path, "sys/internal/ui/mounts/") // which filters by itself
}

// reaches says whether policies grant anything at or below a mount.
func (v *Server) reaches(policies []string, mount string) bool {
	if slices.Contains(policies, rootPolicy) {
		return true
	}
	return slices.ContainsFunc(policies, func(name string) bool {
		parsed, _ := parsePolicy(v.policies[name])
		for rule := range parsed {
			prefix, open := strings.CutSuffix(rule, "*")
			if strings.HasPrefix(rule, mount) || open && strings.HasPrefix(mount, prefix) {
				return true
			}
		}
		return false
	})
}
