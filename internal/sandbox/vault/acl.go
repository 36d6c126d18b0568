package vault

import (
	"cmp"
	"slices"
	"strings"
)

// vaultACL is what a token may do: the rules of its policies, those for the same
// path as one.
type vaultACL struct {
	root  bool
	rules []aclRule // the rule that wins comes before those that it beats
}

// acl collects the rules of a token.
func (v *Server) acl(token *vaultToken) vaultACL {
	merged := map[string][]string{}
	for _, name := range token.policies {
		if name == "root" {
			return vaultACL{root: true}
		}
		if policy := v.policies[name]; policy != nil {
			for _, rule := range policy.rules {
				merged[rule.path] = append(merged[rule.path], rule.capabilities...)
			}
		}
	}
	var acl vaultACL
	for path, capabilities := range merged {
		if slices.Contains(capabilities, "deny") {
			capabilities = []string{"deny"}
		}
		slices.Sort(capabilities)
		acl.rules = append(acl.rules, aclRule{path: path, capabilities: slices.Compact(capabilities)})
	}
	slices.SortFunc(acl.rules, func(a, b aclRule) int {
		return cmp.Or(slices.Compare(rank(b.path), rank(a.path)), strings.Compare(b.path, a.path))
	})
	return acl
}

// rank weighs a rule's path as Vault does: of those that match a request, the one
// wins that is exact, has its first wildcard later, does not end in "*", has
// fewer "+", is longer.
func rank(path string) []int {
	exact, first, closed := 1, len(path), 1
	if strings.HasSuffix(path, "*") {
		closed = 0
	}
	if closed == 0 || hasPlus(path) {
		exact, first = 0, strings.IndexAny(path, "+*")
	}
	return []int{exact, first, closed, -strings.Count(path, "+"), len(path)}
}

func hasPlus(path string) bool { return slices.Contains(strings.Split(path, "/"), "+") }

// capabilities returns what may be done on a path, ["deny"] for nothing. To list
// a folder, a rule for it without the slash will do.
func (a vaultACL) capabilities(path string, op operation) []string {
	if a.root {
		return []string{"root"}
	}
	for _, rule := range a.rules {
		if rule.matches(path) || (op == opList && rule.path == strings.TrimSuffix(path, "/")) {
			if len(rule.capabilities) > 0 {
				return rule.capabilities
			}
			break
		}
	}
	return []string{"deny"}
}

// matches compares segment by segment; a "*" at the end stands for any rest.
func (r aclRule) matches(path string) bool {
	pattern, open := strings.CutSuffix(r.path, "*")
	want, have := strings.Split(pattern, "/"), strings.Split(path, "/")
	if len(have) < len(want) || (!open && len(have) > len(want)) {
		return false
	}
	for i, segment := range want {
		last := open && i == len(want)-1
		switch {
		case segment == "+":
		case last && strings.HasPrefix(have[i], segment):
		case !last && have[i] == segment:
		default:
			return false
		}
	}
	return true
}

// reaches says whether any rule grants something at or below a mount.
func (a vaultACL) reaches(mount string) bool {
	if a.root {
		return true
	}
	return slices.ContainsFunc(a.rules, func(r aclRule) bool { return r.reaches(mount) })
}

func (r aclRule) reaches(mount string) bool {
	if slices.Contains(r.capabilities, "deny") || len(r.capabilities) == 0 {
		return false
	}
	want, have := strings.Split(mount, "/"), strings.Split(r.path, "/")
	for i := range min(len(want), len(have)) {
		if have[i] == "+" {
			have[i] = want[i]
		}
	}
	path := strings.Join(have, "/")
	prefix, open := strings.CutSuffix(path, "*")
	return strings.HasPrefix(path, mount) || (open && strings.HasPrefix(mount, prefix))
}

// allowed says whether the policies of its token allow a request.
func (v *Server) allowed(req *vaultRequest) bool {
	acl := v.acl(req.token)
	if acl.root || strings.HasPrefix(req.path, "sys/internal/ui/mounts") { // which filters by itself
		return true
	}
	granted := acl.capabilities(req.path, req.op)
	if needsSudo := req.path == "sys/seal" || strings.HasPrefix(req.path, "sys/auth/"); needsSudo && !slices.Contains(granted, "sudo") {
		return false
	}
	op := req.op
	if op == opUpdate && !v.exists(req.path) {
		op = opCreate
	}
	return slices.Contains(granted, string(op))
}

// exists says whether a write to path is an update. What does not keep track,
// as most of sys/, counts as being there.
func (v *Server) exists(path string) bool {
	if below, found := strings.CutPrefix(path, "auth/"); found {
		mount, rest := engineOf(v.auths, below)
		if role, found := strings.CutPrefix(rest, "role/"); found && mount != nil && mount.kubernetes != nil {
			return mount.kubernetes.roles[strings.ToLower(role)] != nil
		}
		return true
	}
	mount, rest := engineOf(v.engines, path)
	switch {
	case mount != nil && mount.kv2 != nil:
		return mount.kv2.exists(rest)
	case mount != nil && mount.kv1 != nil:
		return mount.kv1.secrets[rest] != nil
	}
	return true
}
