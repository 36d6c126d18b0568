package verify

import (
	"context"
	"errors"
	"io/fs"
	"strings"

	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/secret"
	"github.com/secretctl/secretctl/internal/store"
)

const classHint = "secretctl render --only SecretProviderClass | kubectl apply -f -"

// bundleAnnotation is what secretctl render puts on the pods with --with init-bundle.
const bundleAnnotation = "secretctl.dev/init-bundle-checksum"

// renderHint is how to apply what render writes with these flags. Without the Init
// Bundle, applying it would take that away from a workload that has one.
func (r *run) renderHint(flags string) string {
	if r.pods != nil && r.pods.workload.PodAnnotations[bundleAnnotation] != "" {
		flags += " --with init-bundle"
	}
	return "secretctl render" + flags + " | kubectl apply -f -"
}

// objectsHint says how to apply the objects that the pods refer to. If something else
// manages the workload, what render writes for it cannot be applied.
func (r *run) objectsHint() string {
	if r.d.Aidbox.Workload.External() {
		return r.renderHint(" --skip " + r.d.Aidbox.Workload.Kind)
	}
	return r.renderHint("")
}

// workloadHint says how the workload gets its volumes.
func (r *run) workloadHint() string {
	switch w := r.d.Aidbox.Workload; w.ManagedBy {
	case config.ManagedByKustomize:
		return secret.Shellf("secretctl render --patch | kubectl patch -n %s %s %s --patch-file /dev/stdin; or secretctl render --dir, and apply your kustomization",
			r.d.Namespace, strings.ToLower(w.Kind), w.Name)
	case config.ManagedByHelm:
		return "helm upgrade, with the values that secretctl render writes"
	}
	return r.renderHint("")
}

// serviceAccount compares the pods' ServiceAccount with the delivery.
func (r *run) serviceAccount(ctx context.Context) Result {
	want := r.d.Aidbox.ServiceAccount
	annotations, err := r.Cluster.ServiceAccount(ctx, r.d.Namespace, want)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return Fail("not found in namespace %s, so no pod can start", r.d.Namespace).WithHint("%s", r.objectsHint())
	case err != nil:
		return r.unknown(err)
	}
	for name, value := range r.Provider.Annotations(r.d) {
		if annotations[name] != value {
			return Fail("its annotation %s is %q, which differs from the config", name, r.line(annotations[name])).WithHint("%s", r.objectsHint())
		}
	}
	switch err := r.pods.err; {
	case errors.Is(err, fs.ErrNotExist): // workload/deployment reports it
		return Pass("found in namespace %s", r.d.Namespace)
	case err != nil:
		return r.podsUnknown("found in namespace "+r.d.Namespace, err)
	case r.pods.workload.Template.ServiceAccount != want:
		return Fail("ServiceAccount %s exists, but %s runs its pods as %s", want, r.d.Aidbox.Workload, r.pods.workload.Template.ServiceAccount).
			WithHint("the store accepts only %s: set serviceAccountName in the Deployment, or aidbox.serviceAccount in the config and run secretctl provision", want)
	}
	return Pass("found in namespace %s, and the pods run as it", r.d.Namespace)
}

// podsUnknown is the result if an object is right, and the pods that use it cannot be read.
func (r *run) podsUnknown(right string, why error) Result {
	result := r.unknown(why)
	result.Detail = right + "; the pods are not known: " + result.Detail
	return result
}

// secretProviderClass compares a SecretProviderClass with the delivery.
func (r *run) secretProviderClass(ctx context.Context, c store.Class) Result {
	spec, err := r.Cluster.SecretProviderClass(ctx, r.d.Namespace, c.Name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return Fail("%s", r.line(err.Error())).WithHint("%s; running pods keep their files, and get no new values", r.objectsHint())
	case err != nil:
		return r.unknown(err)
	}
	wrong, unusual := r.Provider.Compare(c, spec)
	switch {
	case len(wrong) > 0:
		return Fail("%s", r.line(strings.Join(append(wrong, unusual...), "; "))).WithHint(classHint)
	case len(unusual) > 0:
		return Warn("mounts the right secrets, but %s", r.line(strings.Join(unusual, "; "))).WithHint(classHint + " fixes it")
	}
	return Pass("provider %s, its parameters and %s match the config", r.d.Provider, Count(len(c.Secrets), "object"))
}
