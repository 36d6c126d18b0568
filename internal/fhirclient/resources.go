package fhirclient

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/http"
	"net/url"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/hint"
	"github.com/secretctl/secretctl/internal/secret"
)

// What a [Change] did to an object.
const (
	Created   = "created"
	Updated   = "updated"
	Unchanged = "unchanged"
	Deleted   = "deleted"
	Absent    = "absent"
)

// Change is what was done to an object, which is named "Type/id".
type Change struct {
	Object string `json:"object"`
	Action string `json:"action"`
}

// How a resource that was put may differ from what Aidbox should have. Both mean that
// Aidbox answered, and that the answer is no.
var (
	ErrLiteral   = errors.New("came back with a literal value")
	ErrReference = errors.New("came back without the reference to its secret")
)

// Apply makes the resource in Aidbox equal to the config's, and writes nothing if it is,
// apart from what only Aidbox has in meta. Without Adopt, one that differs and has another owner is an error.
// Apply reads back what it wrote: the error wraps [ErrLiteral] or [ErrReference] if a
// secret field is not masked.
func (c *Client) Apply(ctx context.Context, r config.Resource) (Change, error) {
	want, err := Body(r)
	if err != nil {
		return Change{}, err
	}
	change, err := c.put(ctx, r.Type, r.ID, want)
	if err != nil || change.Action == Unchanged {
		return change, err
	}
	got, err := c.read(ctx, r.Type, r.ID)
	if err != nil {
		return Change{}, err
	}
	if err := checkMasked(r, want, got); err != nil {
		return Change{}, c.sanitizer.Err(err)
	}
	return change, nil
}

// ApplyPolicy makes the AccessPolicy in Aidbox equal to [AccessPolicy].
func (c *Client) ApplyPolicy(ctx context.Context, id string, r config.Resource) (Change, error) {
	return c.put(ctx, "AccessPolicy", id, AccessPolicy(id, r))
}

// Get returns the resource as indented JSON, and the paths of secret fields with a value.
// "[literal value withheld]" replaces such values, and what [HideSecrets] finds. Every string
// is sanitized, and one that repeats a known secret is masked. If one is spread over several
// fields, the JSON is a text that says so. An absent resource is [fs.ErrNotExist].
func (c *Client) Get(ctx context.Context, r config.Resource) (body []byte, literals []string, err error) {
	res, err := c.read(ctx, r.Type, r.ID)
	if err != nil {
		return nil, nil, err
	}
	literals = c.lines(slices.Compact(literalPaths(r, res)))
	visit(r, res, func(_ string, _ config.SecretField, p place) {
		for _, key := range p.literals() {
			p.at[key] = withheld
		}
	})
	HideSecrets(res)
	clean := c.sanitizer.Tree(res)
	if _, isWithheld := clean.(string); isWithheld {
		literals = append(literals, "(spread over several fields)")
	}
	body, err = encode(clean, "  ")
	return body, literals, err
}

// HideSecrets hides the strings, numbers and lists of a resource whose key, or whose parameter's
// name, says that they are secret, and addresses with a password: people also write secrets into
// fields that Aidbox does not mask. It reports whether there are any.
func HideSecrets(v any) (hidden bool) {
	switch v := v.(type) {
	case map[string]any:
		parameter, _ := v["name"].(string)
		for key, value := range v {
			named := secretKey.MatchString(key) || strings.HasPrefix(key, "value") && secretKey.MatchString(parameter)
			if mayBeSecret(value) && named || hasPassword(value) {
				v[key], hidden = withheld, true
				continue
			}
			hidden = HideSecrets(value) || hidden
		}
	case []any:
		for i, value := range v {
			if hasPassword(value) {
				v[i], hidden = withheld, true
			}
			hidden = HideSecrets(value) || hidden
		}
	}
	return hidden
}

func hasPassword(v any) bool {
	text, _ := v.(string)
	return secret.HasPassword(text)
}

func mayBeSecret(v any) bool {
	switch v := v.(type) {
	case string:
		return v != withheld
	case float64, []any:
		return true
	}
	return false
}

var secretKey = regexp.MustCompile(`(?i)(secret|passwor[dt]|passphrase|private.?key|api.?key|token)$`)

// lines cleans texts that contain keys of Aidbox's.
func (c *Client) lines(texts []string) []string {
	for i, text := range texts {
		texts[i] = c.sanitizer.Line(text)
	}
	return texts
}

// References returns which secret the resource in Aidbox refers to at each path of
// r.Secrets with a complete reference, and the paths of secret fields with a value that
// is not from the config. An absent resource is [fs.ErrNotExist].
func (c *Client) References(ctx context.Context, r config.Resource) (refs map[string]string, literals []string, err error) {
	want, err := Body(r)
	if err != nil {
		return nil, nil, err
	}
	got, err := c.read(ctx, r.Type, r.ID)
	if err != nil {
		return nil, nil, err
	}
	refs = referencePaths(r, got)
	for path, name := range refs {
		refs[path] = c.sanitizer.Line(name)
	}
	return refs, c.lines(strayLiterals(r, want, got)), nil
}

// Delete deletes a resource of the delivery, or with Adopt one of any owner. An absent
// one is no error.
func (c *Client) Delete(ctx context.Context, resourceType, id string) (Change, error) {
	change := Change{Object: resourceType + "/" + id, Action: Deleted}
	// Servers differ in their response to the deletion of nothing, so look first.
	have, err := c.read(ctx, resourceType, id)
	if errors.Is(err, fs.ErrNotExist) {
		change.Action = Absent
		return change, nil
	}
	if err != nil {
		return Change{}, err
	}
	if otherOwner := c.otherOwner(change.Object, have); otherOwner != nil && !c.Adopt {
		return Change{}, otherOwner
	}
	r := c.adminRequest(http.MethodDelete, resourcePath(resourceType, id))
	a, err := c.send(ctx, r)
	switch {
	case err != nil:
		return Change{}, err
	case a.absent():
		change.Action = Absent
	case a.status < 200 || a.status > 299:
		return Change{}, c.fail(r, a)
	}
	return change, nil
}

func (c *Client) put(ctx context.Context, resourceType, id string, want map[string]any) (Change, error) {
	change := Change{Object: resourceType + "/" + id, Action: Updated}
	have, err := c.read(ctx, resourceType, id)
	otherOwner := c.otherOwner(change.Object, have)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		change.Action = Created
	case err != nil:
		return Change{}, err
	case reflect.DeepEqual(normalized(want, want), normalized(have, want)) && (otherOwner == nil || !c.Adopt):
		change.Action = Unchanged
		return change, nil
	case otherOwner != nil && !c.Adopt:
		return Change{}, otherOwner
	}
	setOwner(want, c.owner, have)
	r := c.adminRequest(http.MethodPut, resourcePath(resourceType, id))
	r.contentType = "application/json"
	if r.body, err = encode(want, ""); err != nil {
		return Change{}, err
	}
	a, err := c.send(ctx, r)
	if err != nil {
		return Change{}, err
	}
	if a.status < 200 || a.status > 299 {
		return Change{}, c.fail(r, a)
	}
	return change, nil
}

// absentError is [fs.ErrNotExist] with the name of the resource.
type absentError struct{ server, ref string }

func (e absentError) Error() string        { return e.server + ": " + e.ref + " does not exist" }
func (e absentError) Is(target error) bool { return target == fs.ErrNotExist }

// read returns the resource as Aidbox has it.
func (c *Client) read(ctx context.Context, resourceType, id string) (map[string]any, error) {
	// "" or "." would make the path that of another resource, or of all of a type.
	if resourceType == "" || id == "" || id == "." || id == ".." {
		return nil, fmt.Errorf("aidbox: %q is not a resource", resourceType+"/"+id)
	}
	r := c.adminRequest(http.MethodGet, resourcePath(resourceType, id))
	a, err := c.send(ctx, r)
	switch {
	case err != nil:
		return nil, err
	case a.absent():
		return nil, absentError{c.name, resourceType + "/" + id}
	case a.status != http.StatusOK || a.problem != "":
		return nil, c.fail(r, a)
	}
	var res map[string]any
	if err := json.Unmarshal(a.body, &res); err != nil || res["resourceType"] != resourceType || res["id"] != id {
		a.problem = "answered another resource"
		return nil, c.fail(r, a)
	}
	return res, nil
}

// absent reports whether Aidbox itself answered that there is no such resource. A 404
// that is not an OperationOutcome comes from another server.
func (a answer) absent() bool {
	var o struct {
		ResourceType string `json:"resourceType"`
	}
	return a.status == http.StatusGone ||
		a.status == http.StatusNotFound && json.Unmarshal(a.body, &o) == nil && o.ResourceType == "OperationOutcome"
}

func (c *Client) adminRequest(method, path string) request {
	return request{method: method, path: path, user: c.clientID, password: c.secret}
}

func resourcePath(resourceType, id string) string {
	return "/fhir/" + url.PathEscape(resourceType) + "/" + url.PathEscape(id)
}

// strayLiterals returns the paths at which got holds a value and want does not, or
// holds more values.
func strayLiterals(r config.Resource, want, got map[string]any) []string {
	given := literalPaths(r, want)
	return slices.Compact(slices.DeleteFunc(literalPaths(r, got), func(path string) bool {
		i := slices.Index(given, path)
		if i >= 0 {
			given = slices.Delete(given, i, i+1)
		}
		return i >= 0
	}))
}

func checkMasked(r config.Resource, want, got map[string]any) error {
	for _, path := range strayLiterals(r, want, got) {
		return hint.Wrap(fmt.Errorf("aidbox: %s: %s %w", r.Ref(), path, ErrLiteral),
			"Aidbox masks secrets from 2602 on: delete the resource, upgrade, apply it again, and consider the value exposed")
	}
	refs := referencePaths(r, got)
	for _, path := range slices.Sorted(maps.Keys(r.Secrets)) {
		if refs[path] != r.Secrets[path] {
			return hint.Wrap(fmt.Errorf("aidbox: %s: %s %w %q", r.Ref(), path, ErrReference, r.Secrets[path]),
				"is it Aidbox 2602 or later, and does anybody else write this resource?")
		}
	}
	return nil
}
