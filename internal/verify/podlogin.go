package verify

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"github.com/secretctl/secretctl/internal/store"
)

// tokenLife is the shortest that the API server grants.
const tokenLife = 10 * time.Minute

// podCanRead does what the driver's provider does for the pod, or has a pod do it.
func podCanRead(ctx context.Context, r *run, _ subject) Result {
	if r.o.FromNode {
		return r.podMounts(ctx)
	}
	return r.podLogsIn(ctx)
}

// podLogsIn does the pod's login from here, and revokes the token.
func (r *run) podLogsIn(ctx context.Context) Result {
	if r.Provider.LoginOnNode(r.d) {
		return r.podGranted(ctx)
	}
	session, result := r.logInAsPod(ctx)
	if session == nil {
		return result
	}
	result = r.readAllAsPod(ctx, session)
	if s, ok := session.(store.Differing); ok && result.Status == StatusPass {
		if what, next := s.Difference(); what != "" {
			result.Detail += "; " + r.line(what)
			if next != "" {
				result = Warn("%s", result.Detail).WithHint("%s", next)
			}
		}
	}
	if err := session.End(ctx); err != nil && result.Status == StatusPass {
		return Warn("%s; but the token could not be revoked: %s", result.Detail, r.line(err.Error())).
			WithHint("it expires by itself")
	}
	return result
}

// podGranted reports what is known of a login that only a node can do.
func (r *run) podGranted(ctx context.Context) Result {
	const why = "only the pod's node can log in, so the login was not tried; "
	if slices.Contains(r.o.Selected, groupMount) {
		return Skip(why + "the mount checks show whether it works")
	}
	what, err := r.Store.Granted(ctx)
	if err != nil {
		result := r.unknown(err)
		result.Detail = why + result.Detail
		return result
	}
	return Unknown("%s%s", why, r.line(what)).WithHint("secretctl doctor --from-node tries it with a throw-away pod; once Aidbox runs, secretctl verify mount shows whether it works")
}

func (r *run) logInAsPod(ctx context.Context) (store.Session, Result) {
	registration, _ := r.driver.registered() // if it may not be read, as if it requested no tokens
	jwt, err := r.Cluster.ServiceAccountToken(ctx, r.d.Namespace, r.d.Aidbox.ServiceAccount, r.Provider.Audiences(r.d, registration.Audiences), tokenLife)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, r.noServiceAccount()
	case err != nil:
		return nil, r.unknown(fmt.Errorf("no token of the ServiceAccount: %w", err))
	}
	r.Sanitizer.Learn(jwt)
	session, err := r.Store.Login(ctx, jwt)
	switch {
	case errors.Is(err, fs.ErrPermission):
		return nil, r.fail(err)
	case err != nil:
		return nil, r.unknown(err)
	}
	return session, Result{}
}

func (r *run) noServiceAccount() Result {
	return Unknown("ServiceAccount %s/%s does not exist, so the login that the pod will do cannot be tried", r.d.Namespace, r.d.Aidbox.ServiceAccount).
		WithHint("secretctl render --only ServiceAccount | kubectl apply -f -")
}

// readAllAsPod reads every secret. It reports the first refusal in full, and otherwise only
// names the secrets that it cannot read.
func (r *run) readAllAsPod(ctx context.Context, session store.Session) Result {
	var worst Result
	var names []string
	for _, s := range r.d.Secrets {
		v, _, err := session.Get(ctx, s)
		r.Sanitizer.Learn(v)
		if err == nil || errors.Is(err, store.ErrPEM) {
			continue
		}
		result := r.unknown(err)
		if errors.Is(err, fs.ErrPermission) || errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrInvalid) {
			result = r.fail(err)
		}
		if len(names) == 0 || worst.Status != StatusFail && result.Status == StatusFail {
			worst = result
		}
		names = append(names, s.Name)
	}
	switch len(names) {
	case 0:
		return Pass("logs in %s and reads %s", r.Provider.PodIdentity(r.d), Count(len(r.d.Secrets), "secret"))
	case 1:
		return worst
	}
	worst.Detail += "; it cannot read " + strings.Join(names, ", ")
	return worst
}
