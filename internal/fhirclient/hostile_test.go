package fhirclient

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/secretctl/secretctl/internal/hint"
	"github.com/secretctl/secretctl/internal/secret"
	"github.com/secretctl/secretctl/test/secrettest"
)

// fieldsOfAidbox are responses of Aidbox with any text in one field.
var fieldsOfAidbox = map[string]func(text string) (status int, header http.Header, body any){
	"diagnostics": func(text string) (int, http.Header, any) { return outcomeOf("diagnostics", text) },
	"severity":    func(text string) (int, http.Header, any) { return outcomeOf("severity", text) },
	"code":        func(text string) (int, http.Header, any) { return outcomeOf("code", text) },
	"expression":  func(text string) (int, http.Header, any) { return outcomeOf("expression", []string{text}) },
	"details.text": func(text string) (int, http.Header, any) {
		return outcomeOf("details", map[string]any{"text": text})
	},
	"details.coding": func(text string) (int, http.Header, any) {
		return outcomeOf("details", map[string]any{"coding": []any{map[string]any{"display": text}}})
	},
	"two issues": func(text string) (int, http.Header, any) {
		half := len([]rune(text)) / 2
		issue := func(text string) map[string]any { return map[string]any{"severity": "error", "diagnostics": text} }
		return 422, nil, map[string]any{"issue": []any{issue(string([]rune(text)[:half])), issue(string([]rune(text)[half:]))}}
	},
	"error":             func(text string) (int, http.Header, any) { return 400, nil, map[string]any{"error": text} },
	"error_description": func(text string) (int, http.Header, any) { return 400, nil, map[string]any{"error_description": text} },
	"message":           func(text string) (int, http.Header, any) { return 403, nil, map[string]any{"message": text} },
	"Location": func(text string) (int, http.Header, any) {
		return 302, http.Header{"Location": {"https://elsewhere.example/" + url.PathEscape(text)}}, nil
	},
	"version": func(text string) (int, http.Header, any) { return 200, nil, map[string]any{"version": text} },
	"id": func(text string) (int, http.Header, any) {
		return 200, nil, map[string]any{"resourceType": "Client", "id": text}
	},
	"resourceType": func(text string) (int, http.Header, any) {
		return 200, nil, map[string]any{"resourceType": text, "id": "basic"}
	},
	"other fields": func(text string) (int, http.Header, any) {
		return 200, nil, map[string]any{
			"resourceType": "Client", "id": "basic", "description": text, text: true, "auth": map[string]any{text: []any{text}},
			"_secret": map[string]any{"extension": []any{
				map[string]any{"url": absentReasonURL, "valueCode": "masked"}, map[string]any{"url": secretReferenceURL, "valueString": text},
			}},
		}
	},
}

func outcomeOf(field string, value any) (int, http.Header, any) {
	return 422, nil, map[string]any{"resourceType": "OperationOutcome", "issue": []any{map[string]any{field: value}}}
}

// saidOf calls every method of a Client of a server with that response, and returns all texts that they return.
func saidOf(t *testing.T, status int, header http.Header, body any) string {
	t.Helper()
	c := newClient(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		maps.Copy(w.Header(), header)
		w.Header().Set("Content-Type", "application/fhir+json")
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(body)
	}))
	ctx, r := t.Context(), aClient()
	var said []string
	add := func(things ...any) {
		for _, thing := range things {
			if err, ok := thing.(error); ok {
				said = append(said, hint.Of(err))
			}
			said = append(said, fmt.Sprint(thing))
		}
	}
	version, err := c.Version(ctx)
	add(version, err, c.Health(ctx))
	_, detail, err := c.Probe(ctx, "/fhir/Patient", "basic", secret.New([]byte(probedValue)))
	add(detail, err)
	_, detail, err = c.Token(ctx, "basic", secret.New([]byte(probedValue)))
	add(detail, err)
	change, err := c.Apply(ctx, r)
	add(change, err)
	change, err = c.Delete(ctx, "Client", "basic")
	add(change, err)
	got, literals, err := c.Get(ctx, r)
	for line := range strings.Lines(string(got)) {
		add(strings.TrimRight(line, "\n"))
	}
	add(literals, err)
	refs, literals, err := c.References(ctx, r)
	add(refs, literals, err)
	compared, err := c.Compare(ctx, r)
	add(compared, err)
	for _, one := range said {
		if forged := secrettest.Forged(one); forged != "" {
			t.Errorf("%s is in %q", forged, one)
		}
	}
	return strings.Join(said, "\n")
}

func TestNoFieldOfAidboxForgesALine(t *testing.T) {
	for name, answer := range fieldsOfAidbox {
		t.Run(name, func(t *testing.T) {
			status, header, body := answer(secrettest.Attack)
			saidOf(t, status, header, body)
		})
	}
}

// marker accompanies the secret: it appears in a text that passes, and not in one that is withheld.
const marker = "xq7marker"

func TestNoFieldOfAidboxRepeatsASecretInAnyEncoding(t *testing.T) {
	for name, answer := range fieldsOfAidbox {
		t.Run(name, func(t *testing.T) {
			for _, e := range secrettest.Encoders {
				for _, value := range []string{adminSecret, probedValue} {
					if e.Name == "rot13" {
						continue // of "canary-of-the-client" it leaves words that are ordinary
					}
					status, header, body := answer(marker + " " + e.Encode(value))
					said := saidOf(t, status, header, body)
					if i := strings.Index(said, marker); i >= 0 {
						t.Errorf("%s of %q passes: %.200s", e.Name, value, said[i:])
					}
				}
			}
		})
	}
}
