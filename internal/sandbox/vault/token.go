package vault

import (
	"crypto/rand"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

// vaultToken is a service token.
type vaultToken struct {
	id, accessor, display string
	path                  string // where it was made
	entity                string // who logged in; empty for a token made from another
	policies              []string
	meta                  map[string]string
	orphan                bool
	renewable             bool
	issued                time.Time
	ttl, maxTTL           time.Duration // 0: for ever, no limit of its own
}

// vaultAuth is the answer that carries a new token.
type vaultAuth struct {
	ClientToken    string            `json:"client_token"`
	Accessor       string            `json:"accessor"`
	Policies       []string          `json:"policies"`
	TokenPolicies  []string          `json:"token_policies"`
	Metadata       map[string]string `json:"metadata"`
	LeaseDuration  int               `json:"lease_duration"`
	Renewable      bool              `json:"renewable"`
	EntityID       string            `json:"entity_id"`
	TokenType      string            `json:"token_type"`
	Orphan         bool              `json:"orphan"`
	MFARequirement any               `json:"mfa_requirement"`
	NumUses        int               `json:"num_uses"`
}

// issue completes a token, remembers it, and answers with it.
func (v *Server) issue(t *vaultToken) *vaultReply {
	t.id, t.accessor, t.issued = "hvs."+rand.Text(), rand.Text()[:24], time.Now()
	v.tokens[t.id] = t
	return &vaultReply{auth: &vaultAuth{
		ClientToken: t.id, Accessor: t.accessor, Policies: t.policies, TokenPolicies: t.policies, Metadata: t.meta,
		LeaseDuration: int(t.ttl.Seconds()), Renewable: t.renewable, EntityID: t.entity, TokenType: "service", Orphan: t.orphan,
	}}
}

// tokenOf returns the token with an id, if it is still good.
func (v *Server) tokenOf(id string) *vaultToken {
	t := v.tokens[id]
	if t == nil || (t.ttl > 0 && time.Since(t.issued) >= t.ttl) {
		return nil
	}
	return t
}

// auth answers what is below auth/ and needs a token.
func (v *Server) auth(req *vaultRequest, path string) *vaultReply {
	mount, rest := engineOf(v.auths, path)
	switch {
	case mount == nil:
		return refuse(http.StatusNotFound, "no handler for route %q. route entry not found.", req.path)
	case mount.kubernetes != nil:
		return mount.kubernetes.answer(req, rest).from("kubernetes")
	case rest == "create" && req.op == opUpdate:
		return v.createToken(req).from("token")
	case rest == "lookup-self" && (req.op == opRead || req.op == opUpdate):
		return replyWith(req.token.describe()).from("token")
	case rest == "revoke-self" && req.op == opUpdate:
		delete(v.tokens, req.token.id)
		return done()
	}
	return unsupportedPath()
}

func (v *Server) createToken(req *vaultRequest) *vaultReply {
	ttl, err := seconds(req.body["ttl"])
	if err != nil {
		return refuse(http.StatusBadRequest, "%v", err)
	}
	limit, err := seconds(req.body["explicit_max_ttl"])
	if err != nil {
		return refuse(http.StatusBadRequest, "%v", err)
	}
	policies := texts(req.body["policies"])
	if len(policies) == 0 {
		policies = req.token.policies
	}
	for _, name := range policies {
		if !slices.Contains(req.token.policies, name) && !v.mayGrant(req) {
			return refuse(http.StatusBadRequest, "child policies must be subset of parent")
		}
	}
	t := &vaultToken{
		display: "token", path: "auth/token/create", orphan: req.flag("no_parent"),
		policies:  tokenPolicies(policies, req.flag("no_default_policy")),
		ttl:       time.Duration(ttl) * time.Second,
		maxTTL:    time.Duration(limit) * time.Second,
		renewable: req.body["renewable"] != false,
	}
	if t.orphan && !v.mayGrant(req) {
		return refuse(http.StatusBadRequest, "root or sudo privileges required to create orphan token")
	}
	if name := req.text("display_name"); name != "" {
		t.display += "-" + name
	}
	if given, isMap := req.body["meta"].(map[string]any); isMap {
		t.meta = customMetadata(given)
	}
	if t.ttl == 0 {
		t.ttl = t.maxTTL
	}
	warnings := t.limit(t.maxTTL)
	reply := v.issue(t)
	for _, name := range t.policies {
		if v.policies[name] == nil {
			warnings = append(warnings, fmt.Sprintf("Policy %q does not exist", name))
		}
	}
	reply.warnings = warnings
	return reply
}

// mayGrant says whether the token that asks may hand out what it does not have.
func (v *Server) mayGrant(req *vaultRequest) bool {
	acl := v.acl(req.token)
	return acl.root || slices.Contains(acl.capabilities(req.path, ""), "sudo")
}

// limit gives a token the default time to live, and no more than is allowed;
// most is what its maker allows, 0 for the server's limit. A root token lives
// for ever unless it was given a time.
func (t *vaultToken) limit(most time.Duration) (warnings []string) {
	if t.ttl == 0 && !(most == 0 && slices.Contains(t.policies, "root")) {
		t.ttl = defaultLease
	}
	if most == 0 || most > maxTokenTTL {
		most = maxTokenTTL
	}
	if t.ttl > most {
		warnings = append(warnings, fmt.Sprintf("TTL of %q exceeded the effective max_ttl of %q; TTL value is capped accordingly", brief(t.ttl), brief(most)))
		t.ttl = most
	}
	t.renewable = t.renewable && t.ttl > 0
	return warnings
}

// brief words a duration without the units that are zero, as "768h".
func brief(d time.Duration) string {
	text := d.String()
	for _, zero := range []string{"m0s", "h0m"} {
		if strings.HasSuffix(text, zero) {
			text = text[:len(text)-2]
		}
	}
	return text
}

// tokenPolicies words policies as a token carries them: each once, in order,
// in lower case, with the default policy.
func tokenPolicies(names []string, withoutDefault bool) []string {
	all := []string{}
	for _, name := range names {
		all = append(all, strings.ToLower(name))
	}
	if !withoutDefault && !slices.Contains(all, "root") {
		all = append(all, "default")
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// describe tells of a token as lookup-self does.
func (t *vaultToken) describe() map[string]any {
	described := map[string]any{
		"accessor": t.accessor, "creation_time": t.issued.Unix(), "creation_ttl": int(t.ttl.Seconds()),
		"display_name": t.display, "entity_id": t.entity, "expire_time": nil, "explicit_max_ttl": int(t.maxTTL.Seconds()),
		"id": t.id, "issue_time": stamp(t.issued), "meta": t.meta, "num_uses": 0, "orphan": t.orphan, "path": t.path,
		"policies": t.policies, "renewable": t.renewable, "ttl": 0, "type": "service",
	}
	if t.ttl > 0 {
		expires := t.issued.Add(t.ttl)
		described["expire_time"], described["ttl"] = stamp(expires), int(time.Until(expires).Seconds())
	}
	return described
}

// author says who made a request, for the history of a KV secret.
func (req *vaultRequest) author() kvAuthor {
	return kvAuthor{Actor: "token", Operation: string(req.op), ClientID: req.token.clientID()}
}

func (t *vaultToken) clientID() string {
	if t.entity != "" {
		return t.entity
	}
	return t.accessor
}
