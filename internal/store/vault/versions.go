package vault

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"time"

	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/secret"
	"github.com/secretctl/secretctl/internal/store"
)

// Versions implements [store.Store]. It takes the right to read the path's metadata.
func (v *Store) Versions(ctx context.Context, s config.Secret) ([]store.Version, error) {
	var out struct {
		Versions map[string]struct {
			Created   time.Time `json:"created_time"`
			Deleted   string    `json:"deletion_time"` // "" or a time, which may be to come
			Destroyed bool      `json:"destroyed"`
		} `json:"versions"`
	}
	path := v.d.Vault.KVMount + "/metadata/" + s.Path
	if _, err := v.get(ctx, path, &out); err != nil {
		return nil, v.fail(ctx, access{object: v.d.Vault.KVMount + "/" + s.Path, path: path, needs: []string{"read"}}, err)
	}
	if len(out.Versions) == 0 {
		return nil, v.notThere(ctx, s, entry{})
	}
	versions := make([]store.Version, 0, len(out.Versions))
	for id, is := range out.Versions {
		ends, _ := time.Parse(time.RFC3339, is.Deleted)
		versions = append(versions, store.Version{
			ID: id, Created: is.Created, Expires: ends, Gone: is.Destroyed || !ends.IsZero() && ends.Before(time.Now()),
		})
	}
	number := func(of store.Version) int64 {
		n, _ := strconv.ParseInt(of.ID, 10, 64)
		return n
	}
	slices.SortFunc(versions, func(a, b store.Version) int { return cmp.Compare(number(b), number(a)) })
	return versions, nil
}

// GetVersion implements [store.Store].
func (v *Store) GetVersion(ctx context.Context, s config.Secret, id string) (secret.Value, error) {
	number, err := strconv.ParseInt(id, 10, 64)
	if err != nil {
		return secret.Value{}, v.notThere(ctx, s, entry{})
	}
	was, err := v.readVersion(ctx, s.Path, number)
	if err != nil {
		return secret.Value{}, err
	}
	raw, found := was.values[s.Key]
	if !found {
		return secret.Value{}, v.notThere(ctx, s, was)
	}
	return v.text(s, raw)
}
