package vault

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"net/http"

	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/hint"
	"github.com/secretctl/secretctl/internal/store"
)

// authStep enables kubernetes auth, and tells it where the cluster is.
type authStep struct {
	v      *Store
	absent bool           // the auth method does not exist
	config map[string]any // of the auth method; nil for none
	plan   []store.Change // of the auth method, and of its config
}

func (s *authStep) path() string { return "auth/" + s.v.d.Vault.AuthMount }

// fail is [Store.fail] for a request about the auth method.
func (s *authStep) fail(ctx context.Context, path string, err error, needs ...string) error {
	return s.v.fail(ctx, access{object: s.path(), path: path, needs: needs}, err)
}

// host is where Vault has the cluster review tokens.
func (s *authStep) host() string {
	return cmp.Or(s.v.d.Vault.KubernetesHost, config.DefaultKubernetesHost)
}

func (s *authStep) diff(ctx context.Context) ([]store.Change, error) {
	method := store.Change{Phase: phaseAuth, Object: s.path(), Action: store.Unchanged}
	settings := store.Change{Phase: phaseAuth, Object: s.path() + "/config", Action: store.Unchanged, Detail: s.host()}
	var methods map[string]mount
	if _, err := s.v.get(ctx, "sys/auth", &methods); err != nil {
		return nil, s.fail(ctx, "sys/auth", err, "read")
	}
	is, enabled := methods[s.v.d.Vault.AuthMount+"/"]
	s.absent, s.config = !enabled, nil
	switch {
	case !enabled:
		method.Action, method.Detail = store.Create, "kubernetes auth"
	case is.Type != "kubernetes":
		return nil, hint.Wrap(fmt.Errorf("vault: %s: is of type %s, not kubernetes", s.path(), is.Type), "set vault.authMount to another name")
	default:
		if _, err := s.v.get(ctx, settings.Object, &s.config); err != nil {
			return nil, s.fail(ctx, settings.Object, err, "read")
		}
	}
	before, _ := s.config["kubernetes_host"].(string)
	switch {
	case s.config == nil:
		settings.Action = store.Create
	case before != s.host() && s.v.d.Vault.KubernetesHost == "": // others may depend on it
		settings.Detail = before + "; vault.kubernetesHost is not set, so it stays"
	case before != s.host():
		settings.Action, settings.Detail = store.Update, fmt.Sprintf("kubernetes_host from %s to %s", before, s.host())
		if err := s.keepsReviewer(before); err != nil {
			return nil, err
		}
	}
	s.plan = []store.Change{method, settings}
	return s.plan, nil
}

// keepsReviewer refuses to change a config with a token for reviews: Vault replaces a
// config as a whole, and does not show that token.
func (s *authStep) keepsReviewer(host string) error {
	if isSet, known := s.config["token_reviewer_jwt_set"].(bool); known && !isSet {
		return nil
	}
	err := fmt.Errorf("vault: %s/config: kubernetes_host is %s, and a change would lose its token_reviewer_jwt", s.path(), host)
	return hint.Wrap(err, "%s", s.v.shellf("set vault.kubernetesHost to that, or run: vault write %s/config kubernetes_host=%s token_reviewer_jwt=...", s.path(), s.v.d.Vault.KubernetesHost))
}

func (s *authStep) apply(ctx context.Context) ([]store.Change, error) {
	if s.absent {
		path := "sys/" + s.path()
		_, err := s.v.put(ctx, path, map[string]any{"type": "kubernetes"})
		if isStatus(err, http.StatusBadRequest) { // another run may have enabled it since
			if _, err := s.diff(ctx); err != nil {
				return nil, err
			}
		}
		if err != nil && s.absent {
			return nil, s.fail(ctx, path, err, "update", "sudo")
		}
		s.absent = false
	}
	method, settings := s.plan[0], s.plan[1]
	if settings.Pending() {
		var err error
		if settings.Warning, err = s.writeConfig(ctx, settings.Object); err != nil {
			return []store.Change{method}, err
		}
	}
	return []store.Change{method, settings}, nil
}

// writeConfig sets kubernetes_host and keeps the rest.
func (s *authStep) writeConfig(ctx context.Context, path string) (warning string, err error) {
	body := map[string]any{}
	maps.Copy(body, s.config)
	delete(body, "token_reviewer_jwt_set")
	body["kubernetes_host"] = s.host()
	_, err = s.v.put(ctx, path, body)
	// Outside of Kubernetes, Vault cannot read the cluster's CA from the files of its
	// own pod, and refuses.
	if s.config == nil && isStatus(err, http.StatusBadRequest) {
		body["disable_local_ca_jwt"] = true
		if _, again := s.v.put(ctx, path, body); again == nil {
			return s.v.shellf("Vault seems to run outside of Kubernetes and does not know the cluster's CA: set it with "+
				"vault write %s kubernetes_host=%s kubernetes_ca_cert=@ca.crt", path, s.host()), nil
		}
	}
	if err != nil {
		return "", s.fail(ctx, path, err, "update")
	}
	return "", nil
}
