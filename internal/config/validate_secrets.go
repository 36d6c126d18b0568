package config

import (
	"fmt"
	"strings"

	"github.com/secretctl/secretctl/internal/secret"
)

// secretAt returns the place of a secret, which for the canary is the switch that
// adds it.
func (doc *document) secretAt(i int) place {
	if doc.delivery.Canary && i == len(doc.delivery.Secrets)-1 {
		return doc.root.key("canary")
	}
	return doc.root.key("secrets").item(i)
}

func (doc *document) validateSecrets() {
	d := doc.delivery
	if len(d.Secrets) == 0 {
		doc.root.key("secrets").report("is empty", "name at least one secret")
	}
	names, stored := map[string]int{}, map[[2]string]int{}
	for i, s := range d.Secrets {
		at := doc.secretAt(i)
		doc.validateScope(at.key("scope"), s.Scope)
		at.key("value").checkSource(s.Value)
		named := at.key("name").require(s.Name, fileName)
		doc.validateStored(at, s, named)
		if !named {
			continue
		}
		if first, taken := names[s.Name]; taken {
			at.report(fmt.Sprintf("has the same name as secrets[%d]", first), "give each secret its own")
			continue
		}
		names[s.Name] = i
		where := [2]string{s.Path, s.Key}
		if d.Provider == ProviderAzure {
			// Key Vault takes names that differ only in case as the same.
			where = [2]string{strings.ToLower(s.KeyVault), strings.ToLower(s.ObjectName)}
		}
		if first, taken := stored[where]; taken {
			at.report(fmt.Sprintf("is in the same place of the store as secrets[%d]", first), "give each secret its own path and key, or objectName")
			continue
		}
		stored[where] = i
	}
}

// validateStored reports what is wrong with where a secret is in its store.
func (doc *document) validateStored(at place, s Secret, named bool) {
	switch doc.delivery.Provider {
	case ProviderVault:
		ok := at.key("path").check(s.Path, secretPath(doc.delivery.Vault.KVMount))
		if ok && doc.delivery.Vault.PolicyScope == PolicyPrefix && !strings.Contains(s.Path, "/") {
			at.key("path").report("is in no folder, so that vault.policyScope prefix would grant the whole of vault.kvMount",
				"put it into a folder, such as aidbox/NAME, or set vault.policyScope to exact")
		}
		for _, key := range []string{"keyVault", "expiresIn"} {
			if only := at.key(key); only.node != nil {
				only.report("is not for this provider", "remove it: Key Vault alone has it")
			}
		}
	case ProviderAzure:
		at.key("keyVault").check(s.KeyVault, keyVault)
		at.key("expiresIn").check(s.ExpiresIn, lifetime)
		object := at.key("objectName")
		if message, hint := objectName(s.ObjectName); message != "" && (named || object.node != nil) {
			object.report(message, hint+"; where it is left out, the name stands for it")
		}
	}
}

func (doc *document) validateScope(at place, scope []string) {
	if len(scope) == 0 {
		at.report("is empty", "name who may use the secret, such as Client/basic, or Client for any Client")
	}
	if len(scope) > 1 && doc.delivery.Aidbox.ScopeFormat == ScopeObject {
		at.report("has several entries, and scopeFormat object allows one", "use several secrets, or scopeFormat references")
	}
	seen := make(map[string]bool, len(scope))
	for j, entry := range scope {
		if at.item(j).require(entry, scopeEntry) && seen[entry] {
			at.item(j).report("is there already", "remove one")
		}
		seen[entry] = true
	}
}

func scopeEntry(text string) (message, hint string) {
	resourceType, id, hasID := strings.Cut(text, "/")
	if message, hint := resourceTypes(resourceType); message != "" || !hasID {
		return message, hint
	}
	return fhirID(id)
}

// checkSource reports what the structure check cannot see.
func (p place) checkSource(s secret.Source) {
	p.key("env").check(s.Env, variable)
	if s.Generate != nil {
		if err := s.Generate.Validate(); err != nil {
			p.key("generate").report(err.Error(), "for example {length: 32}")
		}
	}
}
