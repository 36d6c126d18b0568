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

// authStep enables kubernetes auth and sets where the cluster is.
type authStep struct {
	v      *Store
	absent bool           // the whole method
	config map[string]any // as it is
	plan   []store.Change
}

func (s *authStep) path() string { return "auth/" + s.v.d.Vault.AuthMount }

func (s *authStep) access(path string, needs ...string) access {
	return access{object: s.path(), path: path, needs: needs}
}

func (s *authStep) diff(ctx context.Context) ([]store.Change, error) {
	host := s.host()
	method := store.Change{Phase: phaseAuth, Object: s.path(), Action: store.Unchanged}
	settings := store.Change{Phase: phaseAuth, Object: s.path() + "/config", Action: store.Unchanged, Detail: host}
	enabled, err := s.enabled(ctx)
	if err != nil {
		return nil, err
	}
	s.absent, s.config = !enabled, nil
	if enabled {
		if _, err := s.v.get(ctx, settings.Object, &s.config); err != nil {
			return nil, s.v.fail(ctx, s.access(settings.Object, "read"), err)
		}
	} else {
		method.Action, method.Detail = store.Create, "kubernetes auth"
	}
	before, _ := s.config["kubernetes_host"].(string)
	switch {
	case s.config == nil:
		settings.Action = store.Create
	case before != host && s.v.d.Vault.KubernetesHost == "": // others may log in by it
		settings.Detail = before + "; vault.kubernetesHost is not set, so it stays"
	case before != host:
		settings.Action, settings.Detail = store.Update, fmt.Sprintf("kubernetes_host from %s to %s", before, host)
		if err := s.keepsReviewer(before); err != nil {
			return nil, err
		}
	}
	s.plan = []store.Change{method, settings}
	return s.plan, nil
}

// host returns what Vault asks to review tokens, where nobody has set anything else.
func (s *authStep) host() string {
	return cmp.Or(s.v.d.Vault.KubernetesHost, config.DefaultKubernetesHost)
}

// enabled says whether there is kubernetes auth at the mount.
func (s *authStep) enabled(ctx context.Context) (bool, error) {
	var methods map[string]mount
	if _, err := s.v.get(ctx, "sys/auth", &methods); err != nil {
		return false, s.v.fail(ctx, s.access("sys/auth", "read"), err)
	}
	method, found := methods[s.v.d.Vault.AuthMount+"/"]
	if found && method.Type != "kubernetes" {
		err := fmt.Errorf("vault: %s: is of type %s, not kubernetes", s.path(), method.Type)
		return false, hint.Wrap(err, "set vault.authMount to another name")
	}
	return found, nil
}

// keepsReviewer refuses a change of a config with a token for reviews: Vault
// replaces the config as a whole, and does not give that token out.
func (s *authStep) keepsReviewer(host string) error {
	if isSet, known := s.config["token_reviewer_jwt_set"].(bool); known && !isSet {
		return nil
	}
	err := fmt.Errorf("vault: %s/config: kubernetes_host is %s, and changing it would lose the token_reviewer_jwt there", s.path(), host)
	return hint.Wrap(err, "set vault.kubernetesHost to that, or run: vault write %s/config kubernetes_host=%s token_reviewer_jwt=...", s.path(), s.v.d.Vault.KubernetesHost)
}

func (s *authStep) apply(ctx context.Context) ([]store.Change, error) {
	if s.absent {
		path := "sys/" + s.path()
		_, err := s.v.put(ctx, path, map[string]any{"type": "kubernetes"})
		if isStatus(err, http.StatusBadRequest) { // has another run enabled it meanwhile?
			if _, err := s.diff(ctx); err != nil {
				return nil, err
			}
		}
		if err != nil && s.absent {
			return nil, s.v.fail(ctx, s.access(path, "update", "sudo"), err)
		}
		s.absent = false
	}
	method, settings := s.plan[0], s.plan[1]
	if settings.Pending() {
		warning, err := s.writeConfig(ctx, settings.Object)
		if err != nil {
			return []store.Change{method}, err
		}
		settings.Warning = warning
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
	// A Vault outside of Kubernetes refuses to take the cluster's CA from the files
	// of its own pod, which it has not.
	if s.config == nil && isStatus(err, http.StatusBadRequest) {
		body["disable_local_ca_jwt"] = true
		if _, again := s.v.put(ctx, path, body); again == nil {
			return fmt.Sprintf("Vault seems to run outside of Kubernetes and does not know the cluster's CA: give it with "+
				"vault write %s kubernetes_host=%s kubernetes_ca_cert=@ca.crt", path, s.host()), nil
		}
	}
	if err != nil {
		return "", s.v.fail(ctx, s.access(path, "update"), err)
	}
	return "", nil
}
