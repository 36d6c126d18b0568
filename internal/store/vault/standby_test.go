package vault_test

import (
	"io"
	"net/http"
	"sync/atomic"
	"testing"

	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/secret"
	"github.com/secretctl/secretctl/internal/store/storetest"
)

// A performance standby of Vault Enterprise answers from what has reached it; asked for a
// state that has not, it answers 412.
func TestALaggingStandbyIsAskedAgain(t *testing.T) {
	standIn := startStandIn(t)
	standIn.store(t, storetest.Place(t), map[string]any{"password": "old"})
	p := newProxy(t, standIn)
	const state = "djE6aWQ6MToy"
	var written, refused atomic.Bool
	p.intercept(func(w http.ResponseWriter, r *http.Request) bool {
		switch {
		case r.Method == http.MethodPut:
			w.Header().Set("X-Vault-Index", state)
			written.Store(true)
		case written.Load() && r.Header.Get("X-Vault-Index") != state:
			t.Errorf("%s does not ask for the state of the write", r.URL.Path)
		case written.Load() && refused.CompareAndSwap(false, true):
			w.WriteHeader(http.StatusPreconditionFailed)
			_, _ = io.WriteString(w, `{"errors":["required index state not present"]}`)
			return true
		}
		return false
	})
	d := p.delivery(t, config.Secret{Name: "password"})
	v := p.vault(t, p.token, d)
	if _, err := v.Put(t.Context(), d.Secrets[0], secret.New([]byte(storetest.Canary))); err != nil {
		t.Fatal(err)
	}
	value, version, err := v.Get(t.Context(), d.Secrets[0])
	if err != nil || version != "2" || string(value.Reveal()) != storetest.Canary || !refused.Load() {
		t.Errorf("version %q, %v", version, err)
	}
}
