package config

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
)

const topicDestination = "AidboxTopicDestination"

// SecretField is a field of a resource that Aidbox reads through a reference to a
// secret.
type SecretField struct {
	Path string // as resources[].secrets names it, without a number
	// Public says that it may also hold what is no secret, so that a literal is no
	// mistake by itself: a certificate, an HTTP header.
	Public bool
	// Repeated says that a resource has any number of them, plain ones beside those
	// that refer to a secret. "parameter.header[1]" is the second of the latter.
	Repeated bool
	// Unlisted says that Aidbox's documentation does not name it.
	Unlisted bool
}

// The fields that the documentation of Aidbox names, by resource type.
var fields = map[string][]SecretField{
	"Client":            {{Path: "secret"}},
	"IdentityProvider":  {{Path: "client.secret"}, {Path: "client.private-key"}, {Path: "client.certificate", Public: true}},
	"TokenIntrospector": {{Path: "jwt.secret"}, {Path: keysField}, {Path: "introspection_endpoint.authorization"}},
	topicDestination: {
		{Path: jaasField},
		{Path: "parameter.sslKeystoreKey"},
		{Path: "parameter.header", Public: true, Repeated: true},
		{Path: "parameter.serviceAccountKey"},
		{Path: "parameter.awsAccessKeyId"},
		{Path: "parameter.awsSecretAccessKey"},
	},
}

const (
	keysField = "jwt.keys.k"
	jaasField = "parameter.saslJaasConfig"
)

// SecretFields returns the fields of the resource that take a secret: those of its
// type, and any other parameter that its secrets name.
func (r Resource) SecretFields() []SecretField {
	all := slices.Clone(fields[r.Type])
	for _, path := range slices.Sorted(maps.Keys(r.Secrets)) {
		if f, _, ok := r.SecretField(path); ok && f.Unlisted {
			all = append(all, f)
		}
	}
	return all
}

var (
	numbered = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^(.+)\[(\d|[1-9]\d)\](\.k)?$`) })
	unlisted = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^parameter\.[A-Za-z][\w-]{0,63}$`) })
)

// SecretField returns the field at a path of resources[].secrets, and which one of
// several it is: jwt.keys[1].k is the second key, and parameter.header[1] the second
// header that is a secret. ok is false where the type has no such field.
func (r Resource) SecretField(path string) (f SecretField, index int, ok bool) {
	field, number := path, ""
	if m := numbered().FindStringSubmatch(path); m != nil {
		field, number = m[1]+m[3], m[2]
	}
	index, _ = strconv.Atoi(number)
	i := slices.IndexFunc(fields[r.Type], func(f SecretField) bool { return f.Path == field })
	switch {
	case i < 0:
		ok = r.Type == topicDestination && unlisted().MatchString(path)
		return SecretField{Path: path, Unlisted: true}, 0, ok
	case number != "":
		f = fields[r.Type][i]
		return f, index, f.Repeated || path == fmt.Sprintf("jwt.keys[%d].k", index)
	}
	return fields[r.Type][i], 0, true
}

// At returns the path of one of several such fields, as [Resource.SecretField] takes
// it.
func (f SecretField) At(index int) string {
	if f.Path == keysField {
		return fmt.Sprintf("jwt.keys[%d].k", index)
	}
	if index == 0 {
		return f.Path
	}
	return fmt.Sprintf("%s[%d]", f.Path, index)
}

// MayHold reports whether a literal value at the field is no mistake by itself. The
// JAAS line for Amazon's MSK names no secret.
func (r Resource) MayHold(f SecretField) bool {
	if f.Path != jaasField {
		return f.Public
	}
	parameters, _ := r.Body["parameter"].([]any)
	return slices.ContainsFunc(parameters, func(v any) bool {
		p, _ := v.(map[string]any)
		return p["name"] == "saslMechanism" && p["valueString"] == "AWS_MSK_IAM"
	})
}

// plainCredential reports whether a header that the body has carries credentials by its
// name.
func (r Resource) plainCredential() bool {
	parameters, _ := r.Body["parameter"].([]any)
	return slices.ContainsFunc(parameters, func(v any) bool {
		p, _ := v.(map[string]any)
		line, _ := p["valueString"].(string)
		name, _, _ := strings.Cut(strings.ToLower(line), ":")
		return p["name"] == "header" && slices.Contains([]string{"authorization", "proxy-authorization", "cookie", "x-api-key", "api-key"}, strings.TrimSpace(name))
	})
}

// Warning is something in a config that works, and may not be what is wanted.
type Warning struct{ Path, Message, Hint string }

// Warnings returns what a delivery should be looked at for.
func (d *Delivery) Warnings() []Warning {
	var all []Warning
	if d.Vault != nil && d.Vault.CSISkipTLSVerify {
		all = append(all, Warning{
			"vault.csiSkipTLSVerify", "has the CSI provider send the pod's token to whoever answers at vault.csiAddress",
			"give it the CA with vault.csiCACertPath instead",
		})
	}
	for i, r := range d.Resources {
		if r.plainCredential() {
			all = append(all, Warning{
				fmt.Sprintf("resources[%d].body.parameter", i), "has a header with a credential, which Aidbox stores and shows in plain text",
				"store the whole line, and name it under secrets: {parameter.header: SECRET}",
			})
		}
		for _, f := range r.SecretFields() {
			if f.Unlisted {
				all = append(all, Warning{
					fmt.Sprintf("resources[%d].secrets.%s", i, f.Path), "is not documented as a parameter that takes a secret",
					strings.TrimSpace(didYouMean(f.Path, listed(r.Type)) + ` secretctl verify client shows whether Aidbox keeps the reference`),
				})
			}
		}
	}
	return all
}

// listed returns the paths of the documented fields of a type.
func listed(resourceType string) []string {
	var paths []string
	for _, f := range fields[resourceType] {
		paths = append(paths, f.Path)
	}
	return paths
}
