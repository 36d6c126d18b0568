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
		return Fail("not in namespace %s: no pod can start with it", r.d.Namespace).WithHint("%s", renderHint)
	case err != nil:
		return r.unknown(err)
	}
	for name, value := range r.Provider.Annotations(r.d) {
		if annotations[name] != value {
			return Fail("its annotation %s is %q, and not as in the config", name, r.line(annotations[name])).WithHint("%s", renderHint)
		}
	}
	if r.pods.err == nil && r.pods.workload.Template.ServiceAccount != want {
		return Fail("ServiceAccount %s exists, but %s runs its pods as %s", want, r.d.Aidbox.Workload, r.pods.workload.Template.ServiceAccount).
			WithHint("the store lets in %s alone: set serviceAccountName in the Deployment, or aidbox.serviceAccount in the config and run secretctl provision", want)
	}
	return Pass("in namespace %s, and the pods run as it", r.d.Namespace)
}

// secretProviderClass says whether a SecretProviderClass is as the delivery says.
func (r *run) secretProviderClass(ctx context.Context, c store.Class) Result {
	spec, err := r.Cluster.SecretProviderClass(ctx, r.d.Namespace, c.Name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return Fail("%s", r.line(err.Error())).WithHint("%s; a running pod keeps its files without it, and gets no new value", renderHint)
	case err != nil:
		return r.unknown(err)
	}
	wrong, odd := r.Provider.Compare(c, spec)
	switch {
	case len(wrong) > 0:
		return Fail("%s", r.line(strings.Join(append(wrong, odd...), "; "))).WithHint("secretctl render --only SecretProviderClass | kubectl apply -f -")
	case len(odd) > 0:
		return Warn("mounts what the config says, but %s", r.line(strings.Join(odd, "; "))).
			WithHint("secretctl render --only SecretProviderClass | kubectl apply -f - puts it right")
	}
	return Pass("provider %s, parameters and %s are as in the config", r.d.Provider, count(len(c.Secrets), "object"))
}
