package store

import (
	"context"
	"fmt"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/secret"
)

// DefaultConcurrency is how many requests are under way at the same time where
// nothing else is said.
const DefaultConcurrency = 16

// ReadSources returns the values of the secrets that have a source, by name.
func ReadSources(ctx context.Context, in *secret.Inputs, d *config.Delivery) (map[string]secret.Value, error) {
	values := map[string]secret.Value{}
	for _, s := range d.Secrets {
		if s.Value.IsZero() {
			continue
		}
		value, err := in.Read(ctx, s.Value, s.Name+" of "+d.Name)
		if err != nil {
			return nil, fmt.Errorf("secret %q: %w", s.Name, err)
		}
		values[s.Name] = value
	}
	return values, nil
}

// ValueWarning says what is odd about the value of a secret, or "".
func ValueWarning(s config.Secret, value secret.Value) string {
	inFile, err := s.InFile(value)
	switch odd := inFile.Oddity(); {
	case value.Empty():
		return "is empty"
	case err != nil:
		return err.Error()
	case odd != "":
		return odd + ", which Aidbox takes as part of the secret"
	}
	return ""
}

// Parallel calls do for 0 to n-1, limit of them at a time, and for no more of them
// after the first error, which it returns. Those that have begun go on to their
// end: what a request cut short has written would stay unknown.
func Parallel(n, limit int, do func(int) error) error {
	var group errgroup.Group
	var stop atomic.Bool
	group.SetLimit(limit)
	for i := range n {
		group.Go(func() error {
			if stop.Load() {
				return nil
			}
			err := do(i)
			if err != nil {
				stop.Store(true)
			}
			return err
		})
	}
	return group.Wait()
}
