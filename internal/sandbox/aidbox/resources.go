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

// resource is a FHIR resource as it was sent, with the meta that the server adds.
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
		return outcome(http.StatusBadRequest, "structure", "The body must be a JSON object")
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

// outcome is the answer to a refused request. The code is one of FHIR's issue types.
func outcome(status int, code, text string) (int, any) {
	return status, map[string]any{
		"resourceType": "OperationOutcome", "id": code,
		"text":  map[string]any{"status": "generated", "div": text},
		"issue": []any{map[string]any{"severity": "fatal", "code": code, "diagnostics": text}},
	}
}

// client is what authentication needs of a Client.
type client struct {
	GrantTypes []string `json:"grant_types"`
	Secret     string   `json:"secret"`
	Masked     struct {
		Extension []struct{ URL, ValueCode, ValueString string }
	} `json:"_secret"`
}

// accessPolicy is what authorization needs of an AccessPolicy.
type accessPolicy struct {
	Engine string
	Link   []struct{ Reference, ResourceType, ID string }
}

// decode returns the fields of a resource that T has, as far as they have the right type.
func decode[T any](r resource) (t T) {
	text, err := json.Marshal(r)
	if err == nil {
		_ = json.Unmarshal(text, &t)
	}
	return t
}

const (
	absentReason    = "http://hl7.org/fhir/StructureDefinition/data-absent-reason"
	secretReference = "http://health-samurai.io/fhir/secret-reference"
)

// reference returns the name of the secret that the Client refers to. The reference counts
// only if another extension says that the value is masked.
func (c client) reference() (name string, found bool) {
	masked := false
	for _, e := range c.Masked.Extension {
		switch e.URL {
		case absentReason:
			masked = e.ValueCode == "masked"
		case secretReference:
			name = e.ValueString
		}
	}
	return name, masked && name != ""
}
