package storetest

import (
	"errors"
	"io/fs"
	"slices"
	"strings"
	"testing"

	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/provision"
	"github.com/secretctl/secretctl/internal/secret"
	"github.com/secretctl/secretctl/internal/store"
)

// Harness is a store to test. Its Write and Versions bypass the store.
type Harness struct {
	Provider store.Provider
	Options  store.Options // of somebody who may do everything
	// Delivery returns a delivery with these secrets, at places that no other test uses.
	Delivery func(t *testing.T, secrets ...config.Secret) *config.Delivery
	// Write writes a value as another run of secretctl does.
	Write func(t *testing.T, s config.Secret, value string)
	// Versions returns the newest value, and how many versions there are.
	Versions func(t *testing.T, s config.Secret) (newest string, versions int)
	// BeforeWrite runs f once between the store's read and its write of a secret, which
	// exists or not.
	BeforeWrite func(exists bool, f func())
}

// suite is the contract of every store.
var suite = []struct {
	name string
	test func(*testing.T, Harness)
}{
	{"its steps are its phases", stepsArePhases},
	{"creates then leaves alone", createsThenLeavesAlone},
	{"updates what differs", updatesWhatDiffers},
	{"generates once", generatesOnce},
	{"never writes a secret without a source", reportsAbsent},
	{"warns of a trailing line break", warnsOfLineBreak},
	{"reads all sources before the first write", readsSourcesFirst},
	{"refuses a value that cannot be decoded", refusesUndecodable},
	{"writes nothing in a dry run", dryRunWritesNothing},
	{"yields to a value that another writer generated first", yieldsToEarlierValue},
	{"accepts an equal value of another writer", acceptsEqualConcurrentWrite},
	{"does not overwrite another writer's change", refusesConflict},
	{"gets the newest value", getsNewestValue},
	{"lists versions and gets each value", listsVersions},
	{"puts a value once", putsOnce},
	{"learns every value", learnsValues},
	{"serves concurrent callers", servesInParallel},
	{"can be closed twice", closesTwice},
}

// Run runs the suite. start may return a new store for each test, or the same one.
func Run(t *testing.T, start func(*testing.T) Harness) {
	for _, c := range suite {
		t.Run(c.name, func(t *testing.T) { c.test(t, start(t)) })
	}
}

func (h Harness) open(t *testing.T, d *config.Delivery) store.Store {
	t.Helper()
	s, err := h.Provider.Open(d, h.Options)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// provision returns the changes of the delivery's secrets, in their order.
func (h Harness) provision(t *testing.T, d *config.Delivery, env map[string]string, dryRun bool) ([]store.Change, error) {
	t.Helper()
	changes, err := provision.Run(t.Context(), h.open(t, d).Steps(Inputs(env), 0), h.Provider.Phases[:1], dryRun)
	if err != nil {
		return changes, err
	}
	return changes[:len(d.Secrets)], nil
}

// wantActions provisions, and compares the action of each secret.
func (h Harness) wantActions(t *testing.T, d *config.Delivery, env map[string]string, actions ...string) []store.Change {
	t.Helper()
	changes, err := h.provision(t, d, env, false)
	if err != nil {
		t.Fatal(err)
	}
	for i, action := range actions {
		if c := changes[i]; c.Phase != h.Provider.Phases[0] || c.Action != action {
			t.Errorf("%s: %s in phase %s, want %s", c.Object, c.Action, c.Phase, action)
		}
	}
	return changes
}

func (h Harness) wantStored(t *testing.T, s config.Secret, value string, versions int) {
	t.Helper()
	if got, n := h.Versions(t, s); got != value || n != versions {
		t.Errorf("%s: another value, or %d versions and not %d", s.Name, n, versions)
	}
}

var fromP = config.Secret{Name: "password", Value: FromEnv("P")}

func withP(value string) map[string]string { return map[string]string{"P": value} }

func stepsArePhases(t *testing.T, h Harness) {
	var names []string
	for _, step := range h.open(t, h.Delivery(t, fromP)).Steps(Inputs(nil), 0) {
		names = append(names, step.Name)
	}
	if !slices.Equal(names, h.Provider.Phases) {
		t.Errorf("steps %q, phases %q", names, h.Provider.Phases)
	}
}

func createsThenLeavesAlone(t *testing.T, h Harness) {
	d := h.Delivery(t, fromP)
	h.wantActions(t, d, withP(Canary), store.Create)
	_, version, err := h.open(t, d).Get(t.Context(), d.Secrets[0])
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range h.wantActions(t, d, withP(Canary), store.Unchanged) {
		if c.Detail != "version "+version {
			t.Errorf("detail %q, want version %s", c.Detail, version)
		}
	}
	h.wantStored(t, d.Secrets[0], Canary, 1)
}

func updatesWhatDiffers(t *testing.T, h Harness) {
	other := config.Secret{Name: "other", Value: FromEnv("O")}
	d := h.Delivery(t, fromP, other)
	h.Write(t, d.Secrets[0], "old")
	h.Write(t, d.Secrets[1], "kept")
	changes := h.wantActions(t, d, map[string]string{"P": Canary, "O": "kept"}, store.Update, store.Unchanged)
	if !changes[0].OtherValue {
		t.Error("is not known to be another value")
	}
	if newest, _ := h.Versions(t, d.Secrets[0]); newest != Canary {
		t.Error("another value is stored")
	}
	if newest, _ := h.Versions(t, d.Secrets[1]); newest != "kept" {
		t.Error("the other secret has changed")
	}
}

func generatesOnce(t *testing.T, h Harness) {
	d := h.Delivery(t, config.Secret{Name: "password", Value: secret.Source{Generate: &secret.Generate{Length: 40}}})
	h.wantActions(t, d, nil, store.Create)
	first, _ := h.Versions(t, d.Secrets[0])
	if len(first) != 40 {
		t.Errorf("generated %d characters, want 40", len(first))
	}
	h.wantActions(t, d, nil, store.Unchanged)
	h.wantStored(t, d.Secrets[0], first, 1)
}

func reportsAbsent(t *testing.T, h Harness) {
	d := h.Delivery(t, config.Secret{Name: "absent"}, config.Secret{Name: "exists"})
	h.Write(t, d.Secrets[1], "x")
	changes := h.wantActions(t, d, nil, store.Absent, store.Unchanged)
	if changes[0].Warning == "" || changes[1].Warning != "" {
		t.Errorf("warnings %q and %q, want one about the absent secret alone", changes[0].Warning, changes[1].Warning)
	}
	if _, _, err := h.open(t, d).Get(t.Context(), d.Secrets[0]); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Get: %v", err)
	}
}

func warnsOfLineBreak(t *testing.T, h Harness) {
	d := h.Delivery(t, fromP)
	for _, action := range []string{store.Create, store.Unchanged} {
		if changes := h.wantActions(t, d, withP(Canary+"\n"), action); !strings.Contains(changes[0].Warning, "line break") {
			t.Errorf("%s: warning %q", action, changes[0].Warning)
		}
	}
}

func readsSourcesFirst(t *testing.T, h Harness) {
	d := h.Delivery(t, fromP, config.Secret{Name: "b", Value: FromEnv("UNSET")})
	changes, err := h.provision(t, d, withP(Canary), false)
	WantError(t, err, `secret "b"`, "UNSET")
	if _, ok := errors.AsType[*secret.SourceError](err); !ok || changes != nil {
		t.Errorf("error of type %T and %d changes, want a SourceError and none", err, len(changes))
	}
	if _, _, err := h.open(t, d).Get(t.Context(), d.Secrets[0]); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a was written before the source of b was read: %v", err)
	}
}

func refusesUndecodable(t *testing.T, h Harness) {
	d := h.Delivery(t, config.Secret{Name: "other", Value: FromEnv("P")}, fromP, config.Secret{Name: "stored"})
	d.Secrets[1].Encoding, d.Secrets[2].Encoding = config.EncodingHex, config.EncodingHex
	h.Write(t, d.Secrets[2], Canary)
	_, err := h.provision(t, d, withP(Canary), false)
	WantError(t, err, `secret "password": the value of environment variable P is not hex`)
	WantHint(t, err, "change the encoding")
	if _, _, err := h.open(t, d).Get(t.Context(), d.Secrets[0]); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("another secret was written: %v", err)
	}
	changes := h.wantActions(t, d, withP("6869"), store.Create, store.Create, store.Unchanged)
	if changes[2].Warning != "is not hex, so the CSI provider cannot decode it" {
		t.Errorf("warning %q about what others wrote", changes[2].Warning)
	}
}

func dryRunWritesNothing(t *testing.T, h Harness) {
	d := h.Delivery(t, fromP, config.Secret{Name: "other", Value: FromEnv("P")})
	h.Write(t, d.Secrets[1], "old")
	changes, err := h.provision(t, d, withP(Canary), true)
	if err != nil || Count(changes, store.Create) != 1 || Count(changes, store.Update) != 1 {
		t.Errorf("%v, error %v", changes, err)
	}
	if _, _, err := h.open(t, d).Get(t.Context(), d.Secrets[0]); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("was created: %v", err)
	}
	if newest, _ := h.Versions(t, d.Secrets[1]); newest != "old" {
		t.Error("was updated")
	}
}
