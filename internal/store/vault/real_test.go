package vault_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/hint"
	"github.com/secretctl/secretctl/internal/provision"
	"github.com/secretctl/secretctl/internal/secret"
	"github.com/secretctl/secretctl/internal/store"
	"github.com/secretctl/secretctl/internal/store/storetest"
	"github.com/secretctl/secretctl/internal/store/vault"
	"github.com/secretctl/secretctl/test/realvault"
)

func TestRealVaultWithPrivateCANeedsIt(t *testing.T) {
	s := realvault.Start(t, realvault.TLS())
	b := &backend{url: s.Address, token: s.RootToken}
	d := oneSecret(t, b)
	env := map[string]string{"P": storetest.Canary}

	_, err := b.run(t, d, env, "store")
	storetest.WantError(t, err, s.Address, "TLS")
	if hint.Of(err) == "" {
		t.Error("no hint")
	}
	t.Setenv("VAULT_CACERT", s.CACert)
	got, err := b.run(t, d, env, "store")
	storetest.Want(t, got, err, "store create secret/"+storetest.Place(t)+"#password")

	plain := &backend{url: "http" + s.Address[len("https"):], token: s.RootToken}
	_, err = plain.run(t, oneSecret(t, plain), env, "store")
	storetest.WantError(t, err, "answered 400: unexpected response")
}

func TestRealVaultRestartedInTheMiddle(t *testing.T) {
	s := realvault.Start(t, realvault.File())
	b := &backend{s.Address, s.RootToken, s.UnsealKey}
	secrets, env := storetest.Numbered(t, 60)
	p := newProxy(t, b)
	d := p.delivery(t, secrets...)
	p.onWrite(30, func() { s.Restart(t) })

	done, err := p.run(t, d, env, "store")
	storetest.WantError(t, err, "sealed")
	p.before.Store(nil)
	s.Unseal(t)
	b.unseal(t)
	convergesFrom(t, p, d, env, done)
}

const (
	speedSecrets     = 1000
	speedConcurrency = 16
	speedRounds      = 5
)

// BenchmarkRealVault compares a run over 1,000 secrets with a bare loop that sends
// the same requests with the same concurrency, and reports the ratio of the two:
// "writes" where nothing is there yet, "reads" where everything is.
func BenchmarkRealVault(b *testing.B) {
	s := realvault.Start(b)
	v := &backend{url: s.Address, token: s.RootToken}
	round := 0
	folder := func() string { round++; return fmt.Sprintf("bench/%d", round) }
	b.Run("writes", func(b *testing.B) {
		compare(b, func() func() {
			run := v.speedRun(b, folder())
			return func() { run(store.Create) }
		}, func() func() {
			at := folder()
			return func() { v.bare(b, http.MethodPut, at) }
		})
	})
	b.Run("reads", func(b *testing.B) {
		at := folder()
		v.speedRun(b, at)(store.Create)
		compare(b, func() func() {
			run := v.speedRun(b, at)
			return func() { run(store.Unchanged) }
		}, func() func() { return func() { v.bare(b, http.MethodGet, at) } })
	})
}

// compare takes turns, so that what else the machine does strikes both alike, and
// reports the ratio of the fastest.
func compare(b *testing.B, ours, bare func() func()) {
	for b.Loop() {
		best := [2]time.Duration{time.Hour, time.Hour}
		for range speedRounds {
			for i, prepare := range []func() func(){ours, bare} {
				f := prepare()
				start := time.Now()
				f()
				best[i] = min(best[i], time.Since(start))
			}
		}
		b.ReportMetric(float64(best[0])/float64(best[1]), "ratio")
		b.ReportMetric(float64(best[0].Milliseconds()), "ms/run")
		b.ReportMetric(float64(best[1].Milliseconds()), "ms/bare")
		b.ReportMetric(0, "ns/op")
	}
}

// speedRun prepares a run over the secrets of a folder.
func (b *backend) speedRun(tb *testing.B, folder string) func(action string) {
	var secrets []config.Secret
	for i := range speedSecrets {
		secrets = append(secrets, config.Secret{Name: fmt.Sprintf("s%d", i), Path: fmt.Sprintf("%s/s%d", folder, i), Value: storetest.FromEnv("P")})
	}
	d := b.delivery(tb, secrets...)
	return func(action string) {
		vault, err := vault.Provider.Open(d, store.Options{Token: secret.New([]byte(b.token))})
		if err != nil {
			tb.Fatal(err)
		}
		steps := vault.Steps(storetest.Inputs(map[string]string{"P": storetest.Canary}), speedConcurrency)
		got, err := provision.Run(tb.Context(), steps, []string{"store"}, false)
		if err != nil || storetest.Count(got, action) != speedSecrets {
			tb.Fatalf("%d of %d are %s, error %v", storetest.Count(got, action), speedSecrets, action, err)
		}
	}
}

// bare is the least that anybody could do: one request for each secret.
func (b *backend) bare(tb *testing.B, method, folder string) {
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: speedConcurrency}}
	var group errgroup.Group
	group.SetLimit(speedConcurrency)
	for i := range speedSecrets {
		group.Go(func() error {
			var body io.Reader
			if method == http.MethodPut {
				text, err := json.Marshal(map[string]any{"data": map[string]any{fmt.Sprintf("s%d", i): storetest.Canary}, "options": map[string]any{"cas": 0}})
				if err != nil {
					return err
				}
				body = bytes.NewReader(text)
			}
			req, err := http.NewRequestWithContext(tb.Context(), method, fmt.Sprintf("%s/v1/secret/data/%s/s%d", b.url, folder, i), body)
			if err != nil {
				return err
			}
			req.Header.Set("X-Vault-Token", b.token)
			resp, err := client.Do(req)
			if err != nil {
				return err
			}
			defer func() { _ = resp.Body.Close() }()
			if resp.StatusCode != http.StatusOK {
				return fmt.Errorf("%s: %s", req.URL, resp.Status)
			}
			_, err = io.Copy(io.Discard, resp.Body)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		tb.Fatal(err)
	}
}
