package keyvault

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/hint"
	"github.com/secretctl/secretctl/internal/secret"
	"github.com/secretctl/secretctl/internal/store"
)

// Every pod reads every secret about once in republish, for as long as it lives.
const (
	republish     = 75 * time.Second
	limitWindow   = 10 * time.Second
	requestsLimit = 4000 // of a Key Vault in limitWindow
	requestsMany  = requestsLimit / 4
)

// storeStep writes the values. Sources are read once, as for Vault.
type storeStep struct {
	v           *Store
	in          *secret.Inputs
	concurrency int

	values map[string]secret.Value // by name of the secret
	held   []held                  // in the order of the delivery's secrets
	plan   []plannedChange         // in the same order
	rates  []store.Change
}

// plannedChange is what is to be done about a secret.
type plannedChange struct {
	store.Change
	recover, set, describe bool
}

func newStoreStep(v *Store, in *secret.Inputs, concurrency int) *storeStep {
	return &storeStep{v: v, in: in, concurrency: cmp.Or(max(concurrency, 0), store.DefaultConcurrency)}
}

func (s *storeStep) read(ctx context.Context) (err error) {
	if s.values == nil {
		s.values, err = store.ReadSources(ctx, s.in, s.v.d)
		for _, value := range s.values {
			s.v.azure.Learn(value)
		}
	}
	return err
}

func (s *storeStep) diff(ctx context.Context) ([]store.Change, error) {
	secrets := s.v.d.Secrets
	s.held, s.plan = make([]held, len(secrets)), nil
	err := store.Parallel(len(secrets), s.concurrency, func(i int) (err error) {
		if secrets[i].KeyVaultType() == config.ObjectKey {
			return nil
		}
		s.held[i], err = s.v.find(ctx, secrets[i])
		return err
	})
	if err != nil {
		return nil, err
	}
	var changes []store.Change
	for i, wanted := range secrets {
		change, err := s.compare(wanted, s.held[i])
		if err != nil {
			return nil, err
		}
		s.plan = append(s.plan, change)
		changes = append(changes, change.Change)
	}
	if !s.v.o.Compare {
		s.rates = s.v.rates()
	}
	return append(changes, s.rates...), nil
}

// compare says what is to happen to a secret. Key Vault mints a version on every
// set, even for an equal value, and each version looks like a rotation.
func (s *storeStep) compare(wanted config.Secret, is held) (plannedChange, error) {
	c := plannedChange{Change: store.Change{Phase: phaseStore, Object: s.v.object(wanted)}}
	value, hasSource := s.values[wanted.Name]
	switch differs := hasSource && wanted.Value.Generate == nil && !is.value.Equal(value); {
	case wanted.KeyVaultType() == config.ObjectKey:
		c.Action, c.Detail = store.Unchanged, "a key, which secretctl does not look at"
		return c, nil
	case is.deleted:
		return s.compareDeleted(c, wanted, is)
	case is.version == "" && !hasSource:
		c.Action, c.Warning = store.Absent, "is not in the store, and the config names no source for it"
		return c, nil
	case is.version == "":
		c.Action, c.Detail, c.set = store.Create, wanted.Value.String(), true
	case differs:
		c.Action, c.Detail, c.set, c.OtherValue = store.Update, wanted.Value.String(), true, true
		if err := s.v.mayOverwrite(wanted, is); err != nil {
			if !s.v.o.Compare {
				return c, err
			}
			c.Refused = err
		}
	default:
		value = is.value
		c.Action, c.Detail = store.Unchanged, "version "+is.version
		what, otherOwner := s.v.misdescribed(wanted, is), s.v.otherOwner(is)
		if what != "" && !is.ofCertificate && (otherOwner == "" || s.v.o.Adopt) {
			c.Action, c.Detail, c.describe = store.Update, what+", in version "+is.version, true
		}
	}
	switch {
	case !c.set && is.expired():
		c.Warning = "has expired on " + is.expires.UTC().Format(time.DateOnly) + ": rotate it"
	case !is.ofCertificate || c.set:
		c.Warning = store.ValueWarning(wanted, value)
	}
	return c, nil
}

func (s *storeStep) compareDeleted(c plannedChange, wanted config.Secret, is held) (plannedChange, error) {
	_, hasSource := s.values[wanted.Name]
	otherOwner := s.v.otherOwner(is)
	switch {
	case !s.v.o.Recover && (!hasSource || s.v.o.Compare):
		c.Action, c.Warning = store.Absent, "is deleted; provision --recover brings it back"
	case !s.v.o.Recover:
		return c, s.v.recoverable(wanted)
	case otherOwner != "" && !s.v.o.Adopt:
		return c, hint.Wrap(s.v.about(wanted, fmt.Errorf("is deleted and %s; not recovered", otherOwner)), "run: secretctl provision --recover --adopt")
	default:
		c.Action, c.Detail, c.recover = store.Update, "recover", true
	}
	return c, nil
}

func (s *storeStep) apply(ctx context.Context) ([]store.Change, error) {
	results := make([]store.Change, len(s.plan))
	err := store.Parallel(len(s.plan), s.concurrency, func(i int) (err error) {
		results[i], err = s.write(ctx, i)
		return err
	})
	var done []store.Change
	for _, change := range results {
		if change.Action != "" { // else it failed, or its turn did not come
			done = append(done, change)
		}
	}
	return append(done, s.rates...), err
}

// write does what is planned for a secret. Beside an error the change is zero.
func (s *storeStep) write(ctx context.Context, i int) (store.Change, error) {
	wanted, is, c := s.v.d.Secrets[i], s.held[i], s.plan[i]
	if c.recover {
		return s.recover(ctx, wanted)
	}
	if c.set {
		now, err := s.v.read(ctx, wanted)
		if err != nil {
			return store.Change{}, err
		}
		if now.version != is.version {
			return s.conflict(wanted, is, now, c.Change)
		}
	}
	change, err := s.do(ctx, wanted, is, c)
	if errors.Is(err, errDeleted) { // its deletion was under way, and so not seen
		return s.writeDeleted(ctx, wanted)
	}
	return change, err
}

// writeDeleted does what can be done about a secret that turns out to be deleted.
func (s *storeStep) writeDeleted(ctx context.Context, wanted config.Secret) (store.Change, error) {
	if !s.v.o.Recover {
		return store.Change{}, s.v.recoverable(wanted)
	}
	is, err := s.v.find(ctx, wanted)
	if err == nil {
		_, err = s.compare(wanted, is) // which refuses what has another owner
	}
	if err != nil {
		return store.Change{}, err
	}
	return s.recover(ctx, wanted)
}

// recover compares once more when the value can be read.
func (s *storeStep) recover(ctx context.Context, wanted config.Secret) (store.Change, error) {
	is, err := s.v.recover(ctx, wanted)
	if err != nil {
		return store.Change{}, err
	}
	c, err := s.compare(wanted, is)
	if err != nil {
		return store.Change{}, err
	}
	change, err := s.do(ctx, wanted, is, c)
	if err == nil {
		change.Action, change.Detail = store.Update, "recovered, "+change.Detail
	}
	return change, err
}

func (s *storeStep) do(ctx context.Context, wanted config.Secret, is held, c plannedChange) (store.Change, error) {
	switch {
	case c.set:
		version, err := s.v.set(ctx, wanted, is, s.values[wanted.Name])
		if err != nil {
			return store.Change{}, err
		}
		c.Detail = "version " + version
	case c.describe:
		if err := s.v.describe(ctx, wanted, is); err != nil {
			return store.Change{}, err
		}
	}
	return c.Change, nil
}

// conflict accepts what another writer wrote meanwhile if it is what was wanted.
func (s *storeStep) conflict(wanted config.Secret, was, now held, c store.Change) (store.Change, error) {
	yields := wanted.Value.Generate != nil
	if now.version != "" && (yields || now.value.Equal(s.values[wanted.Name])) {
		c.Action, c.Detail = store.Unchanged, "version "+now.version
		return c, nil
	}
	err := errors.New("changed since it was read; not overwritten")
	if was.version != "" && now.version != "" {
		err = fmt.Errorf("changed since it was read (version %s, now %s); not overwritten", was.version, now.version)
	}
	return store.Change{}, hint.Wrap(s.v.about(wanted, err), "run again: it starts from what is there now")
}

// rates estimates how often the pods will read each Key Vault.
func (v *Store) rates() []store.Change {
	var rates []store.Change
	for _, name := range v.d.KeyVaults() {
		objects := 0
		for _, s := range v.d.Secrets {
			if strings.EqualFold(s.KeyVault, name) {
				objects++
			}
		}
		pods := 1
		if v.d.Aidbox.Replicas != nil {
			pods = int(*v.d.Aidbox.Replicas)
		}
		reads := float64(pods*objects) * limitWindow.Seconds() / republish.Seconds()
		rate := store.Change{Phase: phaseStore, Object: name, Action: store.Unchanged, Detail: fmt.Sprintf(
			"about %.1f reads in %s by rotation (pods %d, secrets %d); it allows %d", reads, limitWindow, pods, objects, requestsLimit)}
		if reads > requestsMany {
			rate.Warning = fmt.Sprintf("its pods will take more than a quarter of the %d requests in %s that it allows: have fewer replicas, a longer "+
				"--rotation-poll-interval of the CSI driver, or several Key Vaults (secrets[].keyVault)", requestsLimit, limitWindow)
		}
		rates = append(rates, rate)
	}
	return rates
}
