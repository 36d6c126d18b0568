package config

import (
	"fmt"
	"strings"

	"github.com/secretctl/secretctl/internal/secret"
)

// secretAt returns the place of a secret; of the canary, that of the setting that adds it.
func (doc *document) secretAt(i int) *place {
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
	provider, known := d.provider()
	names, files, stored := map[string]int{}, map[string]int{}, map[string]int{}
	for i, s := range d.Secrets {
		at := doc.secretAt(i)
		doc.validateScope(at.key("scope"), s.Scope)
		at.key("value").checkSource(s.Value)
		at.key("maxAge").check(s.MaxAge, lifetime)
		named := at.key("name").require(s.Name, fileName)
		fits := at.key("file").check(s.File, fileName)
		if known {
			doc.validateStored(provider, s, at, named)
		}
		switch {
		case !named || !fits || !known:
		case first(names, s.Name, i) < i:
			at.report(fmt.Sprintf("has the same name as secrets[%d]", names[s.Name]), "give each secret its own")
		case first(files, d.MountedFile(s), i) < i:
			at.report(fmt.Sprintf("has the same file as secrets[%d]", files[d.MountedFile(s)]), "give each secret its own file")
		case first(stored, d.StoredAs(s), i) < i:
			at.report(fmt.Sprintf("has the same place in the store as secrets[%d]", stored[d.StoredAs(s)]), "give each secret its own path and key, or objectName")
		}
	}
}

// first returns the first index that was seen with a key, which is i for a new key.
func first[K comparable](seen map[K]int, key K, i int) int {
	if _, taken := seen[key]; !taken {
		seen[key] = i
	}
	return seen[key]
}

func (doc *document) validateScope(at *place, scope []string) {
	if len(scope) == 0 {
		at.report("is empty", "name who may use the secret, such as Client/basic, or Client for any Client")
	}
	if len(scope) > 1 && doc.delivery.Aidbox.ScopeFormat == ScopeObject {
		at.report("has several entries, and scopeFormat object allows one", "use several secrets, or scopeFormat references")
	}
	seen := make(map[string]bool, len(scope))
	for j, entry := range scope {
		if at.item(j).require(entry, scopeEntry) && seen[entry] {
			at.item(j).report("is already listed", "remove one")
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

func (p *place) checkSource(s secret.Source) {
	p.key("env").check(s.Env, variable)
	if s.Generate != nil {
		if err := s.Generate.Validate(); err != nil {
			p.key("generate").report(err.Error(), "for example {length: 32}")
		}
	}
}
