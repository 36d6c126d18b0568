package store

import (
	"context"
	"errors"
	"io/fs"
	"time"

	"github.com/secretctl/secretctl/internal/config"
)

// WrittenAt returns when the newest value of a secret was written. That may be long
// before the newest version, if the versions hold other secrets too. The search ends at
// the first version whose value cannot be read any more.
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
	}
	return at, nil
}
