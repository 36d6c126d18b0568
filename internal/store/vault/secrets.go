package vault

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/hint"
	"github.com/secretctl/secretctl/internal/secret"
	"github.com/secretctl/secretctl/internal/store"
)

// entry is what a version of a path has: JSON values by key, so that a write returns
// the values of others as they were.
type entry struct {
	version   int64 // 0 if nothing was ever written
	deleted   bool  // the version exists, its values do not
	destroyed bool  // its values cannot be recovered
	values    map[string]json.RawMessage
}

func (e entry) id() string { return strconv.FormatInt(e.version, 10) }

// Get implements [store.Store]. The version is that of the path.
func (v *Store) Get(ctx context.Context, s config.Secret) (secret.Value, string, error) {
	is, err := v.read(ctx, s.Path, 0)
	if errors.Is(err, store.ErrDenied) && v.actor.asPod() {
		err = v.whyDenied(ctx, s)
	}
	if err != nil {
		return secret.Value{}, "", err
	}
	value, err := v.valueOf(ctx, s, is)
	return value, is.id(), err
}

// GetVersion implements [store.Store].
func (v *Store) GetVersion(ctx context.Context, s config.Secret, id string) (secret.Value, error) {
	number, err := strconv.ParseInt(id, 10, 64)
	if err != nil {
		return secret.Value{}, v.absent(ctx, s, entry{})
	}
	is, err := v.read(ctx, s.Path, number)
	if err != nil {
		return secret.Value{}, err
	}
	return v.valueOf(ctx, s, is)
}

// Versions implements [store.Store]. It needs the right to read the path's metadata.
func (v *Store) Versions(ctx context.Context, s config.Secret) (versions []store.Version, err error) {
	var out struct {
		Versions map[string]struct {
			Created   time.Time `json:"created_time"`
			Deleted   string    `json:"deletion_time"` // "", or a time that may be in the future
			Destroyed bool      `json:"destroyed"`
		} `json:"versions"`
	}
	path := v.metadataPath(s.Path)
	if _, err := v.get(ctx, path, &out); err != nil {
		return nil, v.fail(ctx, access{object: v.d.Vault.KVMount + "/" + s.Path, path: path, needs: []string{"read"}}, err)
	}
	if len(out.Versions) == 0 {
		return nil, v.absent(ctx, s, entry{})
	}
	for id, is := range out.Versions {
		ends, _ := time.Parse(time.RFC3339, is.Deleted)
		versions = append(versions, store.Version{
			ID: id, Created: is.Created, Expires: ends, Gone: is.Destroyed || !ends.IsZero() && ends.Before(time.Now()),
		})
	}
	slices.SortFunc(versions, func(a, b store.Version) int { // as numbers
		return cmp.Or(cmp.Compare(len(b.ID), len(a.ID)), cmp.Compare(b.ID, a.ID))
	})
	oldest := &versions[len(versions)-1]
	oldest.Oldest = oldest.ID != "1"
	return versions, nil
}

// StatusVersions implements [store.Store]: the provider reports an HMAC as the version.
func (v *Store) StatusVersions(context.Context, config.Secret) ([]string, error) {
	return nil, store.ErrNoStatusVersion
}

// Previous implements [store.Versioned].
func (v *Store) Previous(ctx context.Context, s config.Secret) (secret.Value, error) {
	newest, err := v.read(ctx, s.Path, 0)
	if err != nil || newest.version < 2 {
		return secret.Value{}, err
	}
	was, err := v.read(ctx, s.Path, newest.version-1)
	if raw, found := was.values[s.Key]; err == nil && found {
		return v.text(s, raw)
	}
	return secret.Value{}, err
}

// Put implements [store.Store]. It keeps the other keys of the path.
func (v *Store) Put(ctx context.Context, s config.Secret, value secret.Value) (version string, err error) {
	if err := v.checkMount(ctx); err != nil {
		return "", err
	}
	is, err := v.read(ctx, s.Path, 0)
	if err != nil {
		return "", err
	}
	v.o.Sanitizer.Learn(value)
	keys := []keyWrite{{secret: s, value: value}}
	if keys[0].done(is) {
		return is.id(), nil
	}
	result, err := v.write(ctx, s.Path, is, keys)
	if err != nil {
		return "", err
	}
	return entry{version: result.version}.id(), nil
}

// object names a secret in reports and errors.
func (v *Store) object(s config.Secret) string { return v.d.Vault.KVMount + "/" + s.Path + "#" + s.Key }

func (v *Store) dataPath(path string) string     { return v.d.Vault.KVMount + "/data/" + path }
func (v *Store) metadataPath(path string) string { return v.d.Vault.KVMount + "/metadata/" + path }

// read reads a version of a path, the newest where it is 0.
func (v *Store) read(ctx context.Context, path string, version int64) (entry, error) {
	var out struct {
		Data     map[string]json.RawMessage `json:"data"`
		Metadata *struct {
			Version   int64 `json:"version"`
			Destroyed bool  `json:"destroyed"`
		} `json:"metadata"`
	}
	var query map[string][]string
	if version > 0 {
		query = map[string][]string{"version": {strconv.FormatInt(version, 10)}}
	}
	found, err := v.query(ctx, v.dataPath(path), query, &out)
	if err == nil && found && out.Metadata == nil {
		err = errUnexpected // a KV engine of version 1
	}
	if err != nil {
		a := access{object: v.d.Vault.KVMount + "/" + path, path: v.dataPath(path), needs: []string{"read"}}
		return entry{}, v.fail(ctx, a, err)
	}
	if out.Metadata == nil {
		return entry{}, nil
	}
	return entry{version: out.Metadata.Version, deleted: !found, destroyed: out.Metadata.Destroyed, values: out.Data}, nil
}

func (v *Store) valueOf(ctx context.Context, s config.Secret, is entry) (secret.Value, error) {
	raw, found := is.values[s.Key]
	if !found {
		return secret.Value{}, v.absent(ctx, s, is)
	}
	return v.text(s, raw)
}

// text returns a value that is text, which every secret has to be.
func (v *Store) text(s config.Secret, raw json.RawMessage) (secret.Value, error) {
	var text *string
	if err := json.Unmarshal(raw, &text); err != nil || text == nil {
		return secret.Value{}, hint.Wrap(fmt.Errorf("vault: %s: is not text but other JSON", v.object(s)), "write it as text, with: vault kv patch")
	}
	value := secret.New([]byte(*text))
	v.o.Sanitizer.Learn(value)
	return value, nil
}

// undelete says how to recover a deleted version.
func (v *Store) undelete(path string, is entry) string {
	return v.shellf("run: vault kv undelete -mount=%s -versions=%v %s", v.d.Vault.KVMount, is.version, path)
}

// absent says why an entry does not have a secret.
func (v *Store) absent(ctx context.Context, s config.Secret, is entry) error {
	text, next := "is not in the store", "run: secretctl provision"
	switch {
	case is.destroyed:
		text, next = "version "+is.id()+" is destroyed", "run: secretctl provision, which writes a new version"
	case is.deleted:
		text = "version " + is.id() + " is deleted"
		next = v.undelete(s.Path, is)
	case is.version == 0:
		if err := v.checkMount(ctx); err != nil { // a KV engine of version 1 has nothing there either
			return err
		}
	default:
		text = "version " + is.id() + " has no such key"
		if keys := slices.Sorted(maps.Keys(is.values)); len(keys) > 0 {
			next = fmt.Sprintf("available: %s; set secrets[].key, or run: secretctl provision", v.o.Sanitizer.Line(secret.ShellWords(keys, ", ")))
		}
	}
	return hint.Wrap(fmt.Errorf("vault: %s: %w", v.object(s), store.NotFound(text)), "%s", next)
}
