package aidbox

import (
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/secretctl/secretctl/internal/sandbox/loopback"
)

const maxResource = 1 << 20

// resource is a FHIR resource as it was sent, with the meta that the server adds.
type resource map[string]any

func readBody(w http.ResponseWriter, r *http.Request) ([]byte, bool) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxResource))
	if err != nil {
		status, document := outcome(http.StatusRequestEntityTooLarge, "too-long", "The body is too long")
		loopback.WriteJSON(w, status, document)
	}
	return body, err == nil
}

// instance reads, writes or deletes one resource.
func (a *Server) instance(r *http.Request, body []byte, kind, id string) (int, any) {
	key := kind + "/" + id
	stored := a.resources[key]
	if refused, document := checkMatch(r, stored); refused != 0 {
		return refused, document
	}
	switch r.Method {
	case http.MethodGet:
		switch {
		case a.deleted[key]:
			return outcome(http.StatusGone, "deleted", "Resource "+key+" was deleted")
		case stored == nil:
			return outcome(http.StatusNotFound, "not-found", "Resource "+key+" not found")
		}
		return http.StatusOK, a.faults.show(stored, a.secrets)
	case http.MethodDelete:
		if stored == nil {
			return http.StatusNoContent, nil
		}
		delete(a.resources, key)
		a.deleted[key] = true
		return http.StatusOK, a.faults.show(stored, a.secrets)
	case http.MethodPut:
		return a.put(body, kind, id)
	}
	return outcome(http.StatusMethodNotAllowed, "not-supported", "The method is not supported here")
}

// checkMatch compares the header If-Match with the stored version. Status 0
// means that the request may go on.
func checkMatch(r *http.Request, stored resource) (status int, document any) {
	match := strings.Trim(strings.TrimPrefix(r.Header.Get("If-Match"), "W/"), `"`)
	if match == "" || r.Method == http.MethodGet || (stored != nil && (match == "*" || match == stored.version())) {
		return 0, nil
	}
	return outcome(http.StatusPreconditionFailed, "conflict", "Version Id mismatch")
}

func (a *Server) create(body []byte, kind string) (int, any) {
	var sent struct {
		ID string `json:"id"`
	}
	if json.Unmarshal(body, &sent) != nil || sent.ID == "" || a.resources[kind+"/"+sent.ID] != nil {
		sent.ID = loopback.UUID()
	}
	return a.put(body, kind, sent.ID)
}

func (a *Server) put(body []byte, kind, id string) (int, any) {
	var sent resource
	if err := json.Unmarshal(body, &sent); err != nil || sent == nil {
		return outcome(http.StatusBadRequest, "structure", "The body is no JSON object")
	}
	if given, is := sent["resourceType"]; is && given != kind {
		return outcome(http.StatusUnprocessableEntity, "invalid", "resourceType in the body and in the path differ")
	}
	key, status := kind+"/"+id, http.StatusCreated
	if a.resources[key] != nil {
		status = http.StatusOK
	}
	a.versions++
	sent["resourceType"], sent["id"] = kind, id
	sent["meta"] = map[string]any{
		"versionId":   strconv.Itoa(a.versions),
		"lastUpdated": time.Now().UTC().Format("2006-01-02T15:04:05.000000Z"),
	}
	a.resources[key] = sent
	delete(a.deleted, key)
	return status, a.faults.show(sent, a.secrets)
}

// search returns all resources of a type.
func (a *Server) search(kind string) (int, any) {
	entries := []any{}
	for _, key := range slices.Sorted(maps.Keys(a.resources)) {
		if strings.HasPrefix(key, kind+"/") {
			entries = append(entries, map[string]any{
				"fullUrl": a.URL + "/fhir/" + key, "resource": a.faults.show(a.resources[key], a.secrets), "search": map[string]any{"mode": "match"},
			})
		}
	}
	return http.StatusOK, map[string]any{
		"resourceType": "Bundle", "type": "searchset", "total": len(entries), "entry": entries,
		"link": []any{map[string]any{"relation": "self", "url": a.URL + "/fhir/" + kind}},
	}
}

// outcome makes the answer of a refused request. The code is one of FHIR's issue
// types; the text quotes nothing that is secret.
func outcome(status int, code, text string) (int, any) {
	return status, map[string]any{
		"resourceType": "OperationOutcome", "id": code,
		"text":  map[string]any{"status": "generated", "div": text},
		"issue": []any{map[string]any{"severity": "fatal", "code": code, "diagnostics": text}},
	}
}

func (r resource) text(field string) string {
	s, _ := r[field].(string)
	return s
}

func (r resource) version() string {
	meta, _ := r["meta"].(map[string]any)
	return resource(meta).text("versionId")
}

// list returns a field's texts.
func (r resource) list(field string) []string {
	var all []string
	items, _ := r[field].([]any)
	for _, item := range items {
		if s, is := item.(string); is {
			all = append(all, s)
		}
	}
	return all
}

const (
	absentReason    = "http://hl7.org/fhir/StructureDefinition/data-absent-reason"
	secretReference = "http://health-samurai.io/fhir/secret-reference"
)

// reference returns the name of the secret that the extension of a field refers
// to. It counts only beside the statement that the value is masked.
func (r resource) reference(field string) (name string, found bool) {
	element, _ := r["_"+field].(map[string]any)
	extensions, _ := element["extension"].([]any)
	masked := false
	for _, e := range extensions {
		extension, _ := e.(map[string]any)
		switch resource(extension).text("url") {
		case absentReason:
			masked = extension["valueCode"] == "masked"
		case secretReference:
			name = resource(extension).text("valueString")
		}
	}
	return name, masked && name != ""
}
