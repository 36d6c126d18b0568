package vault_test

import (
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/hint"
	"github.com/secretctl/secretctl/internal/provision"
	"github.com/secretctl/secretctl/internal/secret"
	"github.com/secretctl/secretctl/internal/store"
	"github.com/secretctl/secretctl/internal/store/storetest"
)

func worksWithoutListing(t *testing.T, b *backend) {
	secrets, env := storetest.Numbered(t, 20)
	d := b.delivery(t, secrets...)
	token := b.tokenWith(t, fmt.Sprintf(`path "secret/data/%s/*" { capabilities = ["create", "read", "update"] }`, storetest.Place(t)))
	b.store(t, d.Secrets[7].Path, map[string]any{d.Secrets[7].Key: "old"})
	got, err := b.runAs(t, token, d, env, false, "store")
	if err != nil || storetest.Count(got, store.Create) != 19 || got[7].Action != store.Update {
		t.Errorf("%d created, error %v, want 19 and one updated", storetest.Count(got, store.Create), err)
	}
}

func skipsReadsOfNewPaths(t *testing.T, b *backend) {
	secrets, env := storetest.Numbered(t, 20)
	for i := range 10 {
		secrets[i].Path = fmt.Sprintf("%s/deep/%d", storetest.Place(t), i)
	}
	b.store(t, secrets[10].Path, map[string]any{"user": "kept"})
	p := newProxy(t, b)
	var reads atomic.Int32
	p.intercept(func(_ http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodGet && strings.HasPrefix(r.URL.Path, "/v1/secret/") {
			reads.Add(1)
		}
		return false
	})
	got, err := p.run(t, p.delivery(t, secrets...), env, "store")
	if err != nil || storetest.Count(got, store.Create) != 20 {
		t.Fatalf("%d created, error %v, want 20", storetest.Count(got, store.Create), err)
	}
	if reads.Load() != 3 { // two folders, and the one path that exists
		t.Errorf("%d reads below secret/, want 3", reads.Load())
	}
	if values, _ := b.data(t, secrets[10].Path); values["user"] != "kept" {
		t.Error("the path that was there already lost its other key")
	}
}

func refusesVersion1(t *testing.T, b *backend) {
	name := storetest.Place(t)
	b.call(t, http.MethodPost, "sys/mounts/"+name, map[string]any{"type": "kv", "options": map[string]any{"version": "1"}})
	d := b.delivery(t, config.Secret{Name: "password", Value: storetest.FromEnv("P")})
	d.Vault.KVMount = name
	v := b.vault(t, b.token, d)
	_, runErr := b.run(t, d, map[string]string{"P": storetest.Canary}, "store")
	_, _, getErr := v.Get(t.Context(), d.Secrets[0])
	_, putErr := v.Put(t.Context(), d.Secrets[0], secret.New([]byte(storetest.Canary)))
	for _, err := range []error{runErr, getErr, putErr} {
		storetest.WantError(t, err, name+"/", "KV engine of version 1")
		if want := "enable-versioning " + name + "/ would change every path for everybody who reads this one, and cannot be undone"; !strings.Contains(hint.Of(err), want) {
			t.Errorf("hint %q does not say %q", hint.Of(err), want)
		}
	}
	if answer := b.call(t, http.MethodGet, name+"/data/"+name, nil); answer != nil {
		t.Error("something was written to the engine of version 1")
	}
}

func refusesWrongMount(t *testing.T, b *backend) {
	for mount, words := range map[string][]string{
		"nowhere":     {"no KV mount nowhere/ that this token can see"},
		"secret/team": {"secret/team/", "is a folder in the mount secret/"},
		"cubbyhole":   {"cubbyhole/", "not kv"},
	} {
		d := b.delivery(t, config.Secret{Name: "password", Value: storetest.FromEnv("P")})
		d.Vault.KVMount = mount
		_, err := b.run(t, d, map[string]string{"P": storetest.Canary}, "store")
		storetest.WantError(t, err, words...)
		if hint.Of(err) == "" {
			t.Errorf("mount %s: no hint", mount)
		}
	}
}

func (b *backend) unseal(t testing.TB) {
	t.Helper()
	b.call(t, http.MethodPut, "sys/unseal", map[string]any{"key": b.unsealKey})
	for deadline := time.Now().Add(10 * time.Second); ; <-time.After(10 * time.Millisecond) {
		resp, err := http.Get(b.url + "/v1/sys/health")
		if err == nil {
			_ = resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return
			}
		}
		if time.Now().After(deadline) {
			t.Fatal("the server does not come back after unsealing")
		}
	}
}

func stopsWhenSealed(t *testing.T, b *backend) {
	secrets, env := storetest.Numbered(t, 200)
	p := newProxy(t, b)
	d := p.delivery(t, secrets...)
	var writes atomic.Int32
	p.intercept(func(_ http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodPut && writes.Add(1) == 20 {
			b.call(t, http.MethodPut, "sys/seal", nil)
		}
		return false
	})

	start := time.Now()
	done, err := p.run(t, d, env)
	took := time.Since(start)
	b.unseal(t)
	p.before.Store(nil)
	storetest.WantError(t, err, "sealed")
	if hint.Of(err) != "run: vault operator unseal" {
		t.Errorf("hint %q", hint.Of(err))
	}
	if writes.Load() > 20+4*16 { // those under way, of which each may be tried again before it is known
		t.Errorf("%d writes were tried after it was sealed", writes.Load()-20)
	}
	if took > 2*time.Second {
		t.Errorf("took %s: a sealed Vault was tried again", took)
	}
	convergesFrom(t, p, d, env, done)
}

func convergesAfterOutage(t *testing.T, b *backend) {
	secrets, env := storetest.Numbered(t, 60)
	p := newProxy(t, b)
	d := p.delivery(t, secrets...)
	var gone atomic.Bool
	var writes atomic.Int32
	p.intercept(func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodPut && writes.Add(1) == 30 {
			gone.Store(true)
		}
		if gone.Load() {
			hangUp(w)
		}
		return gone.Load()
	})
	steps := p.vault(t, p.token, d).Steps(storetest.Inputs(env), 0)
	done, err := provision.Run(within(t, time.Second), steps, []string{"store"}, false)
	storetest.WantError(t, err, "vault http")
	p.before.Store(nil)
	convergesFrom(t, p, d, env, done)
}

// convergesFrom checks that a run that broke off reported what is there, and that
// the next one writes exactly the rest.
func convergesFrom(t *testing.T, p *proxy, d *config.Delivery, env map[string]string, done []store.Change) {
	t.Helper()
	reported := map[string]bool{}
	for _, c := range done {
		reported[c.Object] = c.Action == store.Create
	}
	if len(reported) == 0 || len(reported) == len(d.Secrets) {
		t.Errorf("%d of %d reported as written: it did not stop in the middle", len(reported), len(d.Secrets))
	}
	again, err := p.run(t, d, env, "store")
	if err != nil || len(again) != len(d.Secrets) {
		t.Fatalf("second run: %d changes, error %v", len(again), err)
	}
	for i, c := range again {
		if reported[c.Object] && c.Action != store.Unchanged {
			t.Errorf("%s was reported as written, and the next run says %s", c.Object, c.Action)
		}
		values, version := p.data(t, d.Secrets[i].Path)
		if values[d.Secrets[i].Key] != env[d.Secrets[i].Name] || version != 1 {
			t.Errorf("%s has version %d, want the value in version 1", c.Object, version)
		}
	}
}

func getsValue(t *testing.T, b *backend) {
	b.store(t, storetest.Place(t), map[string]any{"password": "old"})
	b.store(t, storetest.Place(t), map[string]any{"password": storetest.Canary})
	d := b.delivery(t, config.Secret{Name: "password"}, config.Secret{Name: "other"}, config.Secret{Name: "absent", Path: storetest.Place(t) + "/absent"})
	v := b.vault(t, b.token, d)
	value, version, err := v.Get(t.Context(), d.Secrets[0])
	if err != nil || version != "2" || string(value.Reveal()) != storetest.Canary {
		t.Errorf("version %q, error %v, want the value in version 2", version, err)
	}
	for _, s := range d.Secrets[1:] {
		_, _, err := v.Get(t.Context(), s)
		storetest.WantError(t, err, "secret/"+s.Path+"#"+s.Key)
		if !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%v is not fs.ErrNotExist", err)
		}
	}
}

func putsValue(t *testing.T, b *backend) {
	b.store(t, storetest.Place(t), map[string]any{"password": "old", "user": "kept"})
	p := newProxy(t, b)
	d := p.delivery(t, config.Secret{Name: "password"})
	v := p.vault(t, p.token, d)
	for range 2 { // an equal value is not written again
		version, err := v.Put(t.Context(), d.Secrets[0], secret.New([]byte(storetest.Canary)))
		if err != nil || version != "2" {
			t.Errorf("version %q, error %v, want version 2", version, err)
		}
	}
	values, _ := b.data(t, storetest.Place(t))
	if diff := cmp.Diff(map[string]any{"password": storetest.Canary, "user": "kept"}, values); diff != "" {
		t.Errorf("values (-want +got):\n%s", diff)
	}
	p.onWrite(1, func() { b.store(t, storetest.Place(t), map[string]any{"password": "theirs"}) })
	_, err := v.Put(t.Context(), d.Secrets[0], secret.New([]byte("ours")))
	storetest.WantError(t, err, "changed since it was read (version 2, now 3)")
}
