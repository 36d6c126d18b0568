package vault_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/store"
	"github.com/secretctl/secretctl/internal/store/storetest"
)

func agreesInParallel(t *testing.T, b *backend) {
	const runs = 64
	d := b.delivery(t, config.Secret{Name: "password", Value: storetest.Generated()}, config.Secret{Name: "given", Value: storetest.FromEnv("P")})
	results := make([][]store.Change, runs)
	errs := storetest.AtOnce(runs, func(i int) (err error) {
		results[i], err = b.run(t, d, map[string]string{"P": storetest.Canary})
		return err
	})
	for i, err := range errs {
		if err != nil {
			t.Fatalf("run %d: %v", i, err)
		}
	}
	created, enabled := 0, 0
	for _, changes := range results {
		if changes[0].Action == store.Create {
			created++
		}
		if slices.ContainsFunc(changes, func(c store.Change) bool {
			return c.Object == "auth/"+d.Vault.AuthMount && c.Action == store.Create
		}) {
			enabled++
		}
	}
	if enabled != 1 {
		t.Errorf("%d runs say that they enabled the auth method", enabled)
	}
	if values, version := b.data(t, storetest.Place(t)); created != 1 || version != 1 || len(values) != 2 {
		t.Errorf("%d runs say that they created the value, and there are %d keys in version %d; want 1 run, 2 keys, version 1", created, len(values), version)
	}
	got, err := b.run(t, d, map[string]string{"P": storetest.Canary})
	if err != nil || storetest.Count(got, store.Unchanged) != len(got) {
		t.Errorf("the run after: %v, error %v, want everything unchanged", got, err)
	}
}

func mergesParallelWriters(t *testing.T, b *backend) {
	const writers = 16
	errs := storetest.AtOnce(writers, func(i int) error {
		name := fmt.Sprintf("key%d", i)
		_, err := b.run(t, b.delivery(t, config.Secret{Name: name, Value: storetest.FromEnv("P")}), map[string]string{"P": name}, "store")
		return err
	})
	if i := slices.IndexFunc(errs, func(err error) bool { return err != nil }); i >= 0 {
		t.Fatalf("writer %d: %v", i, errs[i])
	}
	wanted := map[string]any{}
	for i := range writers {
		wanted[fmt.Sprintf("key%d", i)] = fmt.Sprintf("key%d", i)
	}
	values, version := b.data(t, storetest.Place(t))
	if diff := cmp.Diff(wanted, values); diff != "" || version != writers {
		t.Errorf("version %d, want %d; values (-want +got):\n%s", version, writers, diff)
	}
}
