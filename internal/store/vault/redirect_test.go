package vault_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/secretctl/secretctl/internal/hint"
	"github.com/secretctl/secretctl/internal/store/storetest"
)

func TestRedirectToAnotherHostIsNotFollowed(t *testing.T) {
	other := fake(t, func(_ http.ResponseWriter, r *http.Request) {
		t.Errorf("%s %s was sent on, with token %t", r.Method, r.URL.Path, r.Header.Get("X-Vault-Token") != "")
	})
	b := fake(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, other.url+r.URL.RequestURI(), http.StatusTemporaryRedirect)
	})
	_, err := b.run(t, oneSecret(t, b), map[string]string{"P": storetest.Canary}, "store")
	storetest.WantError(t, err, "vault "+b.url+": answered a redirect to another host, which is not followed", other.url)
}

// Vault's client takes the answers of these for data.
func TestRedirectThatIsNotFollowedIsNamed(t *testing.T) {
	for _, status := range []int{http.StatusMultipleChoices, http.StatusSeeOther, http.StatusPermanentRedirect} {
		b := fake(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", "https://vault.example/v1/"+fakeToken)
			w.WriteHeader(status)
		})
		_, err := b.run(t, oneSecret(t, b), map[string]string{"P": storetest.Canary}, "store")
		storetest.WantError(t, err, fmt.Sprintf("answered %d, a redirect to https://vault.example", status))
		if !strings.Contains(hint.Of(err), "final address") {
			t.Errorf("hint %q", hint.Of(err))
		}
	}
}
