package aidbox_test

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/secretctl/secretctl/internal/sandbox/aidbox"
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

func TestAidboxReadsAgainOnlyWhatWasModified(t *testing.T) {
	a := prepared(t, references, time.Nanosecond)
	path := filepath.Join(a.root, "/run/client-secret")
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if !a.accepts(t, "right") {
		t.Fatal("the first value is refused")
	}
	if err := os.WriteFile(path, []byte("other"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(path, info.ModTime(), info.ModTime()); err != nil {
		t.Fatal(err)
	}
	if !a.accepts(t, "right") {
		t.Error("read again, although the modification time is the same")
	}
	if err := os.Chtimes(path, time.Now(), time.Now().Add(time.Second)); err != nil {
		t.Fatal(err)
	}
	if !a.accepts(t, "other") {
		t.Error("not read again, although it was modified")
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
			a.Close()
			if err := a.Start(); err != nil {
				t.Fatal(err)
			}
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
	a.Close()
	a.Close()
	if _, err := sandboxtest.Web.Get(a.URL + "/health"); err == nil {
		t.Error("it answers while it is down")
	}
	if err := a.Start(); err != nil {
		t.Fatal(err)
	}
	if !a.accepts(t, "right") {
		t.Error("the Client is gone")
	}
}

func TestAidboxGoesWrongAsTold(t *testing.T) {
	a := prepared(t, references, time.Nanosecond)
	a.admin(t, `PUT /fhir/Client/other {`+masked+`,`+grants+`}`, `PUT /fhir/AidboxTopicDestination/d {"parameter":[{"name":"header","_valueString":`+strings.TrimPrefix(masked, `"_secret":`)+`}]}`)
	a.write(t, configPath, strings.Replace(references, "TokenIntrospector", "AidboxTopicDestination", 1))
	if !a.accepts(t, "right") {
		t.Fatal("the first value is refused")
	}
	a.write(t, "/run/client-secret", "fresh")
	status := func(password string) int {
		status, _ := a.as(t, "basic", password, "GET /fhir/Patient")
		return status
	}
	read := func(what string) string {
		_, content := sandboxtest.Send(t, http.MethodGet, a.URL+what, "", http.Header{"Authorization": {"Basic " + basicOf(a.RootClient, a.RootSecret)}})
		return string(content)
	}
	check := func(name string, f aidbox.Faults, holds func() bool) {
		t.Helper()
		a.SetFaults(f)
		if !holds() {
			t.Error(name)
		}
		a.SetFaults(aidbox.Faults{})
	}
	check("IgnoreRotation", aidbox.Faults{IgnoreRotation: true}, func() bool {
		return status("right") == http.StatusOK && status("fresh") == http.StatusUnauthorized
	})
	check("no fault", aidbox.Faults{}, func() bool {
		return status("fresh") == http.StatusOK && status("right") == http.StatusUnauthorized
	})
	check("AcceptOld", aidbox.Faults{AcceptOld: true}, func() bool {
		return status("right") == http.StatusOK && status("fresh") == http.StatusOK && status("never") == http.StatusUnauthorized
	})
	check("AcceptAny", aidbox.Faults{AcceptAny: true}, func() bool {
		return status("never") == http.StatusOK && status("") == http.StatusOK
	})
	check("no IgnoreScope", aidbox.Faults{}, func() bool {
		status, _ := a.as(t, "other", "fresh", "GET /fhir/Patient")
		return status == http.StatusUnauthorized
	})
	check("IgnoreScope", aidbox.Faults{IgnoreScope: true}, func() bool {
		status, _ := a.as(t, "other", "fresh", "GET /fhir/Patient")
		return status == http.StatusOK
	})
	check("Status", aidbox.Faults{Status: http.StatusForbidden}, func() bool { return status("fresh") == http.StatusForbidden })
	check("HTML", aidbox.Faults{Status: http.StatusBadGateway, HTML: true}, func() bool {
		return strings.HasPrefix(read("/health"), "<html>")
	})
	check("Echo", aidbox.Faults{Echo: true}, func() bool {
		return strings.Contains(read("/fhir/Client/none"), basicOf(a.RootClient, a.RootSecret))
	})
	check("DropExtension", aidbox.Faults{DropExtension: true}, func() bool {
		client, destination := read("/fhir/Client/basic"), read("/fhir/AidboxTopicDestination/d")
		return !strings.Contains(client+destination, "extension") && strings.Contains(client, "grant_types")
	})
	check("Unmask", aidbox.Faults{Unmask: true}, func() bool {
		client, destination := read("/fhir/Client/basic"), read("/fhir/AidboxTopicDestination/d")
		return strings.Contains(client, `"secret":"fresh"`) && strings.Contains(destination, `"valueString":"fresh"`)
	})
	check("after all", aidbox.Faults{}, func() bool { return strings.Contains(read("/fhir/Client"), "secret-reference") })
}

func TestAidboxHangsUntilTheClientGivesUp(t *testing.T) {
	a := prepared(t, references, time.Hour)
	a.SetFaults(aidbox.Faults{Hang: true})
	impatient := http.Client{Timeout: 20 * time.Millisecond}
	if resp, err := impatient.Get(a.URL + "/health"); err == nil {
		t.Errorf("it answered %s", resp.Status)
	}
}
