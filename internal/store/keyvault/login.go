package keyvault

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/msi/armmsi"

	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/hint"
	"github.com/secretctl/secretctl/internal/secret"
	"github.com/secretctl/secretctl/internal/store"
	"github.com/secretctl/secretctl/internal/store/keyvault/azure"
)

// session is the Key Vaults as a pod with workload identity has them.
type session struct{ *Store }

// Login implements [store.Store] for workload identity: it exchanges a token of the
// pod's ServiceAccount for one of the managed identity.
func (v *Store) Login(ctx context.Context, jwt secret.Value) (store.Session, error) {
	if !isWorkload(v.d) {
		return nil, store.ErrLoginOnNode
	}
	v.azure.Learn(jwt)
	if _, err := v.fillIn(ctx); err != nil {
		return nil, err
	}
	as := v.azure.Federated(v.d.Azure.TenantID, v.d.Azure.Identity.ClientID, jwt)
	_, err := as.Credential().GetToken(ctx, policy.TokenRequestOptions{Scopes: []string{v.azure.VaultScope()}, TenantID: v.d.Azure.TenantID})
	if login, ok := errors.AsType[*azure.LoginError](err); ok && login.Code() != 0 {
		why, next := v.whyNoLogin(ctx, store.ReadClaims(jwt))
		return nil, hint.Wrap(store.Refused(fmt.Sprintf("azure: the pod's login was refused (AADSTS%d): %s", login.Code(), why)), "%s", next)
	}
	if err != nil {
		return nil, fmt.Errorf("azure: the pod's login: %w", v.azure.Explain(ctx, err))
	}
	o := v.o
	o.Waiting = nil
	pod, err := newStore(v.d, o, as)
	if err != nil {
		return nil, err
	}
	return session{pod}, nil
}

// Get implements [store.Session].
func (s session) Get(ctx context.Context, wanted config.Secret) (secret.Value, string, error) {
	value, version, err := s.Store.Get(ctx, wanted)
	if errors.Is(err, store.ErrDenied) {
		err = hint.Wrap(s.about(wanted, store.Refused("permission denied: the pod's identity needs the role "+s.readRole)),
			"run: secretctl provision --phase grant; a role assigned in the last 10 minutes may not be in force yet; the identity has the client id %s", s.d.Azure.Identity.ClientID)
	}
	return value, version, err
}

// End implements [store.Session]. Azure's tokens expire by themselves.
func (session) End(context.Context) error { return nil }

// whyNoLogin compares the pod's token with the federated credentials of the identity,
// if secretctl's own login may read them.
func (v *Store) whyNoLogin(ctx context.Context, c store.Claims) (why, next string) {
	const provision = "run: secretctl provision --phase identity"
	if err := needs(v.d, "looking at the federated credentials", "subscriptionID", "resourceGroup"); err != nil {
		return err.Error(), "compare issuer, subject and audience: az identity federated-credential list"
	}
	w := newIdentityStep(v.resources()).workload
	err := w.find(ctx)
	var all []*armmsi.FederatedIdentityCredential
	if err == nil {
		all, err = w.listCredentials(ctx)
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return strings.TrimPrefix(err.Error(), "azure: "), provision
	case err != nil:
		return "looking for the reason: " + strings.TrimPrefix(err.Error(), "azure: "), hint.Of(err)
	case len(all) == 0:
		return w.object().Name + " has no federated credential", provision
	}
	differs := func(is *armmsi.FederatedIdentityCredential) []string {
		return credentialDifference(is, c.Issuer, c.Subject, c.Audiences...)
	}
	// A credential for another subject is likely that of another delivery.
	distance := func(is *armmsi.FederatedIdentityCredential) int {
		fields := differs(is)
		if slices.Contains(fields, "subject") {
			return len(fields) + 2
		}
		return len(fields)
	}
	closest := slices.MinFunc(all, func(a, b *armmsi.FederatedIdentityCredential) int { return distance(a) - distance(b) })
	fields := differs(closest)
	if fields == nil {
		return w.object().Name + " has a federated credential that fits the token",
			"if it was created in the last minutes, try again later; otherwise compare azure.tenantID and azure.identity.clientID with the identity's"
	}
	why = v.azure.Text(fmt.Sprintf("has a federated credential for another %s: %s", strings.Join(fields, ", "), azure.Deref(closest.Name)))
	token := v.azure.Text(fmt.Sprintf("the token is of %s for %s", secret.ShellWord(c.Subject), secret.ShellWords(c.Audiences, " "))) + ", by " + v.azure.Text(secret.ShellWord(c.Issuer))
	return w.object().Name + " " + why, token + "; " + provision
}

// Granted implements [store.Store]. An assignment that does not exist, or cannot be
// seen, is no proof: other roles admit the identity too, and so do a group's roles.
func (v *Store) Granted(ctx context.Context) (string, error) {
	if err := needs(v.d, "looking at the role assignments", "subscriptionID", "resourceGroup", "cluster"); err != nil {
		return "", err
	}
	r := v.resources()
	grant := &grantStep{resources: r, identity: newIdentityStep(r), wanted: podGrants(v.d)}
	changes, err := grant.diff(ctx)
	if err != nil {
		return "", err
	}
	var granted []string
	for _, c := range changes {
		if c.Pending() {
			return "", hint.Wrap(fmt.Errorf("%s is not assigned %s", c.Object, c.Detail), "run: secretctl provision --phase grant")
		}
		granted = append(granted, c.Object+" is assigned "+c.Detail)
	}
	return strings.Join(granted, "; "), nil
}
