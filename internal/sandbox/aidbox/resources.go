package aidbox

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// resource is a FHIR resource as it was sent, with what the server adds to its meta.
type resource map[string]any

// instance reads, writes or deletes one resource; key is "Type/id".
func (a *Server) instance(method string, body []byte, key string) (int, any) {
	stored := a.resources[key]
	switch method {
	case http.MethodPut:
		return a.put(body, key)
	case http.MethodDelete:
		if delete(a.resources, key); stored == nil {
			return http.StatusNoContent, nil
		}
	}
	if stored == nil {
		return outcome(http.StatusNotFound, "not-found", "Resource "+key+" not found")
	}
	return http.StatusOK, stored
}

func (a *Server) put(body []byte, key string) (int, any) {
	var sent resource
	if err := json.Unmarshal(body, &sent); err != nil || sent == nil {
		return outcome(http.StatusBadRequest, "structure", "The body is no JSON object")
	}
	status := http.StatusCreated
	if a.resources[key] != nil {
		status = http.StatusOK
	}
	a.versions++
	sent["resourceType"], sent["id"], _ = strings.Cut(key, "/")
	meta, _ := sent["meta"].(map[string]any)
	if meta == nil {
		meta = map[string]any{}
	}
	meta["versionId"] = strconv.Itoa(a.versions)
	meta["lastUpdated"] = time.Now().UTC().Format("2006-01-02T15:04:05.000000Z")
	sent["meta"] = meta
	a.resources[key] = sent
	return status, sent
}

// search returns all resources of a type.
func (a *Server) search(kind string) (int, any) {
	entries := []any{}
	for _, key := range slices.Sorted(maps.Keys(a.resources)) {
		if strings.HasPrefix(key, kind+"/") {
			entries = append(entries, map[string]any{"fullUrl": a.URL + "/fhir/" + key, "resource": a.resources[key]})
		}
	}
	return http.StatusOK, map[string]any{"resourceType": "Bundle", "type": "searchset", "total": len(entries), "entry": entries}
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
