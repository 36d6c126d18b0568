package cluster

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"os"
	"unicode/utf8"

	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// What the API server takes at most of an Event, in bytes.
const (
	maxNote     = 1024
	maxInstance = 128
)

// Notice is an Event to leave at a Deployment.
type Notice struct {
	Namespace, Deployment string
	Warning               bool
	Reason                string // in CamelCase
	Action                string // what was done, as one word
	Note                  string // without any secret; what is too long is cut
}

// EmitEvent leaves an Event at a Deployment, where kubectl describe shows it. The
// cluster keeps it for an hour, unless it is told otherwise.
func (c *Cluster) EmitEvent(ctx context.Context, n Notice) error {
	at := appsObject("deployments", n.Namespace, n.Deployment)
	d, err := get[metav1.PartialObjectMetadata](ctx, c, at, nil)
	if err != nil {
		return err
	}
	suffix := make([]byte, 8)
	_, _ = rand.Read(suffix)
	kind := corev1.EventTypeNormal
	if n.Warning {
		kind = corev1.EventTypeWarning
	}
	host, err := os.Hostname()
	if err != nil || host == "" {
		host = fieldManager
	}
	o := object{group: "events.k8s.io", version: "v1", resource: "events", namespace: n.Namespace}
	_, err = create[metav1.PartialObjectMetadata](ctx, c, o, eventsv1.Event{
		TypeMeta:   metav1.TypeMeta{APIVersion: "events.k8s.io/v1", Kind: "Event"},
		ObjectMeta: metav1.ObjectMeta{Name: "secretctl." + hex.EncodeToString(suffix), Namespace: n.Namespace},
		EventTime:  metav1.NowMicro(), ReportingController: "secretctl.dev/secretctl", ReportingInstance: cut(host, maxInstance),
		Type: kind, Reason: n.Reason, Action: n.Action, Note: cut(n.Note, maxNote),
		Regarding: corev1.ObjectReference{
			APIVersion: "apps/v1", Kind: "Deployment", Namespace: n.Namespace, Name: n.Deployment, UID: d.UID,
		},
	})
	return err
}

// cut returns the beginning of a text, of at most so many bytes.
func cut(text string, most int) string {
	if len(text) <= most {
		return text
	}
	const dots = "..."
	text = text[:most-len(dots)]
	for !utf8.ValidString(text) && text != "" {
		text = text[:len(text)-1]
	}
	return text + dots
}
