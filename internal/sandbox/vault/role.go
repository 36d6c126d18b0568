package vault

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/secretctl/secretctl/internal/sandbox/kubernetes"
)

const noAudience = "Role %s does not have an audience configured. While audiences are not required, consider specifying one if your use case would benefit from additional JWT claim verification."

// kubernetesRole says which ServiceAccounts may log in, and what they get.
type kubernetesRole struct {
	Names, Namespaces []string
	Audience          string
	Alias             string
	Policies          []string
	TTL, MaxTTL       int // in seconds
	Period, Explicit  int
	Uses              int
	Type              string
	WithoutDefault    bool
	old               map[string]any // fields that were given by their older name, as they are read back
}

func (k *kubernetesAuth) role(req *vaultRequest, name string) *vaultReply {
	key := strings.ToLower(name)
	role := k.roles[key]
	switch {
	case req.op == opRead && role == nil:
		return notFound()
	case req.op == opRead:
		return replyWith(role.describe())
	case req.op == opDelete:
		delete(k.roles, key)
		return done()
	case req.op != opUpdate:
		return unsupportedOperation()
	}
	changed := kubernetesRole{Alias: "serviceaccount_uid", Type: "default", Policies: []string{}, old: map[string]any{}}
	if role != nil {
		changed = *role
		changed.old = maps.Clone(role.old)
	}
	if refused := changed.update(req); refused != nil {
		return refused
	}
	k.roles[key] = &changed
	if strings.TrimSpace(changed.Audience) == "" {
		return &vaultReply{warnings: []string{fmt.Sprintf(noAudience, name)}}
	}
	return done()
}

// update changes what the request names, and nothing else.
func (r *kubernetesRole) update(req *vaultRequest) *vaultReply {
	if refused := r.updateToken(req); refused != nil {
		return refused
	}
	given := func(field string) bool { _, ok := req.body[field]; return ok }
	if given("bound_service_account_names") {
		r.Names = texts(req.body["bound_service_account_names"])
	}
	if given("bound_service_account_namespaces") {
		r.Namespaces = texts(req.body["bound_service_account_namespaces"])
	}
	if given("audience") {
		r.Audience = req.text("audience")
	}
	if given("alias_name_source") {
		r.Alias = req.text("alias_name_source")
	}
	mixed := func(list []string) bool { return len(list) > 1 && slices.Contains(list, "*") }
	switch {
	case len(r.Names) == 0:
		return refuse(http.StatusBadRequest, "%q can not be empty", "bound_service_account_names")
	case len(r.Namespaces) == 0:
		return refuse(http.StatusBadRequest, "%q can not be empty if %q is not set", "bound_service_account_namespaces", "bound_service_account_namespace_selector")
	case mixed(r.Names) || mixed(r.Namespaces):
		return refuse(http.StatusBadRequest, "can not mix %q with values", "*")
	case r.Alias != "serviceaccount_uid" && r.Alias != "serviceaccount_name":
		return refuse(http.StatusBadRequest, "invalid alias_name_source, must be one of: serviceaccount_uid, serviceaccount_name")
	case req.text("bound_service_account_namespace_selector") != "":
		return refuse(http.StatusBadRequest, "bound_service_account_namespace_selector: this stand-in knows no labels of namespaces")
	}
	return nil
}

// updateToken changes the fields that describe the token, each of which may come
// by its older name too.
func (r *kubernetesRole) updateToken(req *vaultRequest) *vaultReply {
	for field, target := range map[string]*int{"ttl": &r.TTL, "max_ttl": &r.MaxTTL, "period": &r.Period, "explicit_max_ttl": &r.Explicit} {
		value, older := newest(req.body, field)
		if value == nil {
			continue
		}
		n, err := seconds(value)
		if err != nil {
			return unconvertible(field, err)
		}
		*target = n
		r.note(field, older, n, n > 0)
	}
	if value, older := newest(req.body, "policies"); value != nil {
		r.Policies = lowered(texts(value))
		r.note("policies", older, r.Policies, len(r.Policies) > 0)
	}
	if value, older := newest(req.body, "num_uses"); value != nil {
		n, err := integer(value)
		if err != nil {
			return unconvertible("num_uses", err)
		}
		r.Uses = n
		r.note("num_uses", older, n, n > 0)
	}
	if value := req.text("token_type"); value != "" {
		if !slices.Contains([]string{"default", "default-service", "service"}, value) {
			return refuse(http.StatusBadRequest, "invalid 'token_type' value %q", value)
		}
		r.Type = value
	}
	if _, given := req.body["token_no_default_policy"]; given {
		r.WithoutDefault = req.flag("token_no_default_policy")
	}
	if _, older := newest(req.body, "ttl"); r.MaxTTL > 0 && r.TTL > r.MaxTTL {
		if older && req.body["ttl"] != nil {
			return refuse(http.StatusBadRequest, "token ttl should not be greater than token max ttl")
		}
		return refuse(http.StatusBadRequest, "'token_ttl' cannot be greater than 'token_max_ttl'")
	}
	return nil
}

// newest returns a field by its name with the prefix token_, else by its older
// name, and says which it was.
func newest(body map[string]any, field string) (value any, older bool) {
	if value, given := body["token_"+field]; given {
		return value, false
	}
	return body[field], true
}

// note keeps a field for reading it back by its older name, or drops it.
func (r *kubernetesRole) note(field string, older bool, value any, set bool) {
	delete(r.old, field)
	if older && set {
		r.old[field] = value
	}
}

func lowered(names []string) []string {
	for i := range names {
		names[i] = strings.ToLower(names[i])
	}
	return names
}

func (r *kubernetesRole) describe() map[string]any {
	described := map[string]any{
		"alias_name_source": r.Alias, "bound_service_account_names": r.Names, "bound_service_account_namespaces": r.Namespaces,
		"bound_service_account_namespace_selector": "", "token_bound_cidrs": []string{}, "token_explicit_max_ttl": r.Explicit,
		"token_max_ttl": r.MaxTTL, "token_no_default_policy": r.WithoutDefault, "token_num_uses": r.Uses,
		"token_period": r.Period, "token_policies": r.Policies, "token_ttl": r.TTL, "token_type": r.Type,
	}
	if r.Audience != "" {
		described["audience"] = r.Audience
	}
	maps.Copy(described, r.old)
	return described
}

// token describes the token that a login gives, with what Vault warns of.
func (r *kubernetesRole) token(name, mount string, account kubernetes.Claims) (t *vaultToken, warnings []string) {
	t = &vaultToken{
		display: fmt.Sprintf("%s-%s-%s", mount, account.Kubernetes.Namespace, account.Kubernetes.ServiceAccount.Name),
		path:    "auth/" + mount + "/login", entity: account.Kubernetes.ServiceAccount.UID, orphan: true, renewable: true,
		policies: tokenPolicies(r.Policies, r.WithoutDefault),
		ttl:      time.Duration(r.TTL) * time.Second,
		maxTTL:   time.Duration(r.Explicit) * time.Second,
		meta: map[string]string{
			"role": name, "service_account_name": account.Kubernetes.ServiceAccount.Name,
			"service_account_namespace":   account.Kubernetes.Namespace,
			"service_account_secret_name": "", "service_account_uid": account.Kubernetes.ServiceAccount.UID,
		},
	}
	return t, t.limit(time.Duration(r.MaxTTL) * time.Second)
}
