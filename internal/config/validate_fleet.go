package config

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// validateFleet reports where the deliveries of one run would get in each other's
// way: each would undo what the other did, and no run would end "unchanged".
func validateFleet(docs []*document) {
	names := map[string]*document{}
	var roles, policies, hosts, objects claims
	for _, doc := range docs {
		d := doc.delivery
		if d == nil {
			continue
		}
		if first, taken := names[d.Name]; taken {
			doc.root.key("name").report("is the name of the delivery at "+first.position()+", too", "give each delivery its own name")
		} else {
			names[d.Name] = doc
		}
		if d.Provider == ProviderAzure {
			objects.addObjects(doc)
		}
		if d.Provider != ProviderVault {
			continue
		}
		v, at := d.Vault, doc.root.key("vault")
		server := v.server()
		ttl, _ := time.ParseDuration(v.TokenTTL)
		roles.add(at.key("role"), server+v.AuthMount+"\x00"+v.Role,
			[]string{d.Aidbox.ServiceAccount, d.Namespace, v.Policy, v.Audience, ttl.String()},
			"the same role as in %s, with another ServiceAccount, namespace, policy, audience or tokenTTL", "set vault.role, or aidbox.serviceAccount")
		policies.add(at.key("policy"), server+v.Policy, d.PolicyPaths(),
			"the same policy as in %s, with other paths", "set vault.policy")
		hosts.add(at.key("kubernetesHost"), server+v.AuthMount, []string{v.KubernetesHost},
			"the same authMount as in %s, with another kubernetesHost", "set vault.authMount")
	}
}

// server tells one Vault, or namespace in it, from another.
func (v *Vault) server() string {
	return strings.TrimSuffix(v.Address, "/") + "\x00" + v.Namespace + "\x00"
}

// Provisioned names what provisioning the delivery writes to, across deliveries: two
// that have a name in common take turns. Vault's auth method is left out, which all
// deliveries of a cluster share, and which does not mind.
func (d *Delivery) Provisioned() []string {
	var all []string
	if d.Provider == ProviderAzure {
		for _, name := range d.KeyVaults() {
			all = append(all, "key vault\x00"+strings.ToLower(name))
		}
		// Azure takes one change at a time of an identity, which is in a resource group
		// or has a client id.
		if d.Azure.ResourceGroup != "" {
			all = append(all, "group\x00"+strings.ToLower(d.Azure.SubscriptionID+"/"+d.Azure.ResourceGroup))
		}
		if d.Azure.Identity.ClientID != "" {
			all = append(all, "identity\x00"+strings.ToLower(d.Azure.Identity.ClientID))
		}
		return all
	}
	server := d.Vault.server()
	for _, s := range d.Secrets {
		all = append(all, server+d.DataPath(s))
	}
	return append(all, server+"policy\x00"+d.Vault.Policy, server+d.Vault.AuthMount+"\x00"+d.Vault.Role)
}

// claims notes what each delivery wants something in Vault to be.
type claims map[string]claim

type claim struct {
	doc  *document
	want []string
}

// addObjects claims the Key Vault secrets that a delivery gives a value. What is
// only generated leaves alone what is there.
func (c *claims) addObjects(doc *document) {
	for i, s := range doc.delivery.Secrets {
		if !s.Value.IsZero() && s.Value.Generate == nil {
			c.add(doc.secretAt(i), strings.ToLower(s.KeyVault+"/"+s.ObjectName), []string{doc.delivery.Name},
				"the same Key Vault secret as in %s, and both give it a value", "leave value out in all but one of them")
		}
	}
}

// add reports a claim that contradicts an earlier one.
func (c *claims) add(at place, what string, want []string, message, hint string) {
	if *c == nil {
		*c = claims{}
	}
	first, taken := (*c)[what]
	if !taken {
		(*c)[what] = claim{at.doc, want}
	} else if !slices.Equal(first.want, want) {
		at.report(fmt.Sprintf(message, first.doc.position()), hint)
	}
}

func (doc *document) position() string { return fmt.Sprintf("%s:%d", doc.file, doc.root.line) }
