package vault

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/hint"
	"github.com/secretctl/secretctl/internal/secret"
	"github.com/secretctl/secretctl/internal/store"
	"github.com/secretctl/secretctl/internal/transport"
)

// How often a write is tried when others write to the same path meanwhile, and
// the longest first pause before the next try.
const (
	casTries = 10
	casPause = 10 * time.Millisecond
)

// entry is what a path of the KV engine holds: values by key, as the JSON that
// they are, so that what is not ours goes back as it came.
type entry struct {
	version   int64 // that a write has to name; 0 where nothing was ever written
	deleted   bool  // the version is there, its values are not
	destroyed bool  // and they cannot be brought back
	values    map[string]json.RawMessage
}

// texts returns the values that are text.
func (e entry) texts() []secret.Value {
	var texts []secret.Value
	for _, raw := range e.values {
		var text string
		if json.Unmarshal(raw, &text) == nil {
			texts = append(texts, secret.New([]byte(text)))
		}
	}
	return texts
}

// Get implements [store.Store]. The version is that of the path.
func (v *Store) Get(ctx context.Context, s config.Secret) (secret.Value, string, error) {
	was, err := v.readEntry(ctx, s.Path)
	if login := v.actor.login; errors.Is(err, store.ErrDenied) && login != nil && login.Method == "" {
		err = v.whyDenied(ctx, s)
	}
	if err != nil {
		return secret.Value{}, "", err
	}
	raw, found := was.values[s.Key]
	if !found {
		return secret.Value{}, "", v.notThere(ctx, s, was)
	}
	value, err := v.text(s, raw)
	if err != nil {
		return secret.Value{}, "", err
	}
	return value, strconv.FormatInt(was.version, 10), nil
}

func (v *Store) notThere(ctx context.Context, s config.Secret, was entry) error {
	text, next := "is not in the store", "run: secretctl provision"
	switch {
	case was.destroyed:
		text, next = fmt.Sprintf("version %d is destroyed", was.version), "run: secretctl provision, which writes a new version"
	case was.deleted:
		text = fmt.Sprintf("version %d is deleted", was.version)
		next = fmt.Sprintf("run: vault kv undelete -mount=%s -versions=%d %s", v.d.Vault.KVMount, was.version, secret.ShellWord(s.Path))
	case was.version == 0:
		if err := v.checkMount(ctx); err != nil { // a KV engine of version 1 has nothing there either
			return err
		}
	default:
		text = fmt.Sprintf("version %d has no such key", was.version)
		if keys := slices.Sorted(maps.Keys(was.values)); len(keys) > 0 {
			next = "it has " + v.o.Sanitizer.Line(strings.Join(keys, ", "))
		}
	}
	return hint.Wrap(fmt.Errorf("vault: %s: %w", v.object(s), store.NotFound(text)), "%s", next)
}

// text returns a value that is text. Other JSON is an error, since no secret is
// read from it.
func (v *Store) text(s config.Secret, raw json.RawMessage) (secret.Value, error) {
	var text *string
	if err := json.Unmarshal(raw, &text); err != nil || text == nil {
		return secret.Value{}, hint.Wrap(fmt.Errorf("vault: %s: is not text but other JSON", v.object(s)), "write it as text, with: vault kv patch")
	}
	value := secret.New([]byte(*text))
	v.o.Sanitizer.Learn(value)
	return value, nil
}

// Put implements [store.Store]. Other keys of the path are kept. Where another
// writer changed this key between the read and the write, that is an error and theirs
// stays.
func (v *Store) Put(ctx context.Context, s config.Secret, value secret.Value) (version string, err error) {
	if err := v.checkMount(ctx); err != nil {
		return "", err
	}
	was, err := v.readEntry(ctx, s.Path)
	if err != nil {
		return "", err
	}
	v.o.Sanitizer.Learn(value)
	keys := []keyWrite{{secret: s, value: value}}
	if keys[0].done(was) {
		return strconv.FormatInt(was.version, 10), nil
	}
	result, err := v.writeEntry(ctx, s.Path, was, keys)
	if err != nil {
		return "", err
	}
	return strconv.FormatInt(result.version, 10), nil
}

// object names a secret in reports and errors.
func (v *Store) object(s config.Secret) string { return v.d.Vault.KVMount + "/" + s.Path + "#" + s.Key }

func (v *Store) dataPath(path string) string { return v.d.Vault.KVMount + "/data/" + path }

// Previous implements [store.Versioned].
func (v *Store) Previous(ctx context.Context, s config.Secret) (secret.Value, error) {
	newest, err := v.readEntry(ctx, s.Path)
	if err != nil || newest.version < 2 {
		return secret.Value{}, err
	}
	was, err := v.readVersion(ctx, s.Path, newest.version-1)
	if raw, found := was.values[s.Key]; err == nil && found {
		return v.text(s, raw)
	}
	return secret.Value{}, err
}

func (v *Store) readEntry(ctx context.Context, path string) (entry, error) {
	return v.readVersion(ctx, path, 0)
}

// readVersion reads a version of a path, of which 0 is the newest.
func (v *Store) readVersion(ctx context.Context, path string, version int64) (entry, error) {
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
	found, err := v.read(ctx, v.dataPath(path), query, &out)
	if err == nil && found && out.Metadata == nil {
		err = errUnexpected // version 1, where somebody keeps such a path
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

// keyWrite is a value on its way to a key.
type keyWrite struct {
	secret config.Secret
	value  secret.Value
	yields bool // to whatever value already exists
}

// done says whether nothing is left to write.
func (k keyWrite) done(e entry) bool {
	raw, found := e.values[k.secret.Key]
	if !found || k.yields {
		return found
	}
	var text string
	return json.Unmarshal(raw, &text) == nil && k.value.Equal(secret.New([]byte(text)))
}

// written is what became of a write.
type written struct {
	version int64
	keys    []keyWrite // that this write changed; the others were another writer's
}

// writeEntry writes keys to a path that was read as was, in one version, and keeps
// the path's other keys. Another write in between is merged, unless it
// was to the same key and not the same value.
func (v *Store) writeEntry(ctx context.Context, path string, was entry, keys []keyWrite) (written, error) {
	a := access{object: v.d.Vault.KVMount + "/" + path, path: v.dataPath(path)}
	for try := range casTries {
		version, err := v.writeVersion(ctx, path, was, keys)
		if err == nil {
			return written{version, keys}, nil
		}
		a.needs = []string{"update"}
		if was.version == 0 {
			a.needs = []string{"create"}
		}
		// Vault gives a lost race no code of its own. That the version has moved
		// distinguishes it from other refusals.
		if !isStatus(err, http.StatusBadRequest) {
			return written{}, v.fail(ctx, a, err)
		}
		_ = transport.Sleep(ctx, rand.N(casPause<<min(try, 6))) //nolint:gosec // jitter; the next request fails where ctx has ended
		now, readErr := v.readEntry(ctx, path)
		if readErr != nil {
			return written{}, readErr
		}
		if now.version == was.version {
			return written{}, v.fail(ctx, a, err)
		}
		if keys, err = v.rebase(was, now, keys); err != nil || len(keys) == 0 {
			return written{version: now.version}, err
		}
		was = now
	}
	err := fmt.Errorf("vault: %s: others wrote to it %d times while it was being written", a.object, casTries)
	return written{}, hint.Wrap(err, "run again when they are done")
}

// writeVersion writes the next version of a path.
func (v *Store) writeVersion(ctx context.Context, path string, was entry, keys []keyWrite) (int64, error) {
	data := make(map[string]any, len(was.values)+len(keys))
	for name, raw := range was.values {
		data[name] = raw
	}
	for _, k := range keys {
		data[k.secret.Key] = string(k.value.Reveal())
	}
	answer, err := v.put(ctx, v.dataPath(path), map[string]any{"data": data, "options": map[string]any{"cas": was.version}})
	if err != nil {
		v.o.Sanitizer.Learn(was.texts()...)
		return 0, err
	}
	version, isNumber := answer["version"].(json.Number)
	if !isNumber {
		return 0, errUnexpected
	}
	return version.Int64()
}

// rebase returns the keys that are still to be written to a path that somebody
// has written to, or an error where they changed one of these keys.
func (v *Store) rebase(was, now entry, keys []keyWrite) ([]keyWrite, error) {
	var left []keyWrite
	for _, k := range keys {
		before, hadBefore := was.values[k.secret.Key]
		after, hasNow := now.values[k.secret.Key]
		switch {
		case k.done(now):
		case hadBefore == hasNow && string(before) == string(after):
			left = append(left, k)
		default:
			err := fmt.Errorf("vault: %s changed since it was read (version %d, now %d); not overwritten", v.object(k.secret), was.version, now.version)
			return nil, hint.Wrap(err, "run again: it starts from what is there now")
		}
	}
	return left, nil
}
