package config

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
)

var resourceTypeNames = []string{"Client", "IdentityProvider", "TokenIntrospector", "AidboxTopicDestination"}

var resourceTypes = oneOf(resourceTypeNames...)

func (doc *document) validateResources() {
	if len(doc.delivery.Resources) == 0 {
		return
	}
	refs, policies, secrets := map[string]int{}, map[string]int{}, map[string]int{}
	for i, s := range doc.delivery.Secrets {
		secrets[s.Name] = i
	}
	for i, r := range doc.delivery.Resources {
		at := doc.root.key("resources").item(i)
		if doc.delivery.Canary && i == len(doc.delivery.Resources)-1 {
			at = doc.root.key("canary") // which adds it
		}
		typed := at.key("type").require(r.Type, resourceTypes)
		named := at.key("id").require(r.ID, fhirID)
		if first, taken := refs[r.Ref()]; taken && typed && named {
			at.report(fmt.Sprintf("has the same type and id as resources[%d]", first), "describe each resource once")
		} else {
			refs[r.Ref()] = i
		}
		doc.validateReferences(at.key("secrets"), r, secrets, typed && named)
		if typed {
			at.validateFields(r)
			at.validateBody(r)
			id := doc.delivery.AccessPolicyID(r)
			at.validateAccessPolicy(id, r)
			if r.AccessPolicy != nil && first(policies, id, i) < i {
				at.key("accessPolicy").report(fmt.Sprintf("has the same id as that of resources[%d]", policies[id]), "give each its own: it is linked to one Client")
			}
		}
	}
}

// validateReferences checks that the secrets of a resource exist and, if its type and id
// are valid, that it is in their scope.
func (doc *document) validateReferences(at *place, r Resource, secrets map[string]int, known bool) {
	if len(r.Secrets) == 0 {
		at.report("is empty", "name a field and the secret that it refers to")
	}
	d := doc.delivery
	for _, path := range slices.Sorted(maps.Keys(r.Secrets)) {
		i, exists := secrets[r.Secrets[path]]
		switch {
		case !exists:
			at.key(path).report("names no secret of this delivery", cmp.Or(doc.similarSecret(r.Secrets[path]), "write the name of a secret, not a value"))
		case known && !d.Secrets[i].InScope(r.Type, r.ID):
			at.key(path).report("names a secret whose scope does not include this resource", fmt.Sprintf("add %q to %s", r.Ref(), doc.secretAt(i).key("scope")))
		}
	}
}

// similarSecret asks whether another name was meant, if the problem is still listed.
func (doc *document) similarSecret(name string) string {
	if len(doc.problems) >= maxLines {
		return ""
	}
	return didYouMean(name, doc.delivery.secretNames())
}

// validateFields checks that the type has the fields, and each field has one secret.
func (p *place) validateFields(r Resource) {
	first := map[string]string{}
	for _, path := range slices.Sorted(maps.Keys(r.Secrets)) {
		at := p.key("secrets").key(path)
		f, index, ok := r.SecretField(path)
		switch {
		case !ok:
			known := listed(r.Type)
			at.report("is not a field of this type that takes a secret", cmp.Or(didYouMean(path, known), "available: "+strings.Join(known, ", ")))
		case first[f.At(index)] != "":
			at.report("is the same field as "+first[f.At(index)], "remove one")
		case f.Repeated && index > 0 && r.Secrets[f.At(index-1)] == "" && (index > 1 || r.Secrets[f.Path+"[0]"] == ""):
			at.report("leaves out a number", fmt.Sprintf("number them in a row: %s, %s", f.Path, f.At(1)))
		}
		first[f.At(index)] = path
	}
}

// validateBody refuses a value in a field that takes a secret.
func (p *place) validateBody(r Resource) {
	body := p.key("body")
	for key, want := range map[string]string{"resourceType": r.Type, "id": r.ID} {
		if got, given := r.Body[key]; given && got != want {
			body.key(key).report("differs from that of the resource", "remove it")
		}
	}
	for _, f := range r.SecretFields() {
		referred := false
		for path := range r.Secrets {
			other, _, _ := r.SecretField(path)
			referred = referred || other.Path == f.Path
		}
		allowed := r.MayHold(f) && (f.Repeated || !referred)
		if !allowed && hasField(r.Body, f.Path) {
			body.report("has a value at "+f.Path, "remove it: a value is never written in the config, and the reference to a secret goes into resources[].secrets")
		}
	}
}

// hasField reports whether a body has the field at a path, or its extension.
func hasField(body map[string]any, path string) bool {
	if name, found := strings.CutPrefix(path, "parameter."); found {
		parameters, _ := body["parameter"].([]any)
		return slices.ContainsFunc(parameters, func(v any) bool {
			parameter, _ := v.(map[string]any)
			return parameter["name"] == name && len(parameter) > 1
		})
	}
	return hasValue(body, strings.Split(path, "."))
}

func hasValue(v any, path []string) bool {
	switch v := v.(type) {
	case []any:
		return slices.ContainsFunc(v, func(item any) bool { return hasValue(item, path) })
	case map[string]any:
		if len(path) > 1 {
			return hasValue(v[path[0]], path[1:])
		}
		return v[path[0]] != nil || v["_"+path[0]] != nil
	}
	return false
}

func (p *place) validateAccessPolicy(id string, r Resource) {
	at := p.key("accessPolicy")
	switch policy := r.AccessPolicy.(type) {
	case nil:
		return
	case string:
		if !at.check(policy, oneOf(AccessAllow)) {
			return
		}
	case map[string]any:
		at.validatePolicyBody(policy)
	default:
		at.report("must be allow, or the body of an AccessPolicy", "such as {engine: allow}")
	}
	if r.Type != "Client" {
		at.report("is only for a Client", "remove it")
	}
	if message, _ := fhirID(id); message != "" && id == "secretctl-"+r.ID && len(r.ID) <= 64 {
		at.report("gives the AccessPolicy an id that is too long", "shorten the id of the Client")
	}
}

// validatePolicyBody leaves the settings of the engine to Aidbox.
func (p *place) validatePolicyBody(policy map[string]any) {
	if t, given := policy["resourceType"]; given && t != "AccessPolicy" {
		p.key("resourceType").report("must be AccessPolicy", "remove it")
	}
	if id, given := policy["id"]; given {
		text, _ := id.(string)
		p.key("id").require(text, fhirID)
	}
	if engine, _ := policy["engine"].(string); engine == "" {
		p.key("engine").report("is missing", "such as matcho, or allow")
	}
}
