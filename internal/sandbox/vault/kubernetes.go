package vault

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"path"
	"slices"
	"strings"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"

	"github.com/secretctl/secretctl/internal/sandbox/kubernetes"
)

const reviewPatience = 10 * time.Second

// kubernetesAuth is an auth method of type kubernetes.
type kubernetesAuth struct {
	config *kubernetesConfig
	roles  map[string]*kubernetesRole
}

// kubernetesConfig is how to reach the cluster. The field that is a credential
// is never read back.
type kubernetesConfig struct {
	Host                 string   `json:"kubernetes_host"`
	CACert               string   `json:"kubernetes_ca_cert"`
	PEMKeys              []string `json:"pem_keys"`
	Issuer               string   `json:"issuer"`
	DisableISSValidation bool     `json:"disable_iss_validation"`
	DisableLocalCAJWT    bool     `json:"disable_local_ca_jwt"`
	ReviewerSet          bool     `json:"token_reviewer_jwt_set"`
	Annotations          bool     `json:"use_annotations_as_alias_metadata"`

	reviewer string
}

// answer handles a request; path is what follows the mount.
func (k *kubernetesAuth) answer(req *vaultRequest, path string) *vaultReply {
	name, isRole := strings.CutPrefix(path, "role/")
	switch {
	case path == "config" && req.op == opRead && k.config == nil:
		return notFound()
	case path == "config" && req.op == opRead:
		return replyWith(k.config)
	case path == "config" && req.op == opUpdate:
		return k.writeConfig(req)
	case isRole && name == "" && req.op == opList:
		return listing(k.roles, "")
	case isRole && name != "":
		return k.role(req, name)
	case path == "config" || path == "login" || path == "role" || isRole:
		return unsupportedOperation()
	}
	return unsupportedPath()
}

// writeConfig replaces the whole configuration, as Vault does: what a request
// leaves out goes back to its default.
func (k *kubernetesAuth) writeConfig(req *vaultRequest) *vaultReply {
	config := &kubernetesConfig{
		Host: req.text("kubernetes_host"), CACert: req.text("kubernetes_ca_cert"), PEMKeys: texts(req.body["pem_keys"]),
		Issuer: req.text("issuer"), DisableISSValidation: true, DisableLocalCAJWT: req.flag("disable_local_ca_jwt"),
		Annotations: req.flag("use_annotations_as_alias_metadata"), reviewer: req.text("token_reviewer_jwt"),
	}
	if _, given := req.body["disable_iss_validation"]; given {
		config.DisableISSValidation = req.flag("disable_iss_validation")
	}
	config.ReviewerSet = config.reviewer != ""
	if config.Host == "" {
		return refuse(http.StatusBadRequest, "no host provided")
	}
	if block, _ := pem.Decode([]byte(config.CACert)); config.CACert != "" && block == nil {
		return refuse(http.StatusBadRequest, "The provided CA PEM data contains no valid certificates")
	}
	k.config = config
	return done()
}

// login trades a ServiceAccount token for a Vault token. It asks the cluster
// without the lock, because that can take a while.
func (v *Server) login(ctx context.Context, req *vaultRequest, mount string, auth *kubernetesAuth) *vaultReply {
	if req.op != opUpdate {
		return refuse(http.StatusMethodNotAllowed, "unsupported operation")
	}
	for _, field := range []string{"role", "jwt"} {
		if req.text(field) == "" {
			return refuse(http.StatusBadRequest, "missing %s", field)
		}
	}
	v.mu.Lock()
	role, config := auth.roles[strings.ToLower(req.text("role"))], auth.config // replaced as a whole, never changed
	v.mu.Unlock()
	if role == nil {
		return refuse(http.StatusBadRequest, "invalid role name %q", req.text("role"))
	}
	if config == nil {
		return refuse(http.StatusInternalServerError, "could not load backend configuration")
	}
	account, err := kubernetes.ReadToken(req.text("jwt"))
	if err != nil {
		return refuse(http.StatusForbidden, "permission denied")
	}
	if problem := role.admits(account, config); problem != "" {
		return refuse(http.StatusForbidden, "%s", problem)
	}
	audiences := account.Audience
	if role.Audience != "" {
		audiences = []string{role.Audience}
	}
	if err := review(ctx, config, req.text("jwt"), account, audiences); err != nil {
		return refuse(http.StatusForbidden, "permission denied")
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	token, warnings := role.token(req.text("role"), mount, account)
	reply := v.issue(token)
	reply.warnings = warnings
	return reply
}

// admits says why a role does not let a ServiceAccount in, or "".
func (r *kubernetesRole) admits(account kubernetes.Claims, config *kubernetesConfig) string {
	within := func(patterns []string, name string) bool {
		return slices.ContainsFunc(patterns, func(p string) bool {
			ok, _ := path.Match(p, name)
			return ok
		})
	}
	switch {
	case account.Expires > 0 && time.Now().After(time.Unix(account.Expires, 0)):
		return "invalid expiration time (exp) claim: token is expired"
	case !config.DisableISSValidation && config.Issuer != "" && account.Issuer != config.Issuer:
		return "invalid issuer (iss) claim"
	case r.Audience != "" && !slices.Contains(account.Audience, r.Audience):
		return "invalid audience (aud) claim: audience claim does not match any expected audience"
	case !within(r.Names, account.Kubernetes.ServiceAccount.Name):
		return "service account name not authorized"
	case !within(r.Namespaces, account.Kubernetes.Namespace):
		return "namespace not authorized"
	}
	return ""
}

// review asks the cluster whether a token is good, as the reviewer or, where
// none is configured, as the token itself.
func review(ctx context.Context, config *kubernetesConfig, token string, account kubernetes.Claims, audiences []string) error {
	review := authenticationv1.TokenReview{Spec: authenticationv1.TokenReviewSpec{Token: token, Audiences: audiences}}
	body, err := json.Marshal(review)
	if err != nil {
		return err
	}
	url := strings.TrimSuffix(config.Host, "/") + kubernetes.TokenReviewPath
	ctx, cancel := context.WithTimeout(ctx, reviewPatience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body)) //nolint:gosec // the operator of a Vault says where its cluster is
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+token)
	if config.reviewer != "" {
		req.Header.Set("Authorization", "Bearer "+config.reviewer)
	}
	resp, err := config.client().Do(req) //nolint:gosec // the same
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode >= http.StatusBadRequest {
		return fmt.Errorf("the cluster answered %s", resp.Status)
	}
	if err := json.NewDecoder(resp.Body).Decode(&review); err != nil {
		return err
	}
	user := fmt.Sprintf("system:serviceaccount:%s:%s", account.Kubernetes.Namespace, account.Kubernetes.ServiceAccount.Name)
	agreed := slices.ContainsFunc(audiences, func(a string) bool { return slices.Contains(review.Status.Audiences, a) })
	if !review.Status.Authenticated || review.Status.User.Username != user || (len(audiences) > 0 && !agreed) {
		return errors.New("the cluster does not know this token")
	}
	return nil
}

// client makes a client that trusts the cluster's certificate authority.
func (c *kubernetesConfig) client() *http.Client {
	transport := &http.Transport{DisableKeepAlives: true}
	if c.CACert != "" {
		pool := x509.NewCertPool()
		pool.AppendCertsFromPEM([]byte(c.CACert))
		transport.TLSClientConfig = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
	}
	return &http.Client{Transport: transport}
}
