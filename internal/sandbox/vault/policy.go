package vault

import (
	"slices"
	"strings"

	"github.com/hashicorp/hcl"
)

const rootPolicy = "root"

// forEveryToken is what Vault's own policy "default" allows.
var forEveryToken = []string{"auth/token/revoke-self", "sys/capabilities-self"}

// policy has the capabilities that it grants, by path; a path that ends in "*" stands for
// every path that starts so.
type policy struct {
	source string
	rules  map[string][]string
}

func parsePolicy(source string) (policy, error) {
	var parsed struct {
		Path map[string]struct {
			Capabilities []string `hcl:"capabilities"`
		} `hcl:"path"`
	}
	err := hcl.Decode(&parsed, source)
	p := policy{source, map[string][]string{}}
	for path, rule := range parsed.Path {
		p.rules[path] = rule.Capabilities
	}
	return p, err
}

// capabilities returns what policies grant on a path, ["deny"] for nothing. Unlike in
// Vault, each rule that matches counts, and no rule takes anything away.
func (v *Server) capabilities(policies []string, path string) (granted []string) {
	if slices.Contains(policies, rootPolicy) {
		return []string{rootPolicy}
	}
	for _, name := range policies {
		for rule, capabilities := range v.policies[name].rules {
			prefix, open := strings.CutSuffix(rule, "*")
			if rule == path || open && strings.HasPrefix(path, prefix) {
				granted = append(granted, capabilities...)
			}
		}
	}
	if len(granted) == 0 {
		return []string{"deny"}
	}
	slices.Sort(granted)
	return slices.Compact(granted)
}

// allowed says whether the policies of its token allow a request. Any token may ask about
// a mount, as the answer holds no secret.
func (v *Server) allowed(req *request) bool {
	granted := v.capabilities(req.policies, req.path)
	return granted[0] == rootPolicy || slices.Contains(granted, req.op) || req.op == opUpdate && slices.Contains(granted, "create") ||
		slices.Contains(forEveryToken, req.path) || strings.HasPrefix(req.path, "sys/internal/ui/mounts")
}
