package cluster

import (
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"k8s.io/client-go/rest"
)

// longestFuzzed is how long an error may be: a message, and its context.
const longestFuzzed = 400 + 200

type answering struct {
	status int
	body   string
}

func (a answering) RoundTrip(req *http.Request) (*http.Response, error) {
	resp := &http.Response{StatusCode: a.status, Header: http.Header{}, Request: req, Body: io.NopCloser(strings.NewReader(a.body))}
	resp.Header.Set("Content-Type", "application/json")
	return resp, nil
}

// FuzzPodStatus has an API server that gives the same answer to every request about pods: it
// becomes facts, or an error that is fit to show.
func FuzzPodStatus(f *testing.F) {
	for _, body := range []string{
		`{"items": [{"metadata": {"generation": 2, "creationTimestamp": "2026-01-01T00:00:00Z", "ownerReferences": [{"kind": "Pod", "uid": "u"}],
			"managedFields": [{"time": "2026-01-02T00:00:00Z"}, {}]}, "status": {"podName": "b", "secretProviderClassName": "c", "mounted": true,
			"objects": [{"id": "secret/a", "version": "1"}, {"id": "secret/a", "version": "2"}]}}, {"status": {"podName": "a"}}]}`,
		`{"items": [{"metadata": {"ownerReferences": [{"kind": "ReplicaSet", "controller": true, "uid": "u"}]},
			"spec": {"volumes": [{"csi": {"driver": "secrets-store.csi.k8s.io", "volumeAttributes": {"secretProviderClass": "c"}}}]},
			"status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}], "containerStatuses": [{"name": "aidbox", "restartCount": 1}]}}]}`,
		`{"metadata": {"uid": "u", "generation": 1}, "spec": {"selector": {"matchLabels": {"a": "b"}}, "template": {"spec": {"containers": [{}]}}}, "status": {}}`,
		`{"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": "no\nway", "reason": "Forbidden", "code": 403}`,
		`{"items": null}`, `{"items": [null]}`, `[]`, ``, `<html>`, `{"spec": {"selector": {"matchExpressions": [{"operator": "?"}]}}}`,
	} {
		for status := range uint8(4) {
			f.Add(status, body)
		}
	}
	statuses := []int{http.StatusOK, http.StatusForbidden, http.StatusNotFound, http.StatusConflict}
	f.Fuzz(func(t *testing.T, status uint8, body string) {
		c, err := newCluster(&rest.Config{Host: "http://127.0.0.1:1", Transport: answering{statuses[int(status)%len(statuses)], body}}, Options{})
		if err != nil {
			t.Fatal(err)
		}
		found, err := c.PodStatuses(t.Context(), "default")
		fit(t, err)
		if slices.ContainsFunc(found, func(s PodStatus) bool { return s.Versions == nil }) {
			t.Errorf("facts that contradict each other: %v", found)
		}
		w, err := c.Workload(t.Context(), "default", "Deployment", "aidbox")
		fit(t, err)
		for _, p := range w.Pods {
			p.Status("aidbox")
		}
		_, err = c.SecretProviderClass(t.Context(), "default", "c")
		fit(t, err)
	})
}

func fit(t *testing.T, err error) {
	t.Helper()
	if err != nil && (strings.ContainsAny(err.Error(), "\n\r") || len([]rune(err.Error())) > longestFuzzed) {
		t.Errorf("not fit to show: %q", err)
	}
}
