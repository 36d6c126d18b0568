package config

import (
	"cmp"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// maxSuggestions is after how many problems names are no longer compared with the
// name of every secret.
const maxSuggestions = 10

// SecretField is a field of a resource that Aidbox reads through a reference to a
// secret.
type SecretField struct {
	Path string
	// Public says that it may also hold what is no secret, so that a literal is no
	// mistake by itself: a certificate, an HTTP header.
	Public bool
}

var fields = map[string][]SecretField{
	"Client":            {{Path: "secret"}},
	"IdentityProvider":  {{Path: "client.secret"}, {Path: "client.private-key"}, {Path: "client.certificate", Public: true}},
	"TokenIntrospector": {{Path: "jwt.secret"}, {Path: "jwt.keys.k"}, {Path: "introspection_endpoint.authorization"}},
	"AidboxTopicDestination": {
		{Path: "parameter.saslJaasConfig"},
		{Path: "parameter.sslKeystoreKey"},
		{Path: "parameter.header", Public: true},
		{Path: "parameter.serviceAccountKey"},
	},
}

// SecretFields returns those of a resource type: none for a type that has none.
func SecretFields(resourceType string) []SecretField { return slices.Clone(fields[resourceType]) }

var resourceTypeNames = []string{"Client", "IdentityProvider", "TokenIntrospector", "AidboxTopicDestination"}

var resourceTypes = oneOf(resourceTypeNames...)

// keyIndex is a key of a TokenIntrospector that need not be the first.
var keyIndex = regexp.MustCompile(`^jwt\.keys\[(\d|[1-9]\d)\]\.k$`)

// secretIndex answers what resources ask about secrets.
type secretIndex struct {
	byName  map[string]int
	names   []string
	inScope map[[2]string]bool // secret name, scope entry
}

func (d *Delivery) index() secretIndex {
	index := secretIndex{byName: map[string]int{}, inScope: map[[2]string]bool{}}
	for i, s := range d.Secrets {
		index.byName[s.Name] = i
		index.names = append(index.names, s.Name)
		for _, entry := range s.Scope {
			index.inScope[[2]string{s.Name, entry}] = true
		}
	}
	return index
}

func (doc *document) validateResources() {
	if len(doc.delivery.Resources) == 0 {
		return
	}
	secrets := doc.delivery.index()
	refs := map[string]int{}
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
			at.validateAccessPolicy(doc.delivery.AccessPolicyID(r), r)
		}
	}
}

// validateReferences checks that the secrets of a resource exist, and that it may
// use them where it is known which resource it is.
func (doc *document) validateReferences(at place, r Resource, secrets secretIndex, known bool) {
	if len(r.Secrets) == 0 {
		at.report("is empty", "name a field and the secret that it refers to")
	}
	for _, path := range slices.Sorted(maps.Keys(r.Secrets)) {
		name := r.Secrets[path]
		i, exists := secrets.byName[name]
		switch {
		case !exists:
			hint := "the name of a secret stands here, never a value"
			if len(doc.problems) < maxSuggestions {
				hint = cmp.Or(didYouMean(name, secrets.names), hint)
			}
			at.key(path).report("names no secret of this delivery", hint)
		case known && !secrets.inScope[[2]string{name, r.Ref()}] && !secrets.inScope[[2]string{name, r.Type}]:
			at.key(path).report("names a secret whose scope lacks this resource", fmt.Sprintf("add %q to %s", r.Ref(), doc.secretAt(i).key("scope")))
		}
	}
}

func (p place) validateFields(r Resource) {
	var known []string
	for _, f := range fields[r.Type] {
		known = append(known, f.Path)
	}
	for _, path := range slices.Sorted(maps.Keys(r.Secrets)) {
		if !slices.Contains(known, fieldPath(path)) {
			p.key("secrets").key(path).report("is no field of this type that takes a secret",
				cmp.Or(didYouMean(path, known), "available: "+strings.Join(known, ", ")))
		}
	}
	if _, both := r.Secrets["jwt.keys[0].k"]; both && r.Secrets["jwt.keys.k"] != "" {
		p.key("secrets").key("jwt.keys[0].k").report("is the same field as jwt.keys.k", "remove one")
	}
}

// fieldPath leaves out which key of a TokenIntrospector is meant.
func fieldPath(path string) string {
	if keyIndex.MatchString(path) {
		return "jwt.keys.k"
	}
	return path
}

// validateBody refuses a value where a reference to a secret goes, and where a
// secret is all that can be meant.
func (p place) validateBody(r Resource) {
	body := p.key("body")
	for key, want := range map[string]string{"resourceType": r.Type, "id": r.ID} {
		if got, given := r.Body[key]; given && got != want {
			body.key(key).report("is not that of the resource", "remove it")
		}
	}
	for _, f := range fields[r.Type] {
		referred := false
		for path := range r.Secrets {
			referred = referred || fieldPath(path) == f.Path
		}
		if (referred || !f.Public) && hasField(r.Body, f.Path) {
			body.report("has a value at "+f.Path, "remove it: a value is never written in the config, and the reference to a secret goes into resources[].secrets")
		}
	}
}

// hasField says whether a body has a field of that path, or its extension.
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

func (p place) validateAccessPolicy(id string, r Resource) {
	at := p.key("accessPolicy")
	if r.AccessPolicy == "" || !at.check(r.AccessPolicy, oneOf(AccessAllow)) {
		return
	}
	if r.Type != "Client" {
		at.report("is only for a Client", "remove it")
	}
	if message, _ := fhirID(id); message != "" && len(r.ID) <= 64 {
		at.report("makes an AccessPolicy with an id that is too long", "shorten the id of the Client")
	}
}
