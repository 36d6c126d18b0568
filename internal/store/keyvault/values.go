package keyvault

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/hint"
	"github.com/secretctl/secretctl/internal/store"
)

type storeStep struct {
	v           *Store
	sources     *store.Sources
	concurrency int

	entries []entry        // in the order of the delivery's secrets
	plan    []store.Change // in the same order
	rates   []store.Change
}

func (s *storeStep) diff(ctx context.Context) ([]store.Change, error) {
	secrets := s.v.d.Secrets
	s.entries, s.plan = make([]entry, len(secrets)), make([]store.Change, len(secrets))
	err := store.Parallel(len(secrets), s.concurrency, func(i int) (err error) {
		if secrets[i].KeyVaultType() != config.ObjectKey {
			s.entries[i], err = s.v.find(ctx, secrets[i])
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	for i, wanted := range secrets {
		if s.plan[i], err = s.compare(wanted, s.entries[i]); err != nil {
			return nil, err
		}
	}
	if !s.v.o.Compare {
		s.rates = s.v.rates()
	}
	return slices.Concat(s.plan, s.rates), nil
}

// compare returns the change that a secret needs. Key Vault makes a version on every
// set, even for an equal value, and each version looks like a rotation.
func (s *storeStep) compare(wanted config.Secret, is entry) (store.Change, error) {
	c := s.sources.Compare(wanted, s.v.object(wanted), is.value, is.version)
	switch {
	case wanted.KeyVaultType() == config.ObjectKey:
		return store.Change{Phase: c.Phase, Object: c.Object, Action: store.Unchanged, Detail: "a key, which secretctl does not look at"}, nil
	case is.deleted:
		return s.compareDeleted(c, wanted, is)
	case c.Action == store.Update:
		if c.Refused = s.v.mayOverwrite(wanted, is); c.Refused != nil && !s.v.o.Compare {
			return c, c.Refused
		}
	case c.Action == store.Unchanged:
		what := s.v.misdescribed(wanted, is)
		if what != "" && !is.ofCertificate && (s.v.otherOwner(is) == "" || s.v.o.Adopt) {
			c.Action, c.Detail = store.Update, what+", in version "+is.version
		}
		if is.expired() {
			c.Warning = "expired on " + is.expires.UTC().Format(time.DateOnly) + ": rotate it"
		} else if is.ofCertificate {
			c.Warning = ""
		}
	}
	return c, nil
}

func (s *storeStep) compareDeleted(c store.Change, wanted config.Secret, is entry) (store.Change, error) {
	otherOwner := s.v.otherOwner(is)
	switch {
	case !s.v.o.Recover && (c.Action == store.Absent || s.v.o.Compare):
		return store.Change{Phase: c.Phase, Object: c.Object, Action: store.Absent, Warning: "is deleted; provision --recover brings it back"}, nil
	case !s.v.o.Recover:
		return c, s.v.recoverable(wanted)
	case otherOwner != "" && !s.v.o.Adopt:
		return c, hint.Wrap(s.v.about(wanted, fmt.Errorf("is deleted and %s; not recovered", otherOwner)), "run: secretctl provision --recover --adopt")
	}
	return store.Change{Phase: c.Phase, Object: c.Object, Action: store.Update, Detail: "recover"}, nil
}

func (s *storeStep) apply(ctx context.Context) ([]store.Change, error) {
	done := make([]store.Change, len(s.plan))
	err := store.Parallel(len(s.plan), s.concurrency, func(i int) (err error) {
		done[i], err = s.write(ctx, i)
		return err
	})
	done = slices.DeleteFunc(done, func(c store.Change) bool { return c.Action == "" }) // it failed, or was not started
	return slices.Concat(done, s.rates), err
}

// write makes the change that is planned for a secret. With an error the change is zero.
func (s *storeStep) write(ctx context.Context, i int) (store.Change, error) {
	wanted, is, c := s.v.d.Secrets[i], s.entries[i], s.plan[i]
	if is.deleted && c.Pending() {
		return s.recover(ctx, wanted)
	}
	if setsValue(c) {
		now, err := s.v.read(ctx, wanted, "")
		switch {
		case err != nil:
			return store.Change{}, err
		case now.version == is.version:
		case now.version == "" || !s.sources.Accepts(wanted, now.value):
			return store.Change{}, s.v.about(wanted, store.Conflict(is.version, now.version))
		default: // another writer wrote what was wanted
			c.Action, c.Detail = store.Unchanged, "version "+now.version
			return c, nil
		}
	}
	c, err := s.writeEntry(ctx, wanted, is, c)
	if !errors.Is(err, errDeleted) || !s.v.o.Recover {
		return c, err
	}
	// Its deletion was in progress, and so not visible.
	is, err = s.v.find(ctx, wanted)
	if err == nil {
		_, err = s.compare(wanted, is) // which refuses another owner
	}
	if err != nil {
		return store.Change{}, err
	}
	return s.recover(ctx, wanted)
}

// recover recovers a secret, and compares now that its value can be read.
func (s *storeStep) recover(ctx context.Context, wanted config.Secret) (store.Change, error) {
	is, err := s.v.recover(ctx, wanted)
	if err != nil {
		return store.Change{}, err
	}
	c, err := s.compare(wanted, is)
	if err == nil {
		c, err = s.writeEntry(ctx, wanted, is, c)
	}
	if err != nil {
		return store.Change{}, err
	}
	c.Action, c.Detail = store.Update, "recovered, "+c.Detail
	return c, nil
}

func (s *storeStep) writeEntry(ctx context.Context, wanted config.Secret, is entry, c store.Change) (store.Change, error) {
	var err error
	switch {
	case setsValue(c):
		var version string
		value, _ := s.sources.Value(wanted)
		version, err = s.v.write(ctx, wanted, is, value)
		c.Detail = "version " + version
	case c.Pending():
		err = s.v.describe(ctx, wanted, is)
	}
	if err != nil {
		return store.Change{}, err
	}
	return c, nil
}

// setsValue reports whether a change sets the value, and not only what describes it.
func setsValue(c store.Change) bool { return c.Action == store.Create || c.OtherValue }

// A pod reads each of its secrets once in republish. Key Vault allows requestsLimit
// requests in limitWindow.
const (
	republish     = 75 * time.Second
	limitWindow   = 10 * time.Second
	requestsLimit = 4000
)

// rates estimates how often the pods will read each Key Vault.
func (v *Store) rates() (rates []store.Change) {
	pods := 1
	if v.d.Aidbox.Replicas != nil {
		pods = int(*v.d.Aidbox.Replicas)
	}
	for _, name := range v.d.KeyVaults() {
		objects := 0
		for _, s := range v.d.Secrets {
			if strings.EqualFold(s.KeyVault, name) {
				objects++
			}
		}
		reads := float64(pods*objects) * limitWindow.Seconds() / republish.Seconds()
		rate := store.Change{Phase: store.PhaseStore, Object: name, Action: store.Unchanged, Detail: fmt.Sprintf(
			"about %.1f reads in %s by rotation (pods %d, secrets %d); it allows %d", reads, limitWindow, pods, objects, requestsLimit)}
		if reads > requestsLimit/4 {
			rate.Warning = fmt.Sprintf("its pods will make more than a quarter of the %d requests that it allows in %s: use fewer replicas, a longer "+
				"--rotation-poll-interval of the CSI driver, or several Key Vaults (secrets[].keyVault)", requestsLimit, limitWindow)
		}
		rates = append(rates, rate)
	}
	return rates
}
