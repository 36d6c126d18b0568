package vault

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/hint"
	"github.com/secretctl/secretctl/internal/secret"
	"github.com/secretctl/secretctl/internal/store"
	"github.com/secretctl/secretctl/internal/transport"
)

type keyWrite struct {
	secret config.Secret
	value  secret.Value
	yields bool // to any value that exists
}

// done reports whether an entry needs no write.
func (k keyWrite) done(e entry) bool {
	raw, found := e.values[k.secret.Key]
	if !found || k.yields {
		return found
	}
	var text string
	return json.Unmarshal(raw, &text) == nil && k.value.Equal(secret.New([]byte(text)))
}

// written is the result of a write.
type written struct {
	version int64
	keys    []keyWrite // that this write changed; another writer wrote the others
}

// Writes to a path are retried while others write to it too.
const (
	casTries = 10
	casPause = 10 * time.Millisecond // the longest first pause
)

// write writes keys to a path that was read as was, in one version, and keeps the
// path's other keys. It merges what others wrote since, unless they wrote another value
// to one of the keys.
func (v *Store) write(ctx context.Context, path string, was entry, keys []keyWrite) (written, error) {
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
		// Vault has no code of its own for a lost race: only the changed version tells
		// it from other refusals.
		if !isStatus(err, http.StatusBadRequest) {
			return written{}, v.fail(ctx, a, err)
		}
		_ = transport.Sleep(ctx, rand.N(casPause<<min(try, 6))) //nolint:gosec // jitter; if ctx has ended, the next request fails
		now, readErr := v.read(ctx, path, 0)
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
	err := fmt.Errorf("vault: %s: others wrote to it during each of %d tries", a.object, casTries)
	return written{}, hint.Wrap(err, "run again when they are done")
}

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
		for _, raw := range was.values { // the error may quote the values of others
			var text string
			if json.Unmarshal(raw, &text) == nil {
				v.o.Sanitizer.Learn(secret.New([]byte(text)))
			}
		}
		return 0, err
	}
	version, isNumber := answer["version"].(json.Number)
	if !isNumber {
		return 0, errUnexpected
	}
	return version.Int64()
}

// rebase returns the keys that still have to be written after others wrote to the path,
// or an error if they changed one of these keys.
func (v *Store) rebase(was, now entry, keys []keyWrite) (left []keyWrite, err error) {
	for _, k := range keys {
		before, hadBefore := was.values[k.secret.Key]
		after, hasNow := now.values[k.secret.Key]
		switch {
		case k.done(now):
		case hadBefore == hasNow && string(before) == string(after):
			left = append(left, k)
		default:
			return nil, fmt.Errorf("vault: %s: %w", v.object(k.secret), store.Conflict(was.id(), now.id()))
		}
	}
	return left, nil
}
