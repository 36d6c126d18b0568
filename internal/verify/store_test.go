package verify

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"testing"
	"time"

	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/hint"
	"github.com/secretctl/secretctl/internal/secret"
	"github.com/secretctl/secretctl/internal/store"
)

// session is a pod's login to the store of the fixture.
type session struct {
	s      *fixture
	denied []string // names of secrets
	endErr error
	// How it differs from the pod's, see [store.Differing].
	differs, fix string
}

func (x *session) Difference() (what, next string) { return x.differs, x.fix }

func (x *session) Get(ctx context.Context, wanted config.Secret) (secret.Value, string, error) {
	if slices.Contains(x.denied, wanted.Name) {
		return secret.Value{}, "", hint.Wrap(fmt.Errorf("policy lacks it: %w", fs.ErrPermission), "provision")
	}
	return x.s.stored(ctx, wanted)
}

func (x *session) End(context.Context) error {
	x.s.ended++
	return x.endErr
}

// login is a fixture with a cluster, whose pod gets a session or an error.
func login(session *session, err error) func(*testing.T, *fixture) {
	return func(t *testing.T, s *fixture) {
		with()(t, s)
		s.w.LogIn = func(_ context.Context, jwt secret.Value) (store.Session, error) {
			if !jwt.Equal(value("canary-token")) {
				t.Error("not the pod's token")
			}
			if err != nil {
				return nil, err
			}
			session.s = s
			return session, nil
		}
	}
}

// tokenAnswer sets what the API server answers to a TokenRequest.
func tokenAnswer(answer string) func(*testing.T, *fixture) {
	return func(t *testing.T, s *fixture) {
		login(&session{}, nil)(t, s)
		with(tokenPath, answer)(t, s)
	}
}

func then(steps ...func(*testing.T, *fixture)) func(*testing.T, *fixture) {
	return func(t *testing.T, s *fixture) {
		for _, step := range steps {
			step(t, s)
		}
	}
}

func storedErr(err error) func(*testing.T, *fixture) {
	return func(_ *testing.T, s *fixture) {
		s.w.Stored = func(context.Context, config.Secret) (secret.Value, string, error) { return secret.Value{}, "", err }
	}
}

func newest(err error, ids ...string) func(*testing.T, *fixture) {
	return func(_ *testing.T, s *fixture) {
		s.w.Newest = func(context.Context, config.Secret) ([]string, error) { return ids, err }
	}
}

func granted(what string, err error) func(*testing.T, *fixture) {
	return func(_ *testing.T, s *fixture) {
		s.w.Granted = func(context.Context) (string, error) { return what, err }
	}
}

func more(names ...string) func(*testing.T, *fixture) {
	return func(_ *testing.T, s *fixture) {
		for _, name := range names {
			s.d.Secrets = append(s.d.Secrets, config.Secret{Name: name, Scope: []string{"Client"}})
			s.store[name] = canary
		}
	}
}

func storeRows() []row {
	const pod = "store/pod-can-read serviceaccount/aidbox"
	return []row{
		{"answers", nil, "store/reachable", StatusPass, "Vault 1.21.0 responds"},
		{"does not answer", func(_ *testing.T, s *fixture) {
			s.w.Reach = func(context.Context) (string, error) { return "", errUnreachable }
		}, "store/reachable", StatusUnknown, "refused"},
		{"is another one", func(_ *testing.T, s *fixture) {
			s.w.Reach = func(context.Context) (string, error) {
				return "", hint.Wrap(fmt.Errorf("is in another tenant: %w", fs.ErrInvalid), "tenantID")
			}
		}, "store/reachable", StatusFail, "is in another tenant: invalid argument | tenantID"},
		{"in two lines", func(_ *testing.T, s *fixture) {
			s.w.Reach = func(context.Context) (string, error) { return "Vault\n1", nil }
		}, "store/reachable", StatusPass, "Vault 1"},

		{"stored", nil, "store/secret-present client-secret", StatusPass, "version 3"},
		{"expired", func(_ *testing.T, s *fixture) { s.w.ValidUntil = time.Unix(0, 0) }, "store/secret-present client-secret", StatusWarn, "it expired on 1970-01-01, but is still mounted | secretctl rotate client-secret"},
		{"not valid yet", func(_ *testing.T, s *fixture) { s.w.ValidFrom = time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC) }, "store/secret-present client-secret", StatusWarn, "it is not valid before 9999-01-01"},
		{"absent", func(_ *testing.T, s *fixture) { delete(s.store, "client-secret") }, "store/secret-present client-secret", StatusFail, "not exist"},
		{"empty", func(_ *testing.T, s *fixture) { s.store["client-secret"] = "" }, "store/secret-present client-secret", StatusFail, "empty"},
		{"with a line break", func(_ *testing.T, s *fixture) { s.store["client-secret"] = canary + "\n" }, "store/secret-present client-secret", StatusWarn, "line break"},
		{"with a byte order mark", func(_ *testing.T, s *fixture) { s.store["client-secret"] = "\uFEFF" + canary }, "store/secret-present client-secret", StatusWarn, "the stored value begins with a byte order mark (version 3)"},
		{"not what is decoded", func(_ *testing.T, s *fixture) { s.d.Secrets[0].Encoding = config.EncodingHex }, "store/secret-present client-secret", StatusFail, "is not hex"},
		{"a certificate", func(_ *testing.T, s *fixture) {
			s.w.Stored = func(context.Context, config.Secret) (secret.Value, string, error) {
				return secret.Value{}, "7", fmt.Errorf("key vault: %w", store.ErrPEM)
			}
		}, "store/secret-present client-secret", StatusPass, "stored, version 7; it is a certificate or key"},
		{"a key", storedErr(fmt.Errorf("key vault: %w", store.ErrPEM)), "store/secret-present client-secret", StatusSkip, "key vault: is a certificate or key, which the CSI provider writes as PEM, and is not read"},
		{"certificate, as the pod", then(login(&session{}, nil), storedErr(store.ErrPEM)), "store/pod-can-read serviceaccount/aidbox", StatusPass, "reads 1 secret"},
		{"denied", func(_ *testing.T, s *fixture) {
			s.w.Stored = func(context.Context, config.Secret) (secret.Value, string, error) {
				return secret.Value{}, "", errUnreachable
			}
		}, "store/secret-present client-secret", StatusUnknown, "refused"},
		{"disabled", storedErr(fs.ErrInvalid), "store/secret-present client-secret", StatusFail, "invalid"},
		{"not to be read, but there", then(storedErr(fs.ErrPermission), newest(nil, "7")), "store/secret-present client-secret", StatusPass, "version 7; secretctl may not read its value"},
		{"not to be read, and not there", then(storedErr(fs.ErrPermission), newest(fs.ErrNotExist)), "store/secret-present client-secret", StatusFail, "not exist"},
		{"not to be seen", then(storedErr(fs.ErrPermission), newest(errUnreachable)), "store/secret-present client-secret", StatusUnknown, "permission denied"},
		{"no token", func(_ *testing.T, s *fixture) { s.w.Stored = nil }, "store/secret-present client-secret", StatusUnknown, "no token"},
		{"no answer", func(_ *testing.T, s *fixture) {
			s.w.Reach = func(context.Context) (string, error) { return "", errUnreachable }
		}, "store/secret-present client-secret", StatusSkip, "store/reachable"},

		{"reads", login(&session{}, nil), pod, StatusPass, "role aidbox and reads 1 secret"},
		{"login refused", login(nil, hint.Wrap(fmt.Errorf("role: %w", fs.ErrPermission), "provision")), pod, StatusFail, "role: permission denied | provision"},
		{"login without an answer", login(nil, errUnreachable), pod, StatusUnknown, "refused"},
		{"read refused", login(&session{denied: []string{"client-secret"}}, nil), pod, StatusFail, "policy lacks it"},
		{"several refused", then(more("a", "b"), login(&session{denied: []string{"client-secret", "b"}}, nil)), pod, StatusFail, "it cannot read client-secret, b"},
		{"absent", then(login(&session{}, nil), func(_ *testing.T, s *fixture) { delete(s.store, "client-secret") }), pod, StatusFail, "not exist"},
		{"not given back", login(&session{endErr: errUnreachable}, nil), pod, StatusWarn, "could not be revoked"},
		{"no ServiceAccount", tokenAnswer(notFound), pod, StatusUnknown, "default/aidbox does not exist"},
		{"TokenRequest forbidden", tokenAnswer(denial), pod, StatusUnknown, `"create" on "serviceaccounts/token"`},
		{"no cluster", nil, pod, StatusSkip, "cluster/api"},
		{"the nodes' login, with the role", granted("role is assigned", nil), pod, StatusUnknown, "only the pod's node can log in, so the login was not tried; role is assigned"},
		{"the nodes' login, beside the mount", then(granted("", nil), func(_ *testing.T, s *fixture) { s.o.Selected = []string{"store", "mount"} }), pod, StatusSkip, "the mount checks show whether it works"},
		{"the nodes' login, without the role", granted("", errors.New("role is not assigned")), pod, StatusUnknown, "was not tried; role is not assigned"},
	}
}

func aidboxRows() []row {
	version := func(v string, err error) func(*testing.T, *fixture) {
		return func(_ *testing.T, s *fixture) {
			s.w.Version = func(context.Context) (string, error) { return v, err }
		}
	}
	dialect := func(format string) func(*testing.T, *fixture) {
		return func(_ *testing.T, s *fixture) { s.d.Aidbox.ScopeFormat = format }
	}
	return []row{
		{"well", nil, "aidbox/reachable", StatusPass, "is healthy"},
		{"away", func(_ *testing.T, s *fixture) { s.w.Health = func(context.Context) error { return errUnreachable } }, "aidbox/reachable", StatusUnknown, "refused"},

		{"new enough", version("2602", nil), "aidbox/version", StatusPass, "2602"},
		{"a patch", version("2603.1", nil), "aidbox/version", StatusPass, "2603.1"},
		{"too old", version("2512", nil), "aidbox/version", StatusFail, "this needs 2602 or later"},
		{"not a number", version("edge", nil), "aidbox/version", StatusWarn, "edge"},
		{"the dialect of that time", then(version("2602.3", nil), dialect("references")), "aidbox/scope-format", StatusPass, "2602.3 reads aidbox.scopeFormat references"},
		{"the dialect of today", then(version("2605", nil), dialect("object")), "aidbox/scope-format", StatusPass, "2605 reads"},
		{"an old dialect", then(version("2605.1", nil), dialect("references")), "aidbox/scope-format", StatusWarn, "is documented to read object | set aidbox.scopeFormat: object"},
		{"a new dialect", then(version("2602", nil), dialect("object")), "aidbox/scope-format", StatusWarn, "is documented to read references | set aidbox.scopeFormat: references"},
		{"a build without a number", then(version("edge", nil), dialect("object")), "aidbox/scope-format", StatusWarn, "cannot tell whether Aidbox edge"},
		{"no answer the second time", func(_ *testing.T, s *fixture) {
			asked := false
			s.w.Version = func(context.Context) (string, error) {
				if asked {
					return "", errUnreachable
				}
				asked = true
				return "2605", nil
			}
		}, "aidbox/scope-format", StatusUnknown, "refused"},
		{"too old for any dialect", then(version("2512", nil), dialect("object")), "aidbox/scope-format", StatusSkip, "aidbox/version"},
		{"no answer", version("", errUnreachable), "aidbox/version", StatusUnknown, "refused"},
		{"no administrator", func(_ *testing.T, s *fixture) { s.w.Version = nil }, "aidbox/version", StatusSkip, "aidbox.admin"},
		{"no administrator's secret", func(_ *testing.T, s *fixture) { s.w.Version, s.w.NoAdmin = nil, errors.New("X is not set") }, "aidbox/version", StatusUnknown, "X is not set"},
	}
}

func prerequisiteRows() []row {
	return slices.Concat(clusterRows(), storeRows(), fromNodeRows(), aidboxRows())
}

func TestEveryLoginIsEnded(t *testing.T) {
	for name, x := range map[string]*session{"reads": {}, "is refused": {denied: []string{"client-secret"}}} {
		t.Run(name, func(t *testing.T) {
			s := newFixture(t)
			s.o.Selected = []string{"store"}
			login(x, nil)(t, s)
			if _, _, err := s.run(t.Context()); err != nil || s.ended != 1 {
				t.Errorf("ended %d times, %v", s.ended, err)
			}
		})
	}
}
