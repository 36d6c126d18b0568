package storetest

import (
	"context"
	"errors"
	"io/fs"
	"slices"
	"testing"
	"time"

	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/provision"
	"github.com/secretctl/secretctl/internal/secret"
	"github.com/secretctl/secretctl/internal/store"
)

func yieldsToEarlierValue(t *testing.T, h Harness) {
	d := h.Delivery(t, config.Secret{Name: "password", Value: Generated()})
	h.BeforeWrite(false, func() { h.Write(t, d.Secrets[0], "theirs") })
	h.wantActions(t, d, nil, store.Unchanged)
	h.wantStored(t, d.Secrets[0], "theirs", 1)
}

func acceptsEqualConcurrentWrite(t *testing.T, h Harness) {
	d := h.Delivery(t, fromP)
	h.BeforeWrite(false, func() { h.Write(t, d.Secrets[0], Canary) })
	h.wantActions(t, d, withP(Canary), store.Unchanged)
	h.wantStored(t, d.Secrets[0], Canary, 1)
}

func refusesConflict(t *testing.T, h Harness) {
	d := h.Delivery(t, fromP)
	h.Write(t, d.Secrets[0], "old")
	h.BeforeWrite(true, func() { h.Write(t, d.Secrets[0], "theirs") })
	_, err := h.provision(t, d, withP(Canary), false)
	WantError(t, err, "changed since it was read (version ", "not overwritten")
	WantHint(t, err, "run again")
	h.wantStored(t, d.Secrets[0], "theirs", 2)
}

func getsNewestValue(t *testing.T, h Harness) {
	d := h.Delivery(t, config.Secret{Name: "password"}, config.Secret{Name: "absent"})
	s := h.open(t, d)
	h.Write(t, d.Secrets[0], "old")
	_, old, err := s.Get(t.Context(), d.Secrets[0])
	if err != nil {
		t.Fatal(err)
	}
	h.Write(t, d.Secrets[0], Canary)
	value, version, err := s.Get(t.Context(), d.Secrets[0])
	if err != nil || string(value.Reveal()) != Canary || version == "" || version == old {
		t.Errorf("version %q after %q, error %v, or another value", version, old, err)
	}
	names, err := s.StatusVersions(t.Context(), d.Secrets[0])
	if !errors.Is(err, store.ErrNoStatusVersion) && (err != nil || !slices.Contains(names, version)) {
		t.Errorf("versions %q in the driver's status, error %v, want %s", names, err, version)
	}
	if kept, ok := s.(store.Versioned); ok {
		for i, want := range []string{"old", ""} {
			if was, err := kept.Previous(t.Context(), d.Secrets[i]); err != nil || string(was.Reveal()) != want {
				t.Errorf("the value before that of %s: error %v, or another one than %q", d.Secrets[i].Name, err, want)
			}
		}
	}
	_, _, err = s.Get(t.Context(), d.Secrets[1])
	WantError(t, err, "not in the store")
	if !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v is not fs.ErrNotExist", err)
	}
	if _, err := s.StatusVersions(t.Context(), d.Secrets[1]); !errors.Is(err, store.ErrNoStatusVersion) && !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("versions of what does not exist: %v", err)
	}
}

func listsVersions(t *testing.T, h Harness) {
	d := h.Delivery(t, config.Secret{Name: "password"}, config.Secret{Name: "absent"})
	s := h.open(t, d)
	h.Write(t, d.Secrets[0], "old")
	h.Write(t, d.Secrets[0], Canary)
	_, newest, err := s.Get(t.Context(), d.Secrets[0])
	if err != nil {
		t.Fatal(err)
	}
	versions, err := s.Versions(t.Context(), d.Secrets[0])
	if err != nil || len(versions) != 2 || time.Since(versions[1].Created) > time.Minute || versions[0].Gone {
		t.Fatalf("versions %v, error %v", versions, err)
	}
	if versions[1].Created.Equal(versions[0].Created) && versions[1].ID == newest { // made in the same second
		slices.Reverse(versions)
	}
	for i, want := range []string{Canary, "old"} {
		if value, err := s.GetVersion(t.Context(), d.Secrets[0], versions[i].ID); err != nil || string(value.Reveal()) != want {
			t.Errorf("version %s has another value, error %v", versions[i].ID, err)
		}
	}
	if _, err := s.Versions(t.Context(), d.Secrets[1]); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("versions of what does not exist: %v", err)
	}
}

func putsOnce(t *testing.T, h Harness) {
	d := h.Delivery(t, config.Secret{Name: "password"}, config.Secret{Name: "new"})
	s := h.open(t, d)
	h.Write(t, d.Secrets[0], "old")
	for _, wanted := range d.Secrets {
		for range 2 { // an equal value is not written again
			version, err := s.Put(t.Context(), wanted, secret.New([]byte(Canary)))
			if _, is, _ := s.Get(t.Context(), wanted); err != nil || version != is {
				t.Errorf("%s: version %q, error %v, want version %q", wanted.Name, version, err, is)
			}
		}
	}
	h.wantStored(t, d.Secrets[0], Canary, 2)
	h.wantStored(t, d.Secrets[1], Canary, 1)
}

func learnsValues(t *testing.T, h Harness) {
	d := h.Delivery(t, config.Secret{Name: "stored"}, fromP)
	h.Write(t, d.Secrets[0], "st0red-value")
	h.Options.Sanitizer = &secret.Sanitizer{}
	s := h.open(t, d)
	if _, _, err := s.Get(t.Context(), d.Secrets[0]); err != nil {
		t.Fatal(err)
	}
	if err := provision.Prepare(t.Context(), s.Steps(Inputs(withP(Canary)), 0), h.Provider.Phases[:1]); err != nil {
		t.Fatal(err)
	}
	for _, value := range []string{"st0red-value", Canary} {
		if !h.Options.Sanitizer.Repeats("it is " + value) {
			t.Errorf("%s would be shown", value)
		}
	}
}

func servesInParallel(t *testing.T, h Harness) {
	d := h.Delivery(t, config.Secret{Name: "password"})
	h.Write(t, d.Secrets[0], Canary)
	s := h.open(t, d)
	for _, err := range AtOnce(32, func(int) error {
		_, _, err := s.Get(t.Context(), d.Secrets[0])
		return err
	}) {
		if err != nil {
			t.Fatal(err)
		}
	}
}

func closesTwice(t *testing.T, h Harness) {
	s := h.open(t, h.Delivery(t, fromP))
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for range 2 {
		if err := s.Close(ended); err != nil {
			t.Error(err)
		}
	}
}
