package aidbox_test

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/secretctl/secretctl/internal/sandbox/aidbox"
	"github.com/secretctl/secretctl/test/sandboxtest"
)

const (
	configPath = "/etc/aidbox/vault-config.json"
	references = `{"secret": {"client-secret": {"path": "/run/client-secret", "scope": ["Client/basic", "TokenIntrospector"]}}}`
	object     = `{"secret": {"client-secret": {"path": "/run/client-secret", "scope": {"resource_type": "Client", "id": "basic"}}}}`
	masked     = `"_secret":{"extension":[
		{"url":"http://hl7.org/fhir/StructureDefinition/data-absent-reason","valueCode":"masked"},
		{"url":"http://health-samurai.io/fhir/secret-reference","valueString":"client-secret"}]}`
	grants = `"grant_types":["client_credentials","basic"]`
	allow  = `{"engine":"allow","link":[{"reference":"Client/basic"},{"resourceType":"Client","id":"other"}]}`
)

// fixture is an Aidbox whose files are in a folder of the test.
type fixture struct {
	*aidbox.Server
	root string
}

// startAidbox starts one with a vault config, and a secret where it says.
func startAidbox(t *testing.T, config string, ttl time.Duration) fixture {
	t.Helper()
	a := fixture{root: t.TempDir()}
	a.write(t, configPath, config)
	a.write(t, "/run/client-secret", "right")
	var err error
	a.Server, err = aidbox.Start(aidbox.Options{VaultConfig: configPath, Root: a.root, CacheTTL: ttl})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(a.Close)
	return a
}

// write replaces a file, so that it is another one.
func (a fixture) write(t *testing.T, path, content string) {
	t.Helper()
	path = filepath.Join(a.root, path)
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path+".new", []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

// as makes a request "METHOD path body" with Basic credentials.
func (a fixture) as(t *testing.T, id, password, request string) (int, map[string]any) {
	t.Helper()
	return a.with(t, http.Header{"Authorization": {"Basic " + basicOf(id, password)}}, request)
}

// basicOf encodes credentials for the header Authorization.
func basicOf(id, password string) string {
	return base64.StdEncoding.EncodeToString([]byte(id + ":" + password))
}

func (a fixture) with(t *testing.T, header http.Header, request string) (int, map[string]any) {
	t.Helper()
	method, rest, _ := strings.Cut(request, " ")
	path, body, _ := strings.Cut(rest, " ")
	status, content := sandboxtest.Send(t, method, a.URL+path, body, header)
	var answer map[string]any
	if len(content) > 0 {
		if err := json.Unmarshal(content, &answer); err != nil {
			t.Fatalf("%s: %d, no JSON: %s", request, status, content)
		}
	}
	return status, answer
}

// admin makes requests as root that have to succeed.
func (a fixture) admin(t *testing.T, requests ...string) (answer map[string]any) {
	t.Helper()
	for _, r := range requests {
		var status int
		if status, answer = a.as(t, "root", a.RootSecret, r); status >= http.StatusBadRequest {
			t.Fatalf("%s: %d %v", r, status, answer)
		}
	}
	return answer
}

// accepts says whether a password authenticates the Client "basic".
func (a fixture) accepts(t *testing.T, password string) bool {
	t.Helper()
	status, _ := a.as(t, "basic", password, "GET /fhir/Patient")
	return status == http.StatusOK
}

func TestAidboxAuthenticatesByTheMountedSecret(t *testing.T) {
	for _, c := range []struct {
		name, config, request, id, password string
		want                                int
	}{
		{"references", references, "GET /fhir/Patient", "basic", "right", http.StatusOK},
		{"object", object, "GET /fhir/Patient", "basic", "right", http.StatusOK},
		{"any of the type", strings.Replace(references, "Client/basic", "Client", 1), "GET /fhir/Patient", "other", "right", http.StatusOK},
		{"any of the type, object", strings.Replace(object, `, "id": "basic"`, "", 1), "GET /fhir/Patient", "other", "right", http.StatusOK},
		{"out of scope", references, "GET /fhir/Patient", "other", "right", http.StatusUnauthorized},
		{"out of scope, object", object, "GET /fhir/Patient", "other", "right", http.StatusUnauthorized},
		{"wrong", references, "GET /fhir/Patient", "basic", "wrong", http.StatusUnauthorized},
		{"empty", references, "GET /fhir/Patient", "basic", "", http.StatusUnauthorized},
		{"without permission", references, "GET /fhir/Patient", "unlinked", "literal", http.StatusForbidden},
		{"literal", references, "GET /fhir/Patient", "other", "literal", http.StatusUnauthorized},
		{"no such Client", references, "GET /fhir/Patient", "nobody", "right", http.StatusUnauthorized},
		{"name not in the config", strings.Replace(references, "client-secret", "else", 1), "GET /fhir/Patient", "basic", "right", http.StatusUnauthorized},
		{"no such file", strings.Replace(references, "/run/", "/nowhere/", 1), "GET /fhir/Patient", "basic", "right", http.StatusUnauthorized},
		{"relative path", strings.Replace(references, "/run/", "run/", 1), "GET /fhir/Patient", "basic", "right", http.StatusUnauthorized},
		{"path that leads up", strings.Replace(references, "/run/", "/../../run/", 1), "GET /fhir/Patient", "basic", "right", http.StatusOK},
		{"scope is a text", strings.NewReplacer("[", "", "]", "", `, "TokenIntrospector"`, "").Replace(references), "GET /fhir/Patient", "basic", "right", http.StatusUnauthorized},
		{"no JSON", "secret:", "GET /fhir/Patient", "basic", "right", http.StatusUnauthorized},
		{"without the grant type", references, "GET /fhir/Patient", "tokens-only", "literal", http.StatusUnauthorized},
		{"extension without masked", references, "GET /fhir/Patient", "unmasked", "right", http.StatusUnauthorized},
		{"health needs nothing", references, "GET /health", "", "", http.StatusOK},
		{"version needs a Client", references, "GET /$version", "", "", http.StatusUnauthorized},
		{"version", references, "GET /$version", "basic", "right", http.StatusOK},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := startAidbox(t, c.config, time.Hour)
			a.admin(t,
				`PUT /fhir/Client/basic {`+masked+`,`+grants+`}`, `PUT /fhir/Client/other {`+masked+`,`+grants+`}`,
				`PUT /fhir/Client/unmasked {`+strings.Replace(masked, `"masked"`, `"unknown"`, 1)+`,`+grants+`}`,
				`PUT /fhir/Client/unlinked {"secret":"literal",`+grants+`}`, `PUT /fhir/Client/tokens-only {"secret":"literal","grant_types":["client_credentials"]}`,
				`PUT /fhir/AccessPolicy/p `+allow,
			)
			status, answer := a.as(t, c.id, c.password, c.request)
			if status != c.want {
				t.Errorf("%d %v, want %d", status, answer, c.want)
			}
			if status >= http.StatusBadRequest && answer["resourceType"] != "OperationOutcome" {
				t.Errorf("%v is no OperationOutcome", answer)
			}
		})
	}
}

func TestAidboxTakesTheFilesBytesAsTheyAre(t *testing.T) {
	a := startAidbox(t, references, time.Nanosecond)
	a.admin(t, `PUT /fhir/Client/basic {`+masked+`,`+grants+`}`, `PUT /fhir/AccessPolicy/p `+allow)
	a.write(t, "/run/client-secret", "line\n")
	if a.accepts(t, "line") || !a.accepts(t, "line\n") {
		t.Error("the line break is not part of the secret")
	}
	a.write(t, "/run/client-secret", "")
	if a.accepts(t, "") {
		t.Error("an empty file lets everybody in")
	}
}

func TestAidboxGrantsTokens(t *testing.T) {
	a := startAidbox(t, references, time.Hour)
	a.admin(t, `PUT /fhir/Client/basic {`+masked+`,`+grants+`}`, `PUT /fhir/AccessPolicy/p {"engine":"allow"}`,
		`PUT /fhir/Client/basic-only {"secret":"literal","grant_types":["basic"]}`)
	form := http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}
	withBasic := form.Clone()
	withBasic.Set("Authorization", "Basic "+basicOf("basic", "right"))
	for _, c := range []struct {
		name   string
		header http.Header
		body   string
		want   int
		error  string
	}{
		{"by header", withBasic, "grant_type=client_credentials", http.StatusOK, ""},
		{"by form", form, "grant_type=client_credentials&client_id=basic&client_secret=right", http.StatusOK, ""},
		{"wrong", form, "grant_type=client_credentials&client_id=basic&client_secret=wrong", http.StatusUnauthorized, "invalid_client"},
		{"without the grant type", form, "grant_type=client_credentials&client_id=basic-only&client_secret=literal", http.StatusUnauthorized, "invalid_client"},
		{"another grant", form, "grant_type=password&client_id=basic&client_secret=right", http.StatusBadRequest, "unsupported_grant_type"},
		{"nothing", form, "", http.StatusBadRequest, "unsupported_grant_type"},
	} {
		t.Run(c.name, func(t *testing.T) {
			status, answer := a.with(t, c.header, "POST /auth/token "+c.body)
			if status != c.want {
				t.Fatalf("%d %v, want %d", status, answer, c.want)
			}
			if c.error != "" {
				if answer["error"] != c.error {
					t.Errorf("%v, want %s", answer, c.error)
				}
				return
			}
			bearer := http.Header{"Authorization": {"Bearer " + answer["access_token"].(string)}}
			if status, answer := a.with(t, bearer, "GET /fhir/Patient"); status != http.StatusOK {
				t.Errorf("with the token: %d %v", status, answer)
			}
		})
	}
	if status, _ := a.with(t, http.Header{"Authorization": {"Bearer "}}, "GET /fhir/Patient"); status != http.StatusUnauthorized {
		t.Errorf("an empty token: %d", status)
	}
}

func TestAidboxKeepsResources(t *testing.T) {
	a := startAidbox(t, references, time.Hour)
	put := `PUT /fhir/Client/basic {"resourceType":"Client","id":"basic",` + masked + `,` + grants + `}`
	for _, c := range []struct {
		request string
		want    int
	}{
		{"GET /fhir/Client/basic", http.StatusNotFound},
		{put, http.StatusCreated},
		{put, http.StatusOK},
		{"GET /fhir/Client/basic", http.StatusOK},
		{`PUT /fhir/Client/basic []`, http.StatusBadRequest},
		{"DELETE /fhir/Client/basic", http.StatusOK},
		{"DELETE /fhir/Client/basic", http.StatusNoContent},
		{"GET /fhir/Client/basic", http.StatusNotFound},
		{put, http.StatusCreated},
		{"GET /fhir/Client/basic/x", http.StatusNotFound},
		{"GET /nowhere", http.StatusNotFound},
	} {
		header := http.Header{"Authorization": {"Basic " + basicOf("root", a.RootSecret)}}
		if status, answer := a.with(t, header, c.request); status != c.want {
			t.Errorf("%s: %d %v, want %d", c.request, status, answer, c.want)
		}
	}
	found := a.admin(t, "GET /fhir/Client")
	if found["resourceType"] != "Bundle" || found["total"] != 1.0 {
		t.Errorf("search: %v", found)
	}
	got := a.admin(t, "GET /fhir/Client/basic")
	delete(got, "meta")
	var want map[string]any
	if err := json.Unmarshal([]byte(strings.TrimPrefix(put, "PUT /fhir/Client/basic ")), &want); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("read back (-want +got):\n%s", diff)
	}
}
