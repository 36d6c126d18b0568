package verify

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/secret"
	"github.com/secretctl/secretctl/test/testenv"
)

// canary is the value of the secret in every test. No output may contain it.
const canary = "canary-7f3a9c5e1b/+?"

// fixture is a delivery and fakes with which every check passes; tests change one thing.
type fixture struct {
	d        *config.Delivery
	w        fakes
	o        Options
	local    Local
	inPods   bool // the mounts are not local
	store    map[string]string
	version  int
	before   string              // the value before the stored one
	valid    string              // what Aidbox accepts
	refs     map[string]string   // what Aidbox has for Client/basic
	clients  map[string]struct{} // throw-away Clients in Aidbox
	progress []string            // the calls of Progress
	ended    int                 // logins of the pod
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	s := &fixture{
		d: &config.Delivery{
			Name: "aidbox", Provider: config.ProviderVault, MountPath: "/run/vault-secrets",
			Namespace: "default", Vault: &config.Vault{Role: "aidbox", TokenTTL: "1h"},
			Aidbox:  config.Aidbox{ServiceAccount: "aidbox", ScopeFormat: config.ScopeReferences, Probe: "/fhir/Patient"},
			Secrets: []config.Secret{{Name: "client-secret", Scope: []string{"Client/basic"}, Value: secret.Source{Env: "CLIENT_SECRET"}}},
			Resources: []config.Resource{{
				Type: "Client", ID: "basic", Secrets: map[string]string{"secret": "client-secret"},
				Body: map[string]any{"grant_types": []any{"client_credentials", "basic"}},
			}},
		},
		o:     Options{Selected: Groups()},
		local: Local{Dir: t.TempDir()},
		store: map[string]string{"client-secret": canary}, version: 3, valid: canary,
		refs:    map[string]string{"secret": "client-secret"},
		clients: map[string]struct{}{},
	}
	s.publish(t, map[string]string{"client-secret": canary}, time.Now().Add(-3*time.Minute))
	s.local.VaultConfig = filepath.Join(t.TempDir(), "vault-config.json")
	write(t, s.local.VaultConfig, string(s.d.VaultConfig()))
	s.o.Progress = func(check string, deadline time.Duration) {
		s.progress = append(s.progress, fmt.Sprint(check, " ", deadline))
	}
	s.w = fakes{
		Before: func() secret.Value { return value(s.before) },
		Reach:  func(context.Context) (string, error) { return "Vault 1.21.0", nil },
		Stored: s.stored, Put: s.put, References: s.references,
		Source: func(context.Context, config.Secret) (secret.Value, error) { return value(canary), nil },
		ApplyResource: func(_ context.Context, r config.Resource) error {
			s.clients[r.ID] = struct{}{}
			return nil
		},
		DeleteResource: func(_ context.Context, _, id string) error {
			delete(s.clients, id)
			return nil
		},
		Probe: func(_ context.Context, _, id string, v secret.Value) (int, string, error) {
			return s.status(id, v), "", nil
		},
		Token: func(_ context.Context, id string, v secret.Value) (int, string, error) {
			return s.status(id, v), "", nil
		},
		Health:  func(context.Context) error { return nil },
		Version: func(context.Context) (string, error) { return "2602", nil },
	}
	return s
}

func (s *fixture) stored(_ context.Context, c config.Secret) (secret.Value, string, error) {
	v, present := s.store[c.Name]
	if !present {
		return secret.Value{}, "", fs.ErrNotExist
	}
	return value(v), fmt.Sprint(s.version), nil
}

func (s *fixture) put(_ context.Context, c config.Secret, v secret.Value) (string, error) {
	s.store[c.Name] = string(v.Reveal())
	s.version++
	return fmt.Sprint(s.version), nil
}

func (s *fixture) references(context.Context, config.Resource) (map[string]string, []string, error) {
	return s.refs, nil, nil
}

func (s *fixture) status(id string, v secret.Value) int {
	if id == "basic" && v.Equal(value(s.valid)) {
		return 200
	}
	return 401
}

// run runs the fixture and returns the results by "ID subject".
func (s *fixture) run(ctx context.Context) (map[string]Result, DeliveryReport, error) {
	if !s.inPods {
		s.w.Local = &s.local
	}
	if r := s.o.Rotation; r != nil {
		r.Again = cmp.Or(r.Again, "secretctl rotate "+r.Secret+" --follow")
		if r.Noted == nil {
			r.Noted = func(string) {}
		}
		if r.Written == nil {
			r.Written = func(string) {}
		}
	}
	report, err := Run(ctx, s.d, s.w.dependencies(s.d), s.o)
	results := map[string]Result{}
	for _, r := range report.Checks {
		results[strings.TrimSpace(r.ID+" "+r.Subject)] = r
	}
	return results, report, err
}

// file returns the real file of a name in the mount.
func (s *fixture) file(name string) string { return filepath.Join(s.local.Dir, name) }

// publish writes files as the CSI driver does: a folder named by the time, a link
// to it, and a link for each file.
func (s *fixture) publish(t *testing.T, files map[string]string, at time.Time) {
	t.Helper()
	folder := at.UTC().Format(publishedName) + ".123456789"
	must(t, os.Chmod(s.local.Dir, 0o755))
	testenv.Mkdir(t, s.file(folder))
	must(t, os.Chmod(s.file(folder), 0o755))
	must(t, os.Symlink(folder, s.file("..data_tmp")))
	must(t, os.Rename(s.file("..data_tmp"), s.file(dataLink)))
	for name, content := range files {
		write(t, s.file(folder+"/"+name), content)
		if _, err := os.Lstat(s.file(name)); err != nil {
			must(t, os.Symlink(dataLink+"/"+name, s.file(name)))
		}
	}
}

func write(t *testing.T, path, content string) {
	t.Helper()
	must(t, os.WriteFile(path, []byte(content), 0o600))
	must(t, os.Chmod(path, 0o644)) // as the driver does, and whatever the umask
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func value(text string) secret.Value { return secret.New([]byte(text)) }

// row changes a fixture, and has the result that one check must have.
type row struct {
	name   string
	setup  func(t *testing.T, s *fixture)
	check  string // "ID subject"
	status Status
	says   string // part of detail and hint
}

func allRows() []row {
	return slices.Concat(mountRows(), clientRows(), authRows(), scopeRows(), rotationRows(), dueRows())
}

func TestEachCheckSaysWhatIsWrong(t *testing.T) {
	for _, r := range allRows() {
		t.Run(r.check+"/"+r.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, r.run)
		})
	}
}

func (r row) run(t *testing.T) {
	s := newFixture(t)
	s.o.Selected = []string{groupOf(r.check)}
	if r.setup != nil {
		r.setup(t, s)
	}
	results, report, err := s.run(t.Context())
	must(t, err)
	got, ran := results[r.check]
	if said := got.Detail + " | " + got.Hint; !ran || got.Status != r.status || !strings.Contains(said, r.says) {
		t.Errorf("got %s: %s\nwant %s: ...%s...\nall: %v", got.Status, said, r.status, r.says, slices.Sorted(maps.Keys(results)))
	}
	if len(s.clients) > 0 {
		t.Errorf("left behind: %v", s.clients)
	}
	secretless(t, s, report)
}

// For every check there must be a row with each status, except statuses that it cannot have.
// After an interruption, which has a test of its own, each can be unknown.
func TestEveryCheckIsSeenInEveryStatus(t *testing.T) {
	cannot := map[string][]Status{
		"cluster/api":                    {StatusFail},
		"cluster/crds":                   {StatusUnknown},
		"cluster/token-requests":         {StatusUnknown},
		"cluster/ownership":              {StatusFail}, // to take an object over may be meant
		"workload/service-account":       {StatusSkip},
		"workload/secret-provider-class": {StatusSkip},
		"workload/vault-config":          {StatusSkip},
		"workload/deployment":            {StatusSkip},
		"workload/no-subpath":            {StatusSkip},
		"mount/readable":                 {StatusUnknown},
		"mount/vault-config":             {StatusSkip}, // except in a pod that was replaced
		"client/masked":                  {StatusUnknown},
		"client/reference":               {StatusUnknown},
		"rotation/no-restart":            {StatusUnknown},
		"rotation/mounted":               {StatusUnknown}, // or where nobody may look, which has a test too
		"store/reachable":                {StatusSkip},
		"aidbox/reachable":               {StatusFail, StatusSkip},
		"aidbox/scope-format":            {StatusFail}, // what is documented proves nothing
	}
	seen := map[string]bool{}
	for _, r := range slices.Concat(prerequisiteRows(), workloadRows(), podRows(), allRows()) {
		id, _, _ := strings.Cut(r.check, " ")
		seen[id+" "+string(r.status)] = true
	}
	for _, id := range IDs() {
		for _, status := range []Status{StatusPass, StatusFail, StatusUnknown, StatusSkip} {
			if !seen[id+" "+string(status)] && !slices.Contains(cannot[id], status) {
				t.Errorf("no row where %s is %s", id, status)
			}
		}
	}
}

// secretless fails if the value, in any encoding, is in a report or in the progress.
func secretless(t *testing.T, s *fixture, report DeliveryReport) {
	t.Helper()
	var out strings.Builder
	_, _ = fmt.Fprintf(&out, "%+v\n", report)
	out.WriteString(strings.Join(s.progress, "\n"))
	for _, v := range []string{canary, rotated} {
		var known secret.Sanitizer
		known.Learn(value(v))
		if known.Repeats(out.String()) {
			t.Errorf("a secret value is in the output:\n%s", out.String())
		}
	}
}

var errUnreachable = errors.New("connection refused")
