package verify

import (
	"context"
	"errors"
	"io/fs"
	"strings"

	"github.com/secretctl/secretctl/internal/store"
)

const renderHint = "secretctl render | kubectl apply -f -"

// serviceAccount says whether the pods' ServiceAccount is as the delivery says.
func (r *run) serviceAccount(ctx context.Context) Result {
	want := r.d.Aidbox.ServiceAccount
	annotations, err := r.Cluster.ServiceAccount(ctx, r.d.Namespace, want)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return Fail("not found in namespace %s, so no pod can start", r.d.Namespace).WithHint("%s", renderHint)
	case err != nil:
		return r.unknown(err)
	}
	for name, value := range r.Provider.Annotations(r.d) {
		if annotations[name] != value {
			return Fail("its annotation %s is %q, which differs from the config", name, r.line(annotations[name])).WithHint("%s", renderHint)
		}
	}
	if r.pods.err == nil && r.pods.workload.Template.ServiceAccount != want {
		return Fail("ServiceAccount %s exists, but %s runs its pods as %s", want, r.d.Aidbox.Workload, r.pods.workload.Template.ServiceAccount).
			WithHint("the store accepts only %s: set serviceAccountName in the Deployment, or aidbox.serviceAccount in the config and run secretctl provision", want)
	}
	return Pass("found in namespace %s, and the pods run as it", r.d.Namespace)
}

// secretProviderClass says whether a SecretProviderClass is as the delivery says.
func (r *run) secretProviderClass(ctx context.Context, c store.Class) Result {
	spec, err := r.Cluster.SecretProviderClass(ctx, r.d.Namespace, c.Name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return Fail("%s", r.line(err.Error())).WithHint("%s; running pods keep their files, and get no new values", renderHint)
	case err != nil:
		return r.unknown(err)
	}
	wrong, odd := r.Provider.Compare(c, spec)
	switch {
	case len(wrong) > 0:
		return Fail("%s", r.line(strings.Join(append(wrong, odd...), "; "))).WithHint("secretctl render --only SecretProviderClass | kubectl apply -f -")
	case len(odd) > 0:
		return Warn("mounts the right secrets, but %s", r.line(strings.Join(odd, "; "))).
			WithHint("secretctl render --only SecretProviderClass | kubectl apply -f - fixes it")
	}
	return Pass("provider %s, its parameters and %s match the config", r.d.Provider, Count(len(c.Secrets), "object"))
}
