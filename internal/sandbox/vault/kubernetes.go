package vault

import (
	"bytes"
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"

	"github.com/secretctl/secretctl/internal/sandbox/kubernetes"
)

const reviewTimeout = 10 * time.Second

// auth is an auth method; only one of type kubernetes has roles.
type auth struct {
	Type string `json:"type"`

	config map[string]any
	roles  map[string]*role
}

// role says which ServiceAccounts may log in, and what they get. The zero value of
// TTL and MaxTTL, which are in seconds, leaves it to the server.
type role struct {
	Names      []string `json:"bound_service_account_names"`
	Namespaces []string `json:"bound_service_account_namespaces"`
	Policies   []string `json:"token_policies"`
	TTL        int      `json:"token_ttl"`
	MaxTTL     int      `json:"token_max_ttl"`
	Audience   string   `json:"audience,omitempty"`
}

// answer handles a request to Kubernetes auth; path is what follows its mount.
func (a *auth) answer(req *request, path string) *reply {
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
		changed := role{}
		if was := a.roles[name]; was != nil {
			changed = *was
		}
		changed.update(req.body)
		a.roles[name] = &changed
		return done()
	case isRole && req.op == opDelete:
		delete(a.roles, name)
		return done()
	case isRole && a.roles[name] != nil:
		return replyWith(a.roles[name])
	}
	return notFound()
}

// update changes the fields that a request names, by today's name or the older one.
func (r *role) update(body map[string]any) {
	for field, value := range body {
		switch field {
		case "bound_service_account_names":
			r.Names = list(value)
		case "bound_service_account_namespaces":
			r.Namespaces = list(value)
		case "token_policies", "policies":
			r.Policies = list(value)
		case "token_ttl", "ttl":
			r.TTL = seconds(value)
		case "token_max_ttl", "max_ttl":
			r.MaxTTL = seconds(value)
		case "audience":
			r.Audience, _ = value.(string)
		}
	}
}

// login trades a ServiceAccount token for a Vault token. It is called with the lock
// held, and asks the cluster without it.
func (v *Server) login(ctx context.Context, req *request, a *auth) *reply {
	r := a.roles[req.text("role")]
	if r == nil {
		return refuse(http.StatusBadRequest, "invalid role name %q", req.text("role"))
	}
	granted, admitted := *r, false
	host, _ := a.config["kubernetes_host"].(string)
	if claims, err := kubernetes.ReadToken(req.text("jwt")); err == nil && r.admits(claims) {
		v.mu.Unlock()
		admitted = review(ctx, host, req.text("jwt"), claims.Audience)
		v.mu.Lock()
	}
	if !admitted {
		return refuse(http.StatusForbidden, "permission denied")
	}
	return v.issue(granted.Policies)
}

func (r *role) admits(claims kubernetes.Claims) bool {
	return slices.Contains(r.Names, claims.Kubernetes.ServiceAccount.Name) && slices.Contains(r.Namespaces, claims.Kubernetes.Namespace) &&
		(r.Audience == "" || slices.Contains(claims.Audience, r.Audience))
}

// review asks the cluster, as the token itself, whether that is good.
func review(ctx context.Context, host, token string, audiences []string) bool {
	review := authenticationv1.TokenReview{Spec: authenticationv1.TokenReviewSpec{Token: token, Audiences: audiences}}
	body, err := json.Marshal(review)
	if err != nil {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, reviewTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, strings.TrimSuffix(host, "/")+kubernetes.TokenReviewPath, bytes.NewReader(body))
	if err != nil {
		return false
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+token)
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		return false
	}
	defer func() { _ = resp.Body.Close() }()
	return json.NewDecoder(resp.Body).Decode(&review) == nil && review.Status.Authenticated
}
