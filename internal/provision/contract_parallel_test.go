package provision_test

import (
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/provision"
)

// atOnce calls f n times at the same time and returns its errors.
func atOnce(n int, f func(i int) error) []error {
	errs := make([]error, n)
	start := make(chan struct{})
	var group sync.WaitGroup
	for i := range n {
		group.Go(func() {
			<-start
			errs[i] = f(i)
		})
	}
	close(start)
	group.Wait()
	return errs
}

func agreesInParallel(t *testing.T, b *backend) {
	const runs = 64
	d := b.delivery(t, config.Secret{Name: "password", Value: generated()}, config.Secret{Name: "given", Value: fromEnv("P")})
	results := make([][]provision.Change, runs)
	errs := atOnce(runs, func(i int) (err error) {
		results[i], err = b.run(t, d, map[string]string{"P": canary})
		return err
	})
	for i, err := range errs {
		if err != nil {
			t.Fatalf("run %d: %v", i, err)
		}
	}
	created, enabled := 0, 0
	for _, changes := range results {
		if changes[0].Action == provision.Create {
			created++
		}
		if slices.ContainsFunc(changes, func(c provision.Change) bool {
			return c.Object == "auth/"+d.Vault.AuthMount && c.Action == provision.Create
		}) {
			enabled++
		}
	}
	if enabled != 1 {
		t.Errorf("%d runs say that they enabled the auth method", enabled)
	}
	if values, version := b.data(t, place(t)); created != 1 || version != 1 || len(values) != 2 {
		t.Errorf("%d runs say that they created the value, and there are %d keys in version %d; want 1 run, 2 keys, version 1", created, len(values), version)
	}
	got, err := b.run(t, d, map[string]string{"P": canary})
	if err != nil || count(got, provision.Unchanged) != len(got) {
		t.Errorf("the run after: %v, error %v, want everything unchanged", got, err)
	}
}

func mergesParallelWriters(t *testing.T, b *backend) {
	const writers = 16
	errs := atOnce(writers, func(i int) error {
		name := fmt.Sprintf("key%d", i)
		_, err := b.run(t, b.delivery(t, config.Secret{Name: name, Value: fromEnv("P")}), map[string]string{"P": name}, "store")
		return err
	})
	if i := slices.IndexFunc(errs, func(err error) bool { return err != nil }); i >= 0 {
		t.Fatalf("writer %d: %v", i, errs[i])
	}
	wanted := map[string]any{}
	for i := range writers {
		wanted[fmt.Sprintf("key%d", i)] = fmt.Sprintf("key%d", i)
	}
	values, version := b.data(t, place(t))
	if diff := cmp.Diff(wanted, values); diff != "" || version != writers {
		t.Errorf("version %d, want %d; values (-want +got):\n%s", version, writers, diff)
	}
}
