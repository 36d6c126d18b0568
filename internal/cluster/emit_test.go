package cluster

import (
	"encoding/json"
	"errors"
	"io/fs"
	"net/http"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
)

func TestEventIsLeftAtTheDeployment(t *testing.T) {
	var got eventsv1.Event
	c := serve(t, func(w http.ResponseWriter, req *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		switch req.Method + " " + req.URL.Path {
		case "GET /apis/apps/v1/namespaces/prod/deployments/aidbox":
			_, _ = w.Write([]byte(`{"metadata": {"name": "aidbox", "namespace": "prod", "uid": "u-1"}}`))
		case "POST /apis/events.k8s.io/v1/namespaces/prod/events":
			if err := json.NewDecoder(req.Body).Decode(&got); err != nil {
				t.Error(err)
			}
			w.WriteHeader(http.StatusCreated)
			_, _ = w.Write([]byte(`{}`))
		default:
			t.Errorf("asked %s %s", req.Method, req.URL)
		}
	})
	n := Notice{Namespace: "prod", Deployment: "aidbox", Warning: true, Reason: "R", Action: "Verify", Note: strings.Repeat("ü", 600)}
	if err := c.EmitEvent(t.Context(), n); err != nil {
		t.Fatal(err)
	}
	want := corev1.ObjectReference{APIVersion: "apps/v1", Kind: "Deployment", Namespace: "prod", Name: "aidbox", UID: "u-1"}
	if got.Regarding != want || got.Type != "Warning" || got.Reason != "R" || got.Action != "Verify" ||
		got.Namespace != "prod" || got.Name == "" || got.ReportingController == "" || got.ReportingInstance == "" ||
		time.Since(got.EventTime.Time) > time.Hour {
		t.Errorf("event is %+v", got)
	}
	if len(got.Note) > maxNote || got.Note != strings.Repeat("ü", 510)+"..." {
		t.Errorf("note has %d bytes: %s", len(got.Note), got.Note)
	}
}

func TestEventWithoutADeploymentIsNotLeft(t *testing.T) {
	c := fakeAPI{"/apis/apps/v1/namespaces/prod/deployments/aidbox": {http.StatusNotFound, `{"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "NotFound", "code": 404}`}}.connect(t)
	err := c.EmitEvent(t.Context(), Notice{Namespace: "prod", Deployment: "aidbox"})
	if !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}
