package vault

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl"
	"github.com/hashicorp/hcl/hcl/ast"
)

// defaultPolicy is the part of Vault's own default policy that matters here.
const defaultPolicy = `
# Allow tokens to look up their own properties
path "auth/token/lookup-self" {
    capabilities = ["read"]
}

# Allow tokens to revoke themselves
path "auth/token/revoke-self" {
    capabilities = ["update"]
}

# Allow a token to look up its own capabilities on a path
path "sys/capabilities-self" {
    capabilities = ["update"]
}

# Allow a token to look up its own entity
path "identity/entity/id/{{identity.entity.id}}" {
    capabilities = ["read"]
}

# Allow a token to manage its own cubbyhole
path "cubbyhole/*" {
    capabilities = ["create", "read", "update", "delete", "list"]
}
`

var knownCapabilities = []string{"create", "read", "update", "delete", "list", "sudo", "deny", "patch", "subscribe", "recover"}

// vaultPolicy is an access policy: its text, and the rules in it.
type vaultPolicy struct {
	source string
	rules  []aclRule
}

// aclRule grants capabilities on a path, which may end in "*" and may have "+"
// for a segment.
type aclRule struct {
	path         string
	capabilities []string
}

// parsePolicy reads a policy in HCL or JSON. The errors are worded as Vault's.
func parsePolicy(source string) (*vaultPolicy, error) {
	file, err := hcl.Parse(source)
	if err != nil {
		return nil, err
	}
	list, isList := file.Node.(*ast.ObjectList)
	if !isList {
		return nil, errors.New("failed to parse policy: does not contain a root object")
	}
	if err := knownKeys(list, "", "path"); err != nil {
		return nil, err
	}
	policy := &vaultPolicy{source: source}
	for _, item := range list.Filter("path").Items {
		path := "path"
		if len(item.Keys) > 0 {
			path, _ = item.Keys[0].Token.Value().(string)
		}
		rule, err := parseRule(path, item)
		if err != nil {
			return nil, err
		}
		policy.rules = append(policy.rules, rule)
	}
	return policy, nil
}

func parseRule(path string, item *ast.ObjectItem) (aclRule, error) {
	var decoded struct {
		Capabilities []string `hcl:"capabilities"`
	}
	rule := aclRule{path: strings.TrimPrefix(path, "/")}
	if body, isObject := item.Val.(*ast.ObjectType); isObject {
		if err := knownKeys(body.List, fmt.Sprintf("path %q: ", path), "capabilities", "comment"); err != nil {
			return rule, err
		}
	}
	if err := hcl.DecodeObject(&decoded, item.Val); err != nil {
		return rule, fmt.Errorf("path %q: %w", path, err)
	}
	if strings.Contains(path, "+*") {
		return rule, fmt.Errorf("path %q: invalid use of wildcards ('+*' is forbidden)", path)
	}
	for _, c := range decoded.Capabilities {
		if !slices.Contains(knownCapabilities, c) {
			return rule, fmt.Errorf("path %q: invalid capability %q", path, c)
		}
	}
	rule.capabilities = decoded.Capabilities
	return rule, nil
}

// knownKeys refuses what is not understood, rather than leave a restriction out.
func knownKeys(list *ast.ObjectList, where string, known ...string) error {
	for _, item := range list.Items {
		if key, _ := item.Keys[0].Token.Value().(string); !slices.Contains(known, key) {
			return errors.New(occurred(fmt.Sprintf("%sinvalid key %q on line %d", where, key, item.Assign.Line)))
		}
	}
	return nil
}
