package vault

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/vault/api"

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
	least   time.Duration // that a login has to last
	body    map[string]any
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

// admits says whether the pod with a token for these audiences may log in. Whom a
// selector of namespaces admits the cluster alone knows: it counts as admitting.
func (is role) admits(account, namespace string) bool {
	return admits(is.ServiceAccounts, account) && (is.Selector != "" || admits(is.Namespaces, namespace))
}

// ownedBy says whether a role is bound to a pod's ServiceAccount and to no other.
func (is role) ownedBy(account, namespace string) bool {
	return is.Selector == "" && sameSet(is.ServiceAccounts, []string{account}) && sameSet(is.Namespaces, []string{namespace})
}

// bound says to whom a role is bound.
func (is role) bound() string {
	text := fmt.Sprintf("is bound to the ServiceAccounts %s in the namespaces %s", quoted(is.ServiceAccounts), quoted(is.Namespaces))
	if is.Selector != "" {
		text += " and those that its selector finds"
	}
	return text
}

func (s *roleStep) part() store.Part { return store.Part{Diff: s.diff, Apply: s.apply} }

func (s *roleStep) path() string { return s.auth.path() + "/role/" + s.name }

func (s *roleStep) access(needs ...string) access {
	return access{object: fmt.Sprintf("role %q", s.name), path: s.path(), needs: needs}
}

func (s *roleStep) wanted() (role, error) {
	ttl, err := time.ParseDuration(s.v.d.Vault.TokenTTL)
	if err != nil {
		return role{}, fmt.Errorf("vault: %s: vault.tokenTTL: %w", s.access().object, err)
	}
	return role{
		ServiceAccounts: []string{s.account},
		Namespaces:      []string{s.v.d.Namespace},
		Policies:        []string{s.policy},
		TTL:             int64(max(ttl, s.least) / time.Second),
		Audience:        s.v.d.Vault.Audience,
	}, nil
}

func (s *roleStep) diff(ctx context.Context) ([]store.Change, error) {
	s.change = store.Change{Phase: phaseRole, Object: s.path(), Action: store.Unchanged}
	wanted, err := s.wanted()
	if err != nil {
		return nil, err
	}
	var is role
	found := false
	if !s.auth.absent { // else the auth step is about to make the mount
		if found, err = s.v.get(ctx, s.path(), &is); err != nil {
			return nil, s.readFailed(ctx, err)
		}
	}
	if !found {
		s.change.Action = store.Create
		s.change.Detail = fmt.Sprintf("for ServiceAccount %s/%s", s.v.d.Namespace, s.account)
	} else if err := s.compare(is, &wanted); err != nil {
		return nil, err
	}
	s.body = map[string]any{
		"bound_service_account_names": wanted.ServiceAccounts, "bound_service_account_namespaces": wanted.Namespaces,
		"token_policies": wanted.Policies, "token_ttl": wanted.TTL, "audience": wanted.Audience,
	}
	if found && is.Selector != "" {
		s.body["bound_service_account_namespace_selector"] = ""
	}
	return []store.Change{s.change}, nil
}

// compare says what is to happen to a role that exists. One that admits the pod and
// gives it the policy is left alone, whomever else it admits; one that would have to
// lose somebody's account, namespace or policy is refused.
func (s *roleStep) compare(is role, wanted *role) error {
	account, namespace := s.account, s.v.d.Namespace
	own := is.ownedBy(account, namespace)
	works := is.admits(account, namespace) && slices.Contains(is.Policies, s.policy)
	if own { // other policies were given to the pod by somebody who meant it
		wanted.Policies = is.Policies
		if !slices.Contains(is.Policies, s.policy) {
			wanted.Policies = append(slices.Clone(is.Policies), s.policy)
		}
	} else if works { // --adopt may be meant for something else: nobody loses a role that works
		s.change.Detail = "admits the pod; " + is.bound()
		if is.Audience != "" && is.Audience != wanted.Audience {
			s.change.Warning = fmt.Sprintf("wants a token for the audience %q: set vault.audience to that", is.Audience)
		}
		return nil
	}
	difference := is.difference(*wanted)
	if difference == "" {
		return nil
	}
	if !own && !s.v.o.Adopt {
		s.change.Refused = refuseOther(s.access().object, is.bound()+", and cannot admit the pod without losing them", "vault.role", s.v.ownName())
		if !s.v.o.Compare {
			return s.change.Refused
		}
	}
	s.change.Action, s.change.Detail = store.Update, difference
	return nil
}

func (s *roleStep) readFailed(ctx context.Context, err error) error {
	refused, ok := errors.AsType[*api.ResponseError](err)
	if ok && refused.StatusCode == http.StatusNotFound && !refused.RawError { // with a message: there is no such mount
		err := fmt.Errorf("vault: %s: there is no auth method at %s%s", s.access().object, s.auth.path(), s.v.inNamespace())
		return hint.Wrap(err, "run the phase %s too, which enables it", phaseAuth)
	}
	return s.v.fail(ctx, s.access("read"), err)
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
	compare("token_ttl", is.TTL == wanted.TTL, seconds(is.TTL), seconds(wanted.TTL))
	compare("audience", is.Audience == wanted.Audience, quoted([]string{is.Audience}), quoted([]string{wanted.Audience}))
	return strings.Join(fields, ", ")
}

func seconds(n int64) time.Duration { return time.Duration(n) * time.Second }

func sameSet(a, b []string) bool {
	return slices.Equal(slices.Compact(slices.Sorted(slices.Values(a))), slices.Compact(slices.Sorted(slices.Values(b))))
}

func (s *roleStep) apply(ctx context.Context) ([]store.Change, error) {
	if _, err := s.v.put(ctx, s.path(), s.body); err != nil {
		needs := "update"
		if s.change.Action == store.Create {
			needs = "create"
		}
		return nil, s.v.fail(ctx, s.access(needs), err)
	}
	return []store.Change{s.change}, nil
}
