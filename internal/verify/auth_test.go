package verify

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/hint"
	"github.com/secretctl/secretctl/internal/secret"
	"github.com/secretctl/secretctl/test/testenv"
)

// probing replaces the answer to a Basic request.
func probing(f func(s *fixture, id string, v secret.Value) (int, string, error)) func(*testing.T, *fixture) {
	return func(_ *testing.T, s *fixture) {
		s.w.Probe = func(_ context.Context, _, id string, v secret.Value) (int, string, error) { return f(s, id, v) }
	}
}

// always answers any value with a status.
func always(status int, detail string) func(*testing.T, *fixture) {
	return probing(func(*fixture, string, secret.Value) (int, string, error) { return status, detail, nil })
}

func unreachable(_ *testing.T, s *fixture) {
	err := hint.Wrap(errors.New("aidbox: connection refused"), "is it running?")
	s.w.Probe = func(context.Context, string, string, secret.Value) (int, string, error) { return 0, "", err }
	s.w.Token = func(context.Context, string, secret.Value) (int, string, error) { return 0, "", err }
}

func token(status int, detail string) func(*testing.T, *fixture) {
	return func(_ *testing.T, s *fixture) {
		s.w.Token = func(context.Context, string, secret.Value) (int, string, error) { return status, detail, nil }
	}
}

func grants(types ...any) func(*testing.T, *fixture) {
	return func(_ *testing.T, s *fixture) { s.d.Resources[0].Body["grant_types"] = types }
}

func noValue(t *testing.T, s *fixture) {
	s.w.Stored, s.d.Secrets[0].Value = nil, secret.Source{}
	must(t, os.RemoveAll(s.local.Dir))
}

func authRows() []row {
	const (
		accepts = "auth/accepts-secret Client/basic"
		wrong   = "auth/rejects-wrong Client/basic"
		empty   = "auth/rejects-empty Client/basic"
		gives   = "auth/token Client/basic"
	)
	echo := probing(func(s *fixture, id string, v secret.Value) (int, string, error) {
		return s.status(id, v), "basic " + base64.StdEncoding.EncodeToString(append([]byte(id+":"), v.Reveal()...)), nil
	})
	return []row{
		{"accepted", nil, accepts, StatusPass, "GET /fhir/Patient answered 200, with the value from the store, version 3"},
		{"from the source", func(_ *testing.T, s *fixture) { s.w.Stored = nil }, accepts, StatusPass, "from environment variable CLIENT_SECRET (store not readable"},
		{"from the mount", func(_ *testing.T, s *fixture) { s.w.Stored, s.d.Secrets[0].Value = nil, secret.Source{} }, accepts, StatusPass, "from the mounted file (local; "},
		{"gone from the store", func(_ *testing.T, s *fixture) { clear(s.store) }, accepts, StatusPass, "from the mounted file (local; secret not found in the store"},
		{"no value, empty file", func(t *testing.T, s *fixture) {
			noValue(t, s)
			testenv.Mkdir(t, s.local.Dir)
			write(t, s.file("client-secret"), "")
		}, accepts, StatusUnknown, "a value to try"},
		{"no value", noValue, accepts, StatusUnknown, "a value to try"},
		{"another value", func(_ *testing.T, s *fixture) { s.valid = "other" }, accepts, StatusFail, "answered 401, with the value from the store, version 3"},
		{"no policy", always(403, "forbidden"), accepts, StatusWarn, "accepted, but no AccessPolicy allows GET /fhir/Patient"},
		{"no policy", always(403, ""), accepts, StatusWarn, "accessPolicy: allow at Client/basic"},
		{"the canary, which has no policy", func(t *testing.T, s *fixture) {
			always(403, "")(t, s)
			name := s.d.CanarySecret()
			s.d.Secrets[0].Name, s.d.Resources[0].Secrets["secret"], s.store[name] = name, name, canary
		}, accepts, StatusPass, "answered 403, which proves that the secret is accepted"},
		{"wrong path", always(404, "not found"), accepts, StatusFail, "answered 404 (not found): which says nothing about the secret | set aidbox.probe"},
		{"something else answers", always(200, "answered HTML, not FHIR JSON"), accepts, StatusUnknown, "may have answered"},
		{"busy", always(429, ""), accepts, StatusUnknown, "answered 429"},
		{"down", always(503, "x"), accepts, StatusUnknown, "answered 503 (x)"},
		{"no answer", unreachable, accepts, StatusUnknown, "GET /fhir/Patient got no response: aidbox: connection refused | is it running?"},
		{"echoed", echo, accepts, StatusUnknown, "answered 200 ((message withheld"},
		{"no basic", grants("client_credentials"), accepts, StatusSkip, "grant_types of Client/basic has no basic"},
		{"no grants", func(_ *testing.T, s *fixture) { s.d.Resources[0].Body = nil }, accepts, StatusSkip, "has no basic"},
		{"no Client", func(_ *testing.T, s *fixture) {
			s.w.References = func(context.Context, config.Resource) (map[string]string, []string, error) {
				return nil, nil, fs.ErrNotExist
			}
		}, accepts, StatusSkip, "skipped: client/exists"},
		{"no administrator", func(_ *testing.T, s *fixture) { s.w.References = nil }, accepts, StatusPass, "answered 200"},

		{"refused", nil, wrong, StatusPass, "answered 401 to a random value"},
		{"refused, no value known", noValue, wrong, StatusPass, "answered 401"},
		{"accepted", always(200, ""), wrong, StatusFail, "ACCEPTED a random value"},
		{"accepted, no policy", always(403, ""), wrong, StatusFail, "ACCEPTED a random value"},
		{"something else answers", always(200, "answered HTML, not FHIR JSON"), wrong, StatusUnknown, "may have answered"},
		{"wrong path", always(404, ""), wrong, StatusUnknown, "answered 404"},
		{"no answer", unreachable, wrong, StatusUnknown, "connection refused"},
		{"echoed", echo, wrong, StatusPass, "answered 401 to"},
		{"no basic", grants("client_credentials"), wrong, StatusSkip, "has no basic"},

		{"refused", nil, empty, StatusPass, "answered 401 to an empty secret"},
		{"accepted", always(200, ""), empty, StatusFail, "ACCEPTED an empty secret"},
		{"down", always(500, ""), empty, StatusUnknown, "answered 500"},
		{"no basic", grants("client_credentials"), empty, StatusSkip, "has no basic"},

		{"given", nil, gives, StatusPass, "POST /auth/token answered 200, with the value from the store, version 3"},
		{"refused", token(401, ""), gives, StatusFail, "answered 401"},
		{"invalid client", token(400, "invalid_client"), gives, StatusFail, "answered 400 (invalid_client), with the value"},
		{"forbidden", token(403, ""), gives, StatusFail, "which says nothing about the secret"},
		{"no token in it", token(200, "answered no access_token"), gives, StatusUnknown, "aidbox.url"},
		{"down", token(502, ""), gives, StatusUnknown, "answered 502"},
		{"no answer", unreachable, gives, StatusUnknown, "got no response"},
		{"no client_credentials", grants("basic"), gives, StatusSkip, "has no client_credentials"},
	}
}

func TestOtherValueHasAnyLength(t *testing.T) {
	for _, length := range []int{1, 3, 8, 33, 4096} {
		v := value(strings.Repeat("A", length))
		got, err := otherThan(v, length)
		must(t, err)
		if len(got.Reveal()) != length || got.Equal(v) {
			t.Errorf("length %d gave %d", length, len(got.Reveal()))
		}
	}
}

func TestOnlyClientsWithASecretOfTheDeliveryAreTried(t *testing.T) {
	s := newFixture(t)
	s.d.Resources = []config.Resource{
		{Type: "IdentityProvider", ID: "idp", Secrets: map[string]string{"client.secret": "client-secret"}},
		{Type: "Client", ID: "none", Secrets: map[string]string{}},
	}
	results, _, err := s.run(t.Context())
	must(t, err)
	for key := range results {
		if strings.HasPrefix(key, "auth/") {
			t.Errorf("ran %s", key)
		}
	}
}

func TestStoreIsAskedOnceForASecret(t *testing.T) {
	s := newFixture(t)
	asked := 0
	s.w.Stored = func(ctx context.Context, c config.Secret) (secret.Value, string, error) {
		asked++
		return s.stored(ctx, c)
	}
	s.o.Selected = []string{"mount", "client", "auth", "scope"}
	_, _, err := s.run(t.Context())
	must(t, err)
	if asked != 1 {
		t.Errorf("asked %d times", asked)
	}
}

// Servers that repeat the secret in every text must not get it into a report, whether the
// checks go on or stop.
func TestNoValueComesBackInAMessage(t *testing.T) {
	for name, known := range map[string]bool{"client known": true, "client not known": false} {
		t.Run(name, func(t *testing.T) {
			s := newFixture(t)
			echo, echoNew := fmt.Errorf("denied for %s", canary), fmt.Errorf("denied for %s", rotated)
			s.w.Probe = func(context.Context, string, string, secret.Value) (int, string, error) { return 401, canary, nil }
			s.w.Token = func(context.Context, string, secret.Value) (int, string, error) { return 0, "", echo }
			if !known {
				s.w.References = func(context.Context, config.Resource) (map[string]string, []string, error) { return nil, nil, echo }
			}
			s.d.Secrets = append(s.d.Secrets, config.Secret{Name: "unused", Scope: []string{"Client/x"}})
			s.w.ApplyResource = func(context.Context, config.Resource) error { return echo }
			s.w.DeleteResource = func(context.Context, string, string) error { return echo }
			s.w.Put = func(context.Context, config.Secret, secret.Value) (string, error) { return "", echoNew }
			s.w.Health = func(context.Context) error { return echo }
			s.o.Rotation = &Rotation{Secret: "client-secret", New: value(rotated)}
			write(t, s.local.VaultConfig, `{"secret": {"client-secret": {"path": "`+canary+`", "scope": ["Client/basic"]}}}`)
			_, report, err := s.run(t.Context())
			must(t, err)
			secretless(t, s, report)
		})
	}
}

func TestWrongValueSentHasTheLengthOfTheRightOne(t *testing.T) {
	s := newFixture(t)
	var lengths []int
	probing(func(s *fixture, id string, v secret.Value) (int, string, error) {
		lengths = append(lengths, len(v.Reveal()))
		return s.status(id, v), "", nil
	})(t, s)
	s.o.Selected = []string{"auth"}
	_, _, err := s.run(t.Context())
	must(t, err)
	if want := []int{len(canary), len(canary), 0}; !slices.Equal(lengths, want) {
		t.Errorf("got %v, want %v", lengths, want)
	}
}
