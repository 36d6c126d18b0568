package keyvault

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/store"
	"github.com/secretctl/secretctl/internal/store/keyvault/azure"
)

// Azure takes up to 10 minutes until what was assigned is in force.
const (
	firstWait   = 100 * time.Millisecond
	longestWait = 10 * time.Second
	spreadTime  = 10 * time.Minute
)

// patiently makes a request again and again while Azure takes its time. role is
// what it takes to be allowed to make it.
func (v *Store) patiently(ctx context.Context, s config.Secret, role string, request func() error) error {
	began := time.Now()
	for wait := firstWait; ; wait = min(2*wait, longestWait) {
		err := request()
		if err == nil {
			return nil
		}
		failed := v.fail(ctx, s, role, err)
		why, least := v.passing(err)
		if why == "" || v.o.Waiting == nil || ctx.Err() != nil || time.Since(began) > spreadTime {
			return failed
		}
		if ended := v.wait(ctx, fmt.Sprintf("key vault %s: %s", s.KeyVault, why), max(wait, least)); ended != nil {
			return fmt.Errorf("%w: %w", failed, ended)
		}
	}
}

// afterLogin makes a step again and again while its login is refused for the moment.
func (v *Store) afterLogin(diff store.StepFunc) store.StepFunc {
	return func(ctx context.Context) ([]store.Change, error) {
		began := time.Now()
		for wait := firstWait; ; wait = min(2*wait, longestWait) {
			changes, err := diff(ctx)
			login, isLogin := errors.AsType[*azure.LoginError](err)
			if !isLogin || !login.Spreading() || v.o.Waiting == nil || time.Since(began) > spreadTime {
				return changes, err
			}
			if ended := v.wait(ctx, "azure: "+loginSpreads, wait); ended != nil {
				return changes, fmt.Errorf("%w: %w", err, ended)
			}
		}
	}
}

const loginSpreads = "the login is refused, as for some minutes after a federated credential was made"

// wait waits, and returns ctx.Err() where that ends first.
func (v *Store) wait(ctx context.Context, why string, d time.Duration) error {
	if v.o.Waiting != nil {
		v.o.Waiting(why)
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// passing says for what Azure takes its time, and how long that is at least; ""
// where an error will not pass by itself.
func (v *Store) passing(err error) (why string, least time.Duration) {
	login, isLogin := errors.AsType[*azure.LoginError](err)
	r := v.azure.RefusalOf(err)
	switch {
	case isLogin && login.Spreading():
		return loginSpreads, 0
	case r.Has("ForbiddenByRbac"):
		return "access is refused, as for some minutes after a role was assigned", 0
	case r.Has(beingDeleted):
		return "the deletion of a secret is under way", 0
	case r.Has(beingRecovered):
		return "the recovery of a secret is under way", 0
	case r != nil && r.Status == http.StatusTooManyRequests:
		return "it limits how many requests it takes", r.RetryAfter
	}
	return "", 0
}

// recover undoes the deletion of a secret and returns what is there then.
func (v *Store) recover(ctx context.Context, s config.Secret) (held, error) {
	err := v.patiently(ctx, s, officerRole, func() error {
		if err := v.writes.wait(ctx); err != nil {
			return err
		}
		_, err := v.client(s).RecoverDeletedSecret(ctx, s.ObjectName, nil)
		if r := v.azure.RefusalOf(err); r.Has(beingRecovered) || r != nil && r.Status == http.StatusNotFound {
			return nil // somebody else was faster
		}
		return err
	})
	if err != nil {
		return held{}, err
	}
	began := time.Now()
	for wait := firstWait; ; wait = min(2*wait, longestWait) {
		is, err := v.read(ctx, s)
		if err != nil || is.version != "" {
			return is, err
		}
		if time.Since(began) > spreadTime {
			return held{}, v.about(s, errors.New("was recovered, and is still not there"))
		}
		if ended := v.wait(ctx, "key vault "+s.KeyVault+": the recovery of a secret is under way", wait); ended != nil {
			return held{}, v.about(s, ended)
		}
	}
}

// pace keeps calls below a rate: burst of them may come at once, and in the long
// run one every so often.
type pace struct {
	every time.Duration
	burst int

	mu   sync.Mutex
	next time.Time
}

// wait waits until another call is due, or returns ctx.Err().
func (p *pace) wait(ctx context.Context) error {
	p.mu.Lock()
	if earliest := time.Now().Add(-time.Duration(p.burst) * p.every); p.next.Before(earliest) {
		p.next = earliest
	}
	p.next = p.next.Add(p.every)
	due := time.Until(p.next)
	p.mu.Unlock()
	if due <= 0 {
		return ctx.Err()
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(due):
		return nil
	}
}
