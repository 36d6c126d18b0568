package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/hint"
	"github.com/secretctl/secretctl/internal/secret"
)

// WrittenAt returns when the newest value of a secret was written. That may be long
// before the newest version, if the versions hold other secrets too. The search ends at
// the first version whose value cannot be read any more. It is an error if the value may
// be older than its maxAge, but the versions that show it are gone.
func WrittenAt(ctx context.Context, from Store, s config.Secret) (time.Time, error) {
	versions, err := from.Versions(ctx, s)
	if err != nil {
		return time.Time{}, err
	}
	at := versions[0].Created
	if len(versions) == 1 {
		return at, nil
	}
	newest, err := from.GetVersion(ctx, s, versions[0].ID)
	if err != nil {
		return time.Time{}, err
	}
	for _, v := range versions[1:] {
		if v.Gone {
			break
		}
		value, err := from.GetVersion(ctx, s, v.ID)
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrInvalid) || err == nil && !value.Equal(newest) {
			break
		}
		if err != nil {
			return time.Time{}, err
		}
		at = v.Created
		if v.Oldest && time.Since(at) < s.DueAfter() {
			err := fmt.Errorf("all %d versions that the store keeps, since %s, have the same value, which may be older than %s", len(versions), at.UTC().Format(time.DateOnly), s.MaxAge)
			return time.Time{}, hint.Wrap(err, "%s", secret.Shellf("run: secretctl rotate %s; and keep more versions of its path, or give it a path of its own", s.Name))
		}
	}
	return at, nil
}
