package verify

import (
	"context"
	"errors"
	"io/fs"
	"strings"
	"testing"

	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/secret"
)

type statusError int

func (e statusError) Error() string   { return "aidbox: no" }
func (e statusError) StatusCode() int { return int(e) }

func scopeRows() []row {
	const refused = "scope/out-of-scope-refused client-secret"
	applying := func(err error) func(*testing.T, *fixture) {
		return func(_ *testing.T, s *fixture) {
			s.w.ApplyResource = func(context.Context, config.Resource) error { return err }
		}
	}
	deleting := func(err error) func(*testing.T, *fixture) {
		return func(_ *testing.T, s *fixture) {
			s.w.DeleteResource = func(_ context.Context, _, id string) error {
				delete(s.clients, id)
				return err
			}
		}
	}
	outsider := func(status int) func(*testing.T, *fixture) {
		return probing(func(s *fixture, id string, v secret.Value) (int, string, error) {
			if id == "basic" {
				return s.status(id, v), "", nil
			}
			return status, "", nil
		})
	}
	return []row{
		{"refused", nil, refused, StatusPass, "answered 401 to a Client outside the scope, with the value from the store, version 3, while Client/basic is accepted"},
		{"accepted", outsider(200), refused, StatusFail, "a Client outside the scope is ACCEPTED"},
		{"accepted, no policy", outsider(403), refused, StatusFail, "a Client outside the scope is ACCEPTED"},
		{"an error", outsider(500), refused, StatusUnknown, "answered 500"},
		{"wrong path", outsider(404), refused, StatusUnknown, "answered 404"},
		{"not created, 400", applying(statusError(400)), refused, StatusPass, "refuses to create such a Client"},
		{"not created, 422", applying(statusError(422)), refused, StatusPass, "refuses to create such a Client"},
		{"administrator refused, 401", applying(statusError(401)), refused, StatusUnknown, "aidbox: no"},
		{"administrator refused, 403", applying(statusError(403)), refused, StatusUnknown, "aidbox: no"},
		{"not created, 500", applying(statusError(500)), refused, StatusUnknown, "aidbox: no"},
		{"not created, no answer", applying(errUnreachable), refused, StatusUnknown, "connection refused"},
		{"already deleted", deleting(fs.ErrNotExist), refused, StatusPass, "answered 401"},
		{"not deleted", deleting(errUnreachable), refused, StatusWarn, "could not be deleted: connection refused | delete Client/secretctl-scope-"},
		{"accepted and not deleted", func(t *testing.T, s *fixture) {
			outsider(200)(t, s)
			deleting(errUnreachable)(t, s)
		}, refused, StatusFail, "could not be deleted"},
		{"deleted by another run meanwhile", func(_ *testing.T, s *fixture) {
			known := s.w.References
			s.w.References = func(ctx context.Context, r config.Resource) (map[string]string, []string, error) {
				if r.ID == s.d.ScopeClientID() {
					return nil, nil, fs.ErrNotExist
				}
				return known(ctx, r)
			}
		}, refused, StatusUnknown, "did not stay while it was tried"},
		{"every Client in scope", func(_ *testing.T, s *fixture) { s.d.Secrets[0].Scope = []string{"Client"} }, refused, StatusSkip, "every Client"},
		{"no administrator", func(_ *testing.T, s *fixture) { s.w.ApplyResource = nil }, refused, StatusSkip, "aidbox.admin"},
		{"value not accepted in scope", func(_ *testing.T, s *fixture) { s.valid = "other" }, refused, StatusSkip, "skipped: auth/accepts-secret Client/basic failed"},
		{"no Client in scope", func(_ *testing.T, s *fixture) { s.d.Resources = nil }, refused, StatusWarn, "no Client in scope shows"},
		{"no Client in scope, no value", func(t *testing.T, s *fixture) {
			noValue(t, s)
			s.d.Resources = nil
		}, refused, StatusUnknown, "a value to try"},
	}
}

func TestThrowAwayClientRefersToTheSecret(t *testing.T) {
	s := newFixture(t)
	var made []config.Resource
	s.w.ApplyResource = func(_ context.Context, r config.Resource) error {
		made = append(made, r)
		return nil
	}
	for range 2 {
		_, _, err := s.run(t.Context())
		must(t, err)
	}
	if len(made) != 2 || made[0].ID != made[1].ID {
		t.Fatalf("made %v", made)
	}
	r := made[0]
	if r.ID != "secretctl-scope-default-aidbox" || r.Type != "Client" || r.Secrets["secret"] != "client-secret" || !(client{Resource: r}).grants(grantBasic) {
		t.Errorf("made %+v", r)
	}
}

func TestThrowAwayClientIsDeletedAfterAnInterruption(t *testing.T) {
	s := newFixture(t)
	ctx, cancel := context.WithCancel(t.Context())
	s.o.Selected = []string{"scope"}
	s.w.Probe = func(ctx context.Context, _, id string, v secret.Value) (int, string, error) {
		if id != "basic" {
			cancel()
			return 0, "", ctx.Err()
		}
		return s.status(id, v), "", nil
	}
	deleted := false
	s.w.DeleteResource = func(ctx context.Context, _, _ string) error {
		deleted = true
		return ctx.Err()
	}
	results, _, err := s.run(ctx)
	if !errors.Is(err, context.Canceled) || !deleted {
		t.Errorf("deleted: %v, error: %v", deleted, err)
	}
	if got := results["scope/out-of-scope-refused client-secret"]; got.Status != StatusUnknown || !strings.HasPrefix(got.Detail, "interrupted: ") || strings.Contains(got.Detail, "deleted") {
		t.Errorf("got %+v", got)
	}
}
