package vault

import (
	"context"
	"fmt"
	"net/http"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/secretctl/secretctl/internal/hint"
	"github.com/secretctl/secretctl/internal/store"
)

// roleStep lets a ServiceAccount log in with a policy: the pod's, or the rotate job's.
type roleStep struct {
	v       *Store
	auth    *authStep
	name    string
	account string
	policy  string
	minTTL  time.Duration
	wanted  role
	found   bool
	change  store.Change
}

// role is the part of a kubernetes auth role that secretctl reads and writes.
type role struct {
	ServiceAccounts []string `json:"bound_service_account_names"`
	Namespaces      []string `json:"bound_service_account_namespaces"`
	Selector        string   `json:"bound_service_account_namespace_selector"`
	Policies        []string `json:"token_policies"`
	TTL             int64    `json:"token_ttl"` // in seconds
	Audience        string   `json:"audience"`
}

// admits reports whether a pod may log in. Only the cluster knows which namespaces a
// selector admits, so a role with one admits every namespace here.
func (is role) admits(account, namespace string) bool {
	return matches(is.ServiceAccounts, account) && (is.Selector != "" || matches(is.Namespaces, namespace))
}

// admitsOnly reports whether a role is bound to this ServiceAccount and no other.
func (is role) admitsOnly(account, namespace string) bool {
	return is.Selector == "" && sameSet(is.ServiceAccounts, []string{account}) && sameSet(is.Namespaces, []string{namespace})
}

// matches reports whether a name is in a role's list, which may have patterns.
func matches(patterns []string, name string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool {
		matched, err := path.Match(p, name)
		return matched && err == nil
	})
}

func (is role) bound() string {
	text := fmt.Sprintf("is bound to the ServiceAccounts %s in the namespaces %s", quoted(is.ServiceAccounts), quoted(is.Namespaces))
	if is.Selector != "" {
		text += " and those that its selector finds"
	}
	return text
}

// difference names the fields that are not as wanted.
func (is role) difference(wanted role) string {
	var fields []string
	compare := func(name string, equal bool, before, after any) {
		if !equal {
			fields = append(fields, fmt.Sprintf("%s from %v to %v", name, before, after))
		}
	}
	compare("bound_service_account_names", sameSet(is.ServiceAccounts, wanted.ServiceAccounts), is.ServiceAccounts, wanted.ServiceAccounts)
	compare("bound_service_account_namespaces", sameSet(is.Namespaces, wanted.Namespaces), is.Namespaces, wanted.Namespaces)
	compare("token_policies", sameSet(is.Policies, wanted.Policies), is.Policies, wanted.Policies)
	compare("token_ttl", is.TTL == wanted.TTL, time.Duration(is.TTL)*time.Second, time.Duration(wanted.TTL)*time.Second)
	compare("audience", is.Audience == wanted.Audience, quoted([]string{is.Audience}), quoted([]string{wanted.Audience}))
	return strings.Join(fields, ", ")
}

func sameSet(a, b []string) bool {
	return slices.Equal(slices.Compact(slices.Sorted(slices.Values(a))), slices.Compact(slices.Sorted(slices.Values(b))))
}

func (s *roleStep) path() string { return s.auth.path() + "/role/" + s.name }

func (s *roleStep) object() string { return fmt.Sprintf("role %q", s.name) }

func (s *roleStep) diff(ctx context.Context) ([]store.Change, error) {
	s.change = store.Change{Phase: phaseRole, Object: s.path(), Action: store.Unchanged}
	ttl, err := time.ParseDuration(s.v.d.Vault.TokenTTL)
	if err != nil {
		return nil, fmt.Errorf("vault: %s: vault.tokenTTL: %w", s.object(), err)
	}
	s.wanted = role{
		ServiceAccounts: []string{s.account}, Namespaces: []string{s.v.d.Namespace}, Policies: []string{s.policy},
		TTL: int64(max(ttl, s.minTTL) / time.Second), Audience: s.v.d.Vault.Audience,
	}
	var is role
	s.found = false
	if !s.auth.absent { // else the auth step is about to create the auth method
		s.found, err = s.v.get(ctx, s.path(), &is)
		switch {
		case isStatus(err, http.StatusNotFound):
			err := fmt.Errorf("vault: %s: no auth method at %s%s", s.object(), s.auth.path(), s.v.inNamespace())
			return nil, hint.Wrap(err, "run the phase %s too, which enables it", phaseAuth)
		case err != nil:
			return nil, s.v.fail(ctx, access{s.object(), s.path(), []string{"read"}}, err)
		}
	}
	if s.found {
		err = s.compare(is)
	} else {
		s.change.Action, s.change.Detail = store.Create, fmt.Sprintf("for ServiceAccount %s/%s", s.v.d.Namespace, s.account)
	}
	return []store.Change{s.change}, err
}

// compare completes the change of an existing role. A role that admits the pod and has
// the policy is left alone, whoever else it admits. A role that would have to lose
// somebody's account, namespace or policy is refused.
func (s *roleStep) compare(is role) error {
	hasPolicy := slices.Contains(is.Policies, s.policy)
	own := is.admitsOnly(s.account, s.v.d.Namespace)
	switch {
	case own && hasPolicy: // somebody meant the other policies for the pod
		s.wanted.Policies = is.Policies
	case own:
		s.wanted.Policies = append(slices.Clone(is.Policies), s.policy)
	case hasPolicy && is.admits(s.account, s.v.d.Namespace): // even with --adopt, nobody loses a role that works
		s.change.Detail = "admits the pod; " + is.bound()
		s.warnOfAudience(is)
		return nil
	}
	if own {
		s.keep(is)
	}
	difference := is.difference(s.wanted)
	if difference == "" {
		return nil
	}
	if !own && !s.v.o.Adopt {
		s.change.Refused = s.v.refuseOther(s.object(), is.bound()+", and cannot admit the pod without losing them", "vault.role")
		if !s.v.o.Compare {
			return s.change.Refused
		}
	}
	s.change.Action, s.change.Detail = store.Update, difference
	return nil
}

// keep leaves in the delivery's role what the config does not say: somebody may have set it
// on purpose, and with another audience the pods could not log in any more.
func (s *roleStep) keep(is role) {
	if s.v.d.Defaulted("vault.tokenTTL") && (is.TTL == 0 || is.TTL >= int64(s.minTTL/time.Second)) {
		s.wanted.TTL = is.TTL
	}
	if s.wanted.Audience == "" {
		s.warnOfAudience(is)
		s.wanted.Audience = is.Audience
	}
}

func (s *roleStep) warnOfAudience(is role) {
	if is.Audience != "" && is.Audience != s.wanted.Audience {
		s.change.Warning = fmt.Sprintf("requires a token for the audience %q: set vault.audience to that", is.Audience)
	}
}

func (s *roleStep) apply(ctx context.Context) ([]store.Change, error) {
	body := map[string]any{
		"bound_service_account_names": s.wanted.ServiceAccounts, "bound_service_account_namespaces": s.wanted.Namespaces,
		"token_policies": s.wanted.Policies, "token_ttl": s.wanted.TTL, "audience": s.wanted.Audience,
	}
	needs := "create"
	if s.found {
		needs = "update"
		body["bound_service_account_namespace_selector"] = ""
	}
	if _, err := s.v.put(ctx, s.path(), body); err != nil {
		return nil, s.v.fail(ctx, access{s.object(), s.path(), []string{needs}}, err)
	}
	return []store.Change{s.change}, nil
}
