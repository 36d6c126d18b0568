package verify

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/store"
)

// tokenLife is what the API server gives at least.
const tokenLife = 10 * time.Minute

// podReader looks at the store, for itself and as the pod will.
type podReader struct {
	d  *config.Delivery
	w  Dependencies
	vs *values
	// mounted says that other checks look at what the pod has read.
	mounted bool
}

func (p *podReader) account() string { return "serviceaccount/" + p.d.Aidbox.ServiceAccount }

func storeChecks(d *config.Delivery, w Dependencies, vs *values, groups []string) []check {
	p := &podReader{d, w, vs, slices.Contains(groups, "mount")}
	reachable := []string{"store/reachable "}
	checks := []check{{"store/reachable", "", nil, p.reachable}}
	for _, s := range d.Secrets {
		checks = append(checks, check{"store/secret-present", s.Name, reachable, func(ctx context.Context) Result { return p.present(ctx, s) }})
	}
	podNeeds := []string{"store/reachable "}
	if !w.LoginOnNode {
		podNeeds = append(podNeeds, "cluster/api ")
	}
	return append(checks, check{"store/pod-can-read", p.account(), podNeeds, p.canRead})
}

func (p *podReader) reachable(ctx context.Context) Result {
	what, err := p.w.Store.Reach(ctx)
	switch {
	case errors.Is(err, fs.ErrInvalid):
		return p.vs.fail(err)
	case err != nil:
		return p.vs.unknown(err)
	}
	return Pass("%s answers", p.vs.clean.Line(what))
}

func (p *podReader) present(ctx context.Context, s config.Secret) Result {
	got := p.vs.stored(ctx, s)
	switch {
	case errors.Is(got.err, fs.ErrNotExist), errors.Is(got.err, fs.ErrInvalid):
		return p.vs.fail(got.err)
	case errors.Is(got.err, fs.ErrPermission):
		return p.seen(ctx, s, got.err)
	case got.err != nil:
		return p.vs.unknown(got.err)
	case got.value.Empty():
		return Fail("the stored value is empty, version %s", got.version).WithHint("secretctl provision, or write a value")
	case got.value.EndsInNewline():
		return Warn("the stored value ends in a line break, version %s", got.version).WithHint(newlineHint)
	}
	return Pass("stored, version %s", got.version)
}

// seen says what is known of a secret whose value may not be read.
func (p *podReader) seen(ctx context.Context, s config.Secret, denied error) Result {
	switch newest, err := p.vs.newest(ctx, s); {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, fs.ErrInvalid):
		return p.vs.fail(err)
	case err == nil:
		return Pass("stored, version %s; its value is not for secretctl to read", strings.Join(newest, " or "))
	}
	return p.vs.unknown(denied)
}

// granted says what is known of a login that only a node can do.
func (p *podReader) granted(ctx context.Context) Result {
	const why = "only the node can do the pod's login, so it was not tried; "
	if p.mounted {
		return Skip(why + "the checks of the group mount show whether it works")
	}
	what, err := p.w.Store.Granted(ctx)
	if err != nil {
		r := p.vs.unknown(err)
		r.Detail = why + r.Detail
		return r
	}
	return Unknown("%s%s", why, p.vs.clean.Line(what)).WithHint("once a pod runs, secretctl verify mount shows whether it works")
}

// canRead does what the driver's provider does for the pod, and gives the token
// back.
func (p *podReader) canRead(ctx context.Context) Result {
	if p.w.LoginOnNode {
		return p.granted(ctx)
	}
	session, r := p.logIn(ctx)
	if session == nil {
		return r
	}
	r = p.readAll(ctx, session)
	if err := session.End(ctx); err != nil && r.Status == StatusPass {
		return Warn("%s; but the token could not be given back: %s", r.Detail, p.vs.clean.Line(err.Error())).
			WithHint("it ends by itself after %s", p.d.Vault.TokenTTL)
	}
	return r
}

func (p *podReader) logIn(ctx context.Context) (store.Session, Result) {
	site := platform{d: p.d}
	if driver, err := p.w.Cluster.CSIDriver(ctx); err == nil { // without the right to look, as if it requested none
		site.driver = driver
	}
	audiences := site.podAudiences()
	jwt, err := p.w.Cluster.ServiceAccountToken(ctx, p.d.Namespace, p.d.Aidbox.ServiceAccount, audiences, tokenLife)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, Unknown("ServiceAccount %s/%s does not exist, so the login that the pod will do cannot be tried: role, policy and paths are not proved", p.d.Namespace, p.d.Aidbox.ServiceAccount).
			WithHint("secretctl render --only ServiceAccount | kubectl apply -f -")
	case err != nil:
		return nil, p.vs.unknown(fmt.Errorf("no token of the ServiceAccount: %w", err))
	}
	session, err := p.w.Store.Login(ctx, p.vs.learn(jwt))
	switch {
	case errors.Is(err, fs.ErrPermission):
		return nil, p.vs.fail(err)
	case err != nil:
		return nil, p.vs.unknown(err)
	}
	return session, Result{}
}

// readAll reads every secret. Of those that it cannot read it tells of the first
// refusal in full, of the others the names.
func (p *podReader) readAll(ctx context.Context, session store.Session) Result {
	var worst Result
	var names []string
	for _, s := range p.d.Secrets {
		v, _, err := session.Get(ctx, s)
		p.vs.learn(v)
		if err == nil {
			continue
		}
		r := p.vs.unknown(err)
		if errors.Is(err, fs.ErrPermission) || errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrInvalid) {
			r.Status = StatusFail
		}
		if len(names) == 0 || worst.Status != StatusFail && r.Status == StatusFail {
			worst = r
		}
		names = append(names, s.Name)
	}
	switch len(names) {
	case 0:
		return Pass("logs in %s and reads the delivery's %s", p.as(), count(len(p.d.Secrets), "secret"))
	case 1:
		return worst
	}
	worst.Detail += "; it cannot read " + strings.Join(names, ", ")
	return worst
}

// as says who the pod is in the store.
func (p *podReader) as() string {
	if p.d.Provider == config.ProviderAzure {
		return "as the managed identity with the client id " + p.d.Azure.Identity.ClientID
	}
	return "with role " + p.d.Vault.Role
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
