package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/secretctl/secretctl/internal/hint"
	"github.com/secretctl/secretctl/internal/secret"
)

const (
	nudgeAnnotation = "secretctl.dev/nudged-at"
	fieldManager    = "secretctl"
)

// ServiceAccountToken creates a token of a ServiceAccount, as kubelet does for a pod's
// volumes. Without audiences it is for the API server, which refuses an expiry below 10
// minutes.
func (c *Cluster) ServiceAccountToken(ctx context.Context, namespace, name string, audiences []string, expiry time.Duration) (secret.Value, error) {
	seconds := int64(expiry / time.Second)
	o := coreObject("serviceaccounts", namespace, name).at("token")
	made, err := create[authenticationv1.TokenRequest](ctx, c, o, authenticationv1.TokenRequest{
		Spec: authenticationv1.TokenRequestSpec{Audiences: audiences, ExpirationSeconds: &seconds},
	})
	if err != nil {
		return secret.Value{}, err
	}
	token := secret.New([]byte(made.Status.Token))
	c.sanitizer.Learn(token)
	return token, nil
}

// Nudge has kubelet sync a pod now, and publish its volumes again, which could take 90 s
// otherwise. It annotates the pod, which restarts nothing. The driver still skips what
// comes within its poll interval.
func (c *Cluster) Nudge(ctx context.Context, p Pod) error {
	body, err := json.Marshal(map[string]any{"metadata": map[string]any{
		"uid":         p.UID, // refuses a new pod of the same name
		"annotations": map[string]string{nudgeAnnotation: time.Now().UTC().Format(time.RFC3339Nano)},
	}})
	if err != nil {
		return err
	}
	_, err = patch[metav1.PartialObjectMetadata](ctx, c, coreObject("pods", p.Namespace, p.Name), types.MergePatchType, body, query{"fieldManager": fieldManager})
	return err
}

// Comparison is an object as it is in the cluster, and as applying would make it, both as
// JSON without the fields that the API server writes.
type Comparison struct {
	Live       []byte // nil if it does not exist
	Merged     []byte
	OtherOwner string // of the live one, as [Cluster.OtherOwner] returns it
}

// DryRunApply asks the API server what applying an object, given as JSON, would make of the
// live one, with its defaults and admission. It changes nothing. A field that the cluster
// does not know is an error, and an object that the server refuses is an [fs.ErrInvalid]. It
// refuses Secrets, whose values would be in the answer.
func (c *Cluster) DryRunApply(ctx context.Context, manifest []byte) (Comparison, error) {
	var wanted unstructured.Unstructured
	if err := wanted.UnmarshalJSON(manifest); err != nil {
		return Comparison{}, fmt.Errorf("kubernetes: the object to compare: %w", c.sanitizer.Err(err))
	}
	var result Comparison
	kind := wanted.GroupVersionKind()
	if kind.Group == "" && kind.Kind == "Secret" {
		return result, hint.Wrap(fmt.Errorf("kubernetes: Secret %s is not compared, because its values would be shown", wanted.GetName()), "leave it out, for example with --skip")
	}
	o, err := c.locate(ctx, kind, wanted.GetNamespace(), wanted.GetName())
	if err != nil {
		return result, err
	}
	live, err := get[unstructured.Unstructured](ctx, c, o, nil)
	switch {
	case err == nil:
		if wanted.GetLabels()[managedBy] == fieldManager {
			result.OtherOwner = otherOwner(live.GetLabels())
		}
		if result.Live, err = withoutServerFields(live); err != nil {
			return result, err
		}
	case !errors.Is(err, fs.ErrNotExist):
		return result, err
	}
	merged, err := patch[unstructured.Unstructured](ctx, c, o, types.ApplyPatchType, manifest, query{
		"dryRun": metav1.DryRunAll, "fieldManager": fieldManager, "fieldValidation": metav1.FieldValidationStrict,
		"force": "true", // a field of another manager is a difference, and no conflict
	})
	if err != nil {
		return result, err
	}
	result.Merged, err = withoutServerFields(merged)
	return result, err
}

// locate asks the API server which resource serves a kind.
func (c *Cluster) locate(ctx context.Context, kind schema.GroupVersionKind, namespace, name string) (object, error) {
	o := object{group: kind.Group, version: kind.Version}
	list, err := get[metav1.APIResourceList](ctx, c, o, nil)
	if err != nil {
		return o, err
	}
	i := slices.IndexFunc(list.APIResources, func(r metav1.APIResource) bool { return r.Kind == kind.Kind && r.SingularName != "" })
	if i < 0 {
		return o, fmt.Errorf("kubernetes: %s %s: %w", kind.GroupVersion(), kind.Kind, errNotServed)
	}
	o.resource, o.name = list.APIResources[i].Name, name
	if list.APIResources[i].Namespaced {
		o.namespace = namespace
	}
	return o, nil
}

// withoutServerFields leaves out what every write changes.
func withoutServerFields(u unstructured.Unstructured) ([]byte, error) {
	for _, field := range []string{"managedFields", "uid", "resourceVersion", "generation", "creationTimestamp"} {
		unstructured.RemoveNestedField(u.Object, "metadata", field)
	}
	unstructured.RemoveNestedField(u.Object, "status")
	return u.MarshalJSON()
}
