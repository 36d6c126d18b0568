package vault

import (
	"context"
	"crypto/rand"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"

	"github.com/secretctl/secretctl/internal/sandbox/kubernetes"
	"github.com/secretctl/secretctl/internal/sandbox/loopback"
)

// authMethod is an auth method; only one of type kubernetes has roles.
type authMethod struct {
	Type string `json:"type"`

	config map[string]any
	roles  map[string]role
}

// role has the fields of a role by their names in the API.
type role map[string]any

// auth answers a request below auth/ that needs a token.
func (v *Server) auth(req *request, path string) *reply {
	switch {
	case path == "token/create" && req.op == opUpdate:
		return v.issue(list(req.body["policies"]))
	case path == "token/revoke-self" && req.op == opUpdate:
		delete(v.tokens, req.token)
		return done()
	}
	if a, _, rest := mountOf(v.auths, path); a != nil && a.roles != nil {
		return a.answer(req, rest)
	}
	return refuse(http.StatusNotFound, "no handler for route %q", req.path)
}

// issue makes a token with these policies, which does not expire.
func (v *Server) issue(policies []string) *reply {
	token := "hvs." + rand.Text()
	v.tokens[token] = policies
	return &reply{http.StatusOK, map[string]any{"auth": map[string]any{"client_token": token, "accessor": rand.Text(), "policies": policies}}}
}

// answer handles a request to Kubernetes auth; path is what follows its mount.
func (a *authMethod) answer(req *request, path string) *reply {
	name, isRole := strings.CutPrefix(path, "role/")
	switch {
	case path == "config" && req.op == opUpdate: // replaces it as a whole
		a.config = req.body
		return done()
	case path == "config" && a.config != nil:
		shown := maps.Clone(a.config)
		_, has := shown["token_reviewer_jwt"]
		delete(shown, "token_reviewer_jwt")
		shown["token_reviewer_jwt_set"] = has
		return replyWith(shown)
	case isRole && req.op == opUpdate:
		a.roles[name] = a.roles[name].with(req.body)
		return done()
	case isRole && req.op == opDelete:
		delete(a.roles, name)
		return done()
	case isRole && a.roles[name] != nil:
		return replyWith(a.roles[name])
	}
	return notFound()
}

// with returns a copy in which the fields of a request are changed. One text stands for a
// list of one, and durations are kept in seconds, as Vault returns them.
func (r role) with(fields map[string]any) role {
	changed := role{}
	maps.Copy(changed, r)
	for field, value := range fields {
		switch field {
		case "bound_service_account_names", "bound_service_account_namespaces", "token_policies":
			value = list(value)
		case "token_ttl", "token_max_ttl":
			if text, isText := value.(string); isText {
				d, _ := time.ParseDuration(text)
				value = d.Seconds()
			}
		}
		if changed[field] = value; value == "" {
			delete(changed, field)
		}
	}
	return changed
}

// login exchanges a ServiceAccount token for a Vault token. The caller holds the lock,
// which is released while the cluster reviews the token.
func (v *Server) login(ctx context.Context, req *request, a *authMethod) *reply {
	r := a.roles[req.text("role")]
	if r == nil {
		return refuse(http.StatusBadRequest, "invalid role name %q", req.text("role"))
	}
	host, _ := a.config["kubernetes_host"].(string)
	claims, err := kubernetes.ReadToken(req.text("jwt"))
	admitted := err == nil && r.admits(claims)
	if admitted {
		v.mu.Unlock()
		admitted = review(ctx, host, req.text("jwt"), claims.Audience)
		v.mu.Lock()
	}
	if !admitted {
		return refuse(http.StatusForbidden, "permission denied")
	}
	policies, _ := r["token_policies"].([]string)
	return v.issue(policies)
}

func (r role) admits(claims kubernetes.Claims) bool {
	names, _ := r["bound_service_account_names"].([]string)
	namespaces, _ := r["bound_service_account_namespaces"].([]string)
	audience, limited := r["audience"].(string)
	return slices.Contains(names, claims.Kubernetes.ServiceAccount.Name) && slices.Contains(namespaces, claims.Kubernetes.Namespace) &&
		(!limited || slices.Contains(claims.Audience, audience))
}

// review asks the cluster, as the token's own account, whether the token is valid.
func review(ctx context.Context, host, token string, audiences []string) bool {
	review := authenticationv1.TokenReview{Spec: authenticationv1.TokenReviewSpec{Token: token, Audiences: audiences}}
	header := http.Header{"Authorization": {"Bearer " + token}}
	err := loopback.Ask(ctx, loopback.Client, strings.TrimSuffix(host, "/")+kubernetes.TokenReviewPath, header, review, &review)
	return err == nil && review.Status.Authenticated
}
