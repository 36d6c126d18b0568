package status

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/secretctl/secretctl/internal/cluster"
	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/hint"
	"github.com/secretctl/secretctl/internal/secret"
	"github.com/secretctl/secretctl/internal/store"
	"github.com/secretctl/secretctl/internal/store/memory"
	"github.com/secretctl/secretctl/internal/verify"
)

const canary = "canary-5d1f"

// fixture is a delivery with two secrets, whose files are on this machine.
type fixture struct {
	d    *config.Delivery
	deps verify.Dependencies
	dir  string
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	server := &memory.Server{}
	f := &fixture{dir: t.TempDir(), d: &config.Delivery{
		Name: "aidbox", MountPath: "/run/vault-secrets",
		Secrets:   []config.Secret{{Name: "one"}, {Name: "two"}},
		Resources: []config.Resource{{Type: "Client", ID: "basic", Secrets: map[string]string{"secret": "one"}}},
	}}
	if err := os.Chmod(f.dir, 0o755); err != nil {
		t.Fatal(err)
	}
	clean := &secret.Sanitizer{}
	s, _ := server.Open(f.d, store.Options{Sanitizer: clean})
	provider := server.Provider()
	provider.Classes = func(*config.Delivery) []store.Class { return nil }
	f.deps = verify.Dependencies{Provider: provider, Store: s, Local: &verify.Local{Dir: f.dir}, Sanitizer: clean, Admin: admin{refs: map[string]string{"secret": "one"}}}
	for _, name := range []string{"one", "two"} {
		f.put(t, name, canary+"-1")
		f.mount(t, name, canary+"-1")
	}
	return f
}

func (f *fixture) put(t *testing.T, name, value string) {
	t.Helper()
	if _, err := f.deps.Store.Put(t.Context(), config.Secret{Name: name}, secret.New([]byte(value))); err != nil {
		t.Fatal(err)
	}
}

func (f *fixture) mount(t *testing.T, name, value string) {
	t.Helper()
	file := filepath.Join(f.dir, name)
	if err := errors.Join(os.WriteFile(file, []byte(value), 0o600), os.Chmod(file, 0o644)); err != nil {
		t.Fatal(err)
	}
}

type admin struct {
	verify.Admin
	refs     map[string]string
	literals []string
	err      error
}

func (a admin) References(context.Context, config.Resource) (map[string]string, []string, error) {
	return a.refs, a.literals, a.err
}

// changed is a store with other versions.
type changed struct {
	store.Store
	versions func([]store.Version, error) ([]store.Version, error)
	get      error
}

func (c changed) Versions(ctx context.Context, s config.Secret) ([]store.Version, error) {
	return c.versions(c.Store.Versions(ctx, s))
}

func (c changed) Get(ctx context.Context, s config.Secret) (secret.Value, string, error) {
	if c.get != nil {
		return secret.Value{}, "", c.get
	}
	return c.Store.Get(ctx, s)
}

func refused([]store.Version, error) ([]store.Version, error) {
	return nil, fmt.Errorf("vault: permission denied: %w", fs.ErrPermission)
}

func TestLookShowsStoreReplicasAndResources(t *testing.T) {
	for _, tt := range []struct {
		name  string
		setup func(t *testing.T, f *fixture)
		want  string // rows without age and date; the worst first
	}{
		{"all is current", func(*testing.T, *fixture) {}, "√ current one 1 never | √ current two 1 never | √ current Client/basic"},
		{"behind", func(t *testing.T, f *fixture) {
			f.put(t, "two", canary+"-2")
			f.put(t, "two", canary+"-3")
		}, "× behind two 3 ago | × behind - local 1: 2 versions behind | √ current one 1 never | √ current Client/basic"},
		{
			"a value of no version", func(t *testing.T, f *fixture) { f.mount(t, "two", "other") },
			"× behind two 1 never | × behind - local: differs from the store, version 1: stale, or from another source | √ current one 1 never | √ current Client/basic",
		},
		{
			"empty file", func(t *testing.T, f *fixture) { f.mount(t, "one", "") },
			"× empty one 1 never | × empty - local: is empty | √ current two 1 never | √ current Client/basic",
		},
		{
			"no file", func(_ *testing.T, f *fixture) { _ = os.Remove(filepath.Join(f.dir, "one")) },
			"× missing one 1 never | × missing - local: no file one | √ current two 1 never | √ current Client/basic",
		},
		{
			"not stored", func(_ *testing.T, f *fixture) { f.d.Secrets[0].Name = "none" },
			`× missing none: 0 of 1 replica current; memory: secret "none": is not in the store | × missing - local: no file none | √ current two 1 never | √ current Client/basic`,
		},
		{"versions refused", func(_ *testing.T, f *fixture) {
			f.deps.Store = changed{Store: f.deps.Store, versions: refused}
		}, "√ current one 1: 1 of 1 replica current; age unknown: vault: permission denied | √ current two 1: 1 of 1 | √ current Client/basic"},
		{"everything refused", func(_ *testing.T, f *fixture) {
			f.deps.Store = changed{Store: f.deps.Store, versions: refused, get: fs.ErrPermission}
		}, "? unknown one: 0 of 1 replica current, 1 unknown; vault: permission denied: permission denied | ? unknown - local: permission denied: without the store there is nothing to compare with | ? unknown two"},
		{"expired", func(_ *testing.T, f *fixture) {
			f.deps.Store = changed{Store: f.deps.Store, versions: func(all []store.Version, err error) ([]store.Version, error) {
				all[0].Expires = time.Now().Add(-time.Hour)
				return all, err
			}}
		}, "! expired one 1 never dated: 1 of 1 replica current; hint: secretctl rotate one | ! expired two"},
		{"due", func(_ *testing.T, f *fixture) {
			f.d.Secrets[1].MaxAge = "24h"
			f.deps.Store = changed{Store: f.deps.Store, versions: func(all []store.Version, err error) ([]store.Version, error) {
				all[0].Created = time.Now().Add(-25 * time.Hour)
				return all, err
			}}
		}, "! due two 1 never: 1 of 1 replica current; older than 24h; hint: secretctl rotate --due two | √ current one"},
		{"disabled", func(_ *testing.T, f *fixture) {
			f.deps.Store = changed{Store: f.deps.Store, versions: func(all []store.Version, err error) ([]store.Version, error) {
				all[0].Gone, all[0].Expires = true, time.Now().Add(-time.Hour) // as Vault says of a deleted one
				return all, err
			}}
		}, "× missing one 1 never: 1 of 1 replica current; version 1 is deleted or disabled"},
		{
			"no Client", func(_ *testing.T, f *fixture) { f.deps.Admin = admin{err: fs.ErrNotExist} },
			"√ current one 1 never | √ current two 1 never | × missing Client/basic: not in Aidbox; hint: secretctl client apply",
		},
		{"literal secret", func(_ *testing.T, f *fixture) {
			f.deps.Admin = admin{refs: map[string]string{"secret": "one"}, literals: []string{"secret"}}
		}, "√ current one 1 never | √ current two 1 never | × wrong Client/basic: holds a literal value at secret"},
		{
			"other reference", func(_ *testing.T, f *fixture) { f.deps.Admin = admin{refs: map[string]string{"secret": "two"}} },
			"√ current one 1 never | √ current two 1 never | × wrong Client/basic: secret refers to two, not to one",
		},
		{"key gone from the store", func(_ *testing.T, f *fixture) { // other keys of its path have versions
			f.deps.Store = changed{Store: f.deps.Store, get: fs.ErrNotExist, versions: func(all []store.Version, err error) ([]store.Version, error) { return all, err }}
		}, "× missing one 1 never: 0 of 1 replica current, 1 unknown | ? unknown - local: secret not found in the store"},
		{
			"Aidbox is down", func(_ *testing.T, f *fixture) { f.deps.Admin = admin{err: errors.New("connection refused")} },
			"√ current one 1 never | √ current two 1 never | ? unknown Client/basic: connection refused",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := newFixture(t)
			tt.setup(t, f)
			r := NewReport([]Delivery{Look(t.Context(), f.d, f.deps, 4)}, nil)
			got := flat(r)
			want := strings.Split(tt.want, " | ")
			for i, w := range want {
				if i >= len(got) || !strings.HasPrefix(got[i], w) {
					t.Fatalf("got  %s\nwant %s", strings.Join(got, "\n     "), strings.Join(want, "\n     "))
				}
			}
			if strings.Contains(fmt.Sprintf("%+v", r), canary) {
				t.Error("a value is in the report")
			}
		})
	}
}

// With aidbox.url: service, the resources need the check cluster/api.
func TestPrerequisiteIsNoResource(t *testing.T) {
	f := newFixture(t)
	kubeconfig := filepath.Join(t.TempDir(), "kubeconfig")
	err := os.WriteFile(kubeconfig, []byte(`{"clusters": [{"name": "c", "cluster": {"server": "https://127.0.0.1:1"}}],
		"contexts": [{"name": "c", "context": {"cluster": "c"}}], "current-context": "c"}`), 0o600)
	if err == nil {
		f.deps.Cluster, err = cluster.Connect(cluster.Options{Kubeconfig: kubeconfig})
	}
	if err != nil {
		t.Fatal(err)
	}
	f.d.Aidbox.URL = "service"
	is := Look(t.Context(), f.d, f.deps, 4)
	if len(is.Resources) != 1 || is.Resources[0].Name != "Client/basic" || !strings.Contains(is.Resources[0].Detail, "https://127.0.0.1:1") {
		t.Errorf("resources: %+v", is.Resources)
	}
}

// flat returns the rows of a report as "STATE NAME VERSION ROTATED: DETAIL", with "dated"
// after ROTATED if there is an expiry date.
func flat(r Report) (lines []string) {
	for _, row := range r.Table(false)[1:] {
		rotated := row[4]
		if strings.HasSuffix(rotated, " ago") {
			rotated = "ago"
		}
		line := hint.OneLine(row[0] + " " + row[1] + " " + row[2] + " " + strings.Trim(rotated, "-"))
		if strings.ContainsAny(row[5], "0123456789") {
			line += " dated"
		}
		lines = append(lines, line+": "+row[6])
	}
	return lines
}

// Key Vault's versions have no order of their own; the driver's status names the one
// that a pod has.
func TestVersionOfTheDriverIsCounted(t *testing.T) {
	is := Secret{versions: []store.Version{{ID: "c"}, {ID: "a"}, {ID: "b"}}}
	var r Replica
	is.compare(t.Context(), config.Secret{}, verify.Dependencies{}, verify.Mounted{State: verify.StateBehind, Version: "b"}, &r)
	if r.Behind != 2 {
		t.Errorf("behind by %d, not 2", r.Behind)
	}
}

// Some versions change only another secret of the same path.
func TestVersionsThatChangeAnotherSecretDoNotCount(t *testing.T) {
	f := newFixture(t)
	is := Secret{versions: []store.Version{{ID: "5"}, {ID: "4"}, {ID: "3"}, {ID: "2"}, {ID: "1"}}}
	for _, text := range []string{"new", "new", "old", "old", "oldest"} {
		is.values = append(is.values, secret.New([]byte(text)))
	}
	f.put(t, "one", "new")
	f.mount(t, "one", "oldest")
	mounted := verify.Observe(t.Context(), f.d, f.deps, 4)
	var r Replica
	is.compare(t.Context(), f.d.Secrets[0], f.deps, mounted[0], &r)
	if r.Behind != 2 || r.Version != "1" {
		t.Errorf("behind by %d, at version %s", r.Behind, r.Version)
	}
}

func TestReportHasTheWorstFirst(t *testing.T) {
	r := NewReport([]Delivery{{Name: "a", State: verify.StateCurrent}, {Name: "b", State: verify.StateBehind}, {Name: "c", State: verify.StateUnknown}}, nil)
	var names []string
	for _, d := range r.Deliveries {
		names = append(names, d.Name)
	}
	if diff := cmp.Diff([]string{"b", "c", "a"}, names); diff != "" || r.State != verify.StateBehind {
		t.Errorf("%s is %s", diff, r.State)
	}
	if r := NewReport(nil, &hint.Problem{Message: "no"}); r.State != verify.StateUnknown {
		t.Errorf("nothing is known, and the state is %s", r.State)
	}
}

func TestAgeHasOneUnit(t *testing.T) {
	for d, want := range map[time.Duration]string{
		-time.Second: "0s", 90 * time.Second: "90s", 3 * time.Minute: "3m", 119 * time.Minute: "119m", 5 * time.Hour: "5h", 72 * time.Hour: "3d",
	} {
		if got := age(d); got != want {
			t.Errorf("%s: %s, want %s", d, got, want)
		}
	}
}
