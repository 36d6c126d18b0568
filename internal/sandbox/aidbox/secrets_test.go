package aidbox_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/secretctl/secretctl/test/sandboxtest"
)

// prepared starts an Aidbox whose Client "basic" uses the secret.
func prepared(t *testing.T, config string, ttl time.Duration) fixture {
	t.Helper()
	a := startAidbox(t, config, ttl)
	a.admin(t, `PUT /fhir/Client/basic {`+masked+`,`+grants+`}`, `PUT /fhir/AccessPolicy/p `+allow)
	return a
}

func TestAidboxUsesANewFileOnceItsCacheIsOld(t *testing.T) {
	const ttl = 50 * time.Millisecond
	a := prepared(t, references, ttl)
	if !a.accepts(t, "right") {
		t.Fatal("the first value is refused")
	}
	a.write(t, "/run/client-secret", "fresh")
	start := time.Now()
	sandboxtest.Eventually(t, "the new value is accepted", func() bool { return a.accepts(t, "fresh") })
	if a.accepts(t, "right") {
		t.Error("the old value is still accepted")
	}
	t.Logf("accepted after %s", time.Since(start))
}

func TestAidboxDoesNotLookAtTheFileWhileItsCacheIsFresh(t *testing.T) {
	a := prepared(t, references, time.Hour)
	if !a.accepts(t, "right") {
		t.Fatal("the first value is refused")
	}
	a.write(t, "/run/client-secret", "fresh")
	if !a.accepts(t, "right") || a.accepts(t, "fresh") {
		t.Error("the cache was not used")
	}
}

func TestAidboxRefusesWhenTheFileIsGone(t *testing.T) {
	a := prepared(t, references, time.Nanosecond)
	if !a.accepts(t, "right") {
		t.Fatal("the first value is refused")
	}
	if err := os.Remove(filepath.Join(a.root, "/run/client-secret")); err != nil {
		t.Fatal(err)
	}
	if a.accepts(t, "right") {
		t.Error("accepted without its file")
	}
}

func TestAidboxRereadsAConfigOfReferencesButNoneOfObjects(t *testing.T) {
	for name, c := range map[string]struct {
		config string
		want   bool
	}{"references": {references, false}, "object": {object, true}} {
		t.Run(name, func(t *testing.T) {
			a := prepared(t, c.config, time.Nanosecond)
			a.write(t, configPath, strings.Replace(c.config, "basic", "someone-else", 1))
			if got := a.accepts(t, "right"); got != c.want {
				t.Errorf("after the scope was taken away: accepted %v", got)
			}
			a.Stop()
			a.Restart()
			if a.accepts(t, "right") {
				t.Error("after a restart: accepted")
			}
		})
	}
}

func TestAidboxFindsAConfigThatComesLater(t *testing.T) {
	a := prepared(t, references, time.Nanosecond)
	if err := os.Remove(filepath.Join(a.root, configPath)); err != nil {
		t.Fatal(err)
	}
	if a.accepts(t, "right") {
		t.Error("accepted without a config")
	}
	a.write(t, configPath, references)
	if !a.accepts(t, "right") {
		t.Error("refused with a config")
	}
}

func TestAidboxComesBackAtItsAddressWithItsResources(t *testing.T) {
	a := prepared(t, references, time.Hour)
	a.Stop()
	if _, err := sandboxtest.Web.Get(a.URL + "/health"); err == nil {
		t.Error("it answers while it is down")
	}
	a.Restart()
	if !a.accepts(t, "right") {
		t.Error("the Client is gone")
	}
}
