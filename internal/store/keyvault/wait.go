package keyvault

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"golang.org/x/time/rate"

	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/store"
	"github.com/secretctl/secretctl/internal/store/keyvault/azure"
	"github.com/secretctl/secretctl/internal/transport"
)

// Azure takes up to 10 minutes until what was assigned is in force.
const (
	firstWait       = 100 * time.Millisecond
	longestWait     = 10 * time.Second
	propagationTime = 10 * time.Minute
)

// retry makes a request again and again while Azure takes its time. explain restates
// its error.
func (v *Store) retry(ctx context.Context, about string, request func() error, explain func(error) error) error {
	began := time.Now()
	for attempt := 0; ; attempt++ {
		err := request()
		if err == nil {
			return nil
		}
		failed := explain(err)
		why, least := v.passing(err)
		if why == "" || v.o.Waiting == nil || ctx.Err() != nil || time.Since(began) > propagationTime {
			return failed
		}
		v.o.Waiting(about + ": " + why)
		if ended := transport.Sleep(ctx, max(least, transport.Backoff(firstWait, longestWait, attempt, nil))); ended != nil {
			return fmt.Errorf("%w: %w", failed, ended)
		}
	}
}

// retryWhilePropagating is retry for a request about a secret. role is what it takes to
// be allowed to make it.
func (v *Store) retryWhilePropagating(ctx context.Context, s config.Secret, role string, request func() error) error {
	return v.retry(ctx, "key vault "+s.KeyVault, request, func(err error) error { return v.fail(ctx, s, role, err) })
}

// afterLogin is retry for a step whose login may be refused for the moment.
func (v *Store) afterLogin(diff store.StepFunc) store.StepFunc {
	return func(ctx context.Context) (changes []store.Change, err error) {
		err = v.retry(ctx, "azure", func() (err error) { changes, err = diff(ctx); return err }, func(err error) error { return err })
		return changes, err
	}
}

// errRecovering is a secret that was recovered, and cannot be read yet.
var errRecovering = errors.New("was recovered, and still does not exist")

const loginSpreads = "the login is refused, as for some minutes after a federated credential was made"

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
	case errors.Is(err, errRecovering), r.Has(beingRecovered):
		return "the recovery of a secret is under way", 0
	case r != nil && r.Status == http.StatusTooManyRequests:
		return "it limits how many requests it takes", r.RetryAfter
	}
	return "", 0
}

// recover undoes the deletion of a secret and returns what is there then.
func (v *Store) recover(ctx context.Context, s config.Secret) (held, error) {
	err := v.retryWhilePropagating(ctx, s, officerRole, func() error {
		if err := pace(ctx, v.writes); err != nil {
			return err
		}
		_, err := v.client(s).RecoverDeletedSecret(ctx, s.ObjectName, nil)
		if r := v.azure.RefusalOf(err); r.Has(beingRecovered) || r != nil && r.Status == http.StatusNotFound {
			return nil // another run was faster
		}
		return err
	})
	if err != nil {
		return held{}, err
	}
	var is held
	err = v.retry(ctx, "key vault "+s.KeyVault, func() (err error) {
		if is, err = v.read(ctx, s); err == nil && is.version == "" {
			err = v.about(s, errRecovering)
		}
		return err
	}, func(err error) error { return err })
	return is, err
}

// pace waits until another request is due, or returns ctx.Err().
func pace(ctx context.Context, limiter *rate.Limiter) error {
	return transport.Sleep(ctx, limiter.Reserve().Delay())
}
