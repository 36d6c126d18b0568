// Package render turns a delivery into Kubernetes manifests. The text comes from
// templates; each document is parsed back and compared with the delivery before
// it leaves, so that a template can be wrong but not silently. It talks to no
// server, holds no secret value, and gives the same bytes for the same delivery.
package render

import (
	"cmp"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/agnivade/levenshtein"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	spcv1 "sigs.k8s.io/secrets-store-csi-driver/apis/v1"

	"github.com/secretctl/secretctl/internal/config"
)

// Options says what to render, and from which templates.
type Options struct {
	// Templates may hold a file for each embedded template that it replaces.
	// Nil means the embedded ones alone.
	Templates fs.FS
	// Only and Skip are kinds, in any case. Empty means all, and none.
	Only, Skip []string
}

// Object is one manifest.
type Object struct {
	Delivery              string // the name of the delivery that it is part of
	Kind, Namespace, Name string
	YAML                  []byte // one document with its comments, no "---", one newline at the end
	JSON                  []byte // the same without the comments, on one line
}

// object is what the Kubernetes types have in common.
type object interface {
	runtime.Object
	metav1.Object
}

// manifest is a row of the list of what is rendered.
type manifest struct {
	apiVersion, kind, name string
	template               string
	decoded                object // filled when the result is read back
	view                   *view  // what the template sees
}

// manifests is in the order in which a cluster wants them: what is referred to first.
func manifests(d *config.Delivery) []manifest {
	v := newView(d)
	all := []manifest{{"v1", "ServiceAccount", v.Aidbox.ServiceAccount, "serviceaccount.yaml.tmpl", &corev1.ServiceAccount{}, v}}
	for _, m := range v.Mounts {
		all = append(all, manifest{
			"secrets-store.csi.x-k8s.io/v1", "SecretProviderClass", m.SecretProviderClass,
			"secretproviderclass-" + v.Provider + ".yaml.tmpl", &spcv1.SecretProviderClass{}, v.class(d, m),
		})
	}
	return append(all,
		manifest{"v1", "ConfigMap", v.ConfigMap, "configmap.yaml.tmpl", &corev1.ConfigMap{}, v},
		manifest{"apps/v1", "Deployment", v.Aidbox.Deployment, "deployment.yaml.tmpl", &appsv1.Deployment{}, v},
	)
}

// Error says why a delivery cannot be rendered as asked. Nothing was written.
type Error struct {
	err  error
	hint string
}

func (e *Error) Error() string { return e.err.Error() }
func (e *Error) Unwrap() error { return e.err }

// Hint says what to do about it, or "".
func (e *Error) Hint() string { return e.hint }

func refuse(hint, format string, args ...any) error {
	return &Error{fmt.Errorf(format, args...), hint}
}

// selectFrom returns the manifests that o asks for.
func (o Options) selectFrom(all []manifest) ([]manifest, error) {
	for _, kind := range slices.Concat(o.Only, o.Skip) {
		if !slices.ContainsFunc(all, func(m manifest) bool { return m.in([]string{kind}) }) {
			return nil, unknownKind(kind, all)
		}
	}
	kept := slices.DeleteFunc(all, func(m manifest) bool {
		return len(o.Only) > 0 && !m.in(o.Only) || m.in(o.Skip)
	})
	if len(kept) == 0 {
		return nil, refuse("name fewer kinds to skip", "no kind is left to render")
	}
	return kept, nil
}

func (m manifest) in(kinds []string) bool {
	return slices.ContainsFunc(kinds, func(kind string) bool { return strings.EqualFold(m.kind, kind) })
}

func unknownKind(kind string, all []manifest) error {
	var names []string
	for _, m := range all {
		if levenshtein.ComputeDistance(strings.ToLower(kind), strings.ToLower(m.kind)) <= 3 {
			return refuse("did you mean "+m.kind+"?", "unknown kind %q", kind)
		}
		names = append(names, m.kind)
	}
	return refuse("kinds are "+strings.Join(names, ", "), "unknown kind %q", kind)
}

// Objects renders a delivery as config.Load returns it, in the order in which to
// apply: ServiceAccount, SecretProviderClass, ConfigMap, Deployment. It fails with
// an [*Error] where o names what there is not, and where a template does not give
// the object that the delivery describes.
func Objects(d *config.Delivery, o Options) ([]Object, error) {
	selected, err := o.selectFrom(manifests(d))
	if err != nil {
		return nil, err
	}
	from, err := newSources(o.Templates)
	if err != nil {
		return nil, err
	}
	var objects []Object
	for _, m := range selected {
		object, err := m.render(from)
		if err != nil {
			return nil, refuse("", "template %s: %w", m.template, err)
		}
		objects = append(objects, object)
	}
	return objects, nil
}

func (m manifest) render(from sources) (Object, error) {
	v := m.view
	text, err := from.execute(m.template, v)
	if err != nil {
		return Object{}, err
	}
	json, err := decode(text, m.decoded)
	if err != nil {
		return Object{}, err
	}
	if err := cmp.Or(m.checkIdentity(v), v.checkContents(m.decoded)); err != nil {
		return Object{}, err
	}
	return Object{Delivery: v.Name, Kind: m.kind, Namespace: v.Namespace, Name: m.name, YAML: text, JSON: json}, nil
}

// Collisions returns an [*Error] that names the objects that are there twice, of
// the same kind, namespace and name: when applied, the second would take the
// place of the first.
func Collisions(objects []Object) error {
	type key struct{ kind, namespace, name string }
	owner := map[key]string{}
	var found []string
	for _, o := range objects {
		k := key{o.Kind, o.Namespace, o.Name}
		if first, taken := owner[k]; taken {
			found = append(found, fmt.Sprintf("%s %s/%s is in delivery %q and in %q", o.Kind, o.Namespace, o.Name, first, o.Delivery))
			continue
		}
		owner[k] = o.Delivery
	}
	if len(found) == 0 {
		return nil
	}
	return refuse("give one of them another name or namespace", "%s", strings.Join(found, "; "))
}
