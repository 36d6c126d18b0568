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

// session is the Key Vault as a pod with workload identity has it.
type session struct{ *Store }

// Login implements [store.Store] for workload identity: it trades a token of the pod's
// ServiceAccount for one of the managed identity. The text of a refusal names what of
// the federated credential does not match.
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
		why, next := v.whyNotTraded(ctx, store.ReadClaims(jwt))
		return nil, hint.Wrap(store.Refused(fmt.Sprintf("azure: the pod's login was refused (AADSTS%d): %s", login.Code(), why)), "%s", next)
	}
	if err != nil {
		return nil, fmt.Errorf("azure: the pod's login: %w", v.azure.Explain(ctx, err))
	}
	o := v.o
	o.Waiting = nil
	pod, err := connect(v.d, o, as)
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
			"run: secretctl provision --phase grant; a role that was assigned in the last 10 minutes may not be in force yet; the identity has the client id %s", s.d.Azure.Identity.ClientID)
	}
	return value, version, err
}

// End implements [store.Session]: the identity's token ends by itself.
func (session) End(context.Context) error { return nil }

// whyNotTraded compares the pod's token with the federated credentials of the
// identity, where v's own login may see these.
func (v *Store) whyNotTraded(ctx context.Context, c store.Claims) (why, next string) {
	const provision = "run: secretctl provision --phase identity"
	if err := needs(v.d, "looking at the federated credentials", "subscriptionID", "resourceGroup"); err != nil {
		return err.Error(), "compare issuer, subject and audience: az identity federated-credential list"
	}
	w := newPodIdentity(&resources{d: v.d, azure: v.azure})
	err := w.find(ctx)
	if errors.Is(err, fs.ErrNotExist) {
		return strings.TrimPrefix(err.Error(), "azure: "), provision
	}
	var all []*armmsi.FederatedIdentityCredential
	if err == nil {
		all, err = w.listCredentials(ctx)
	}
	if err != nil {
		return "looking for the reason: " + strings.TrimPrefix(err.Error(), "azure: "), hint.Of(err)
	}
	if difference := unlike(all, c); difference != "" {
		return w.object() + " " + v.azure.Text(difference), v.azure.Text(fmt.Sprintf("the token is of %s for %s", c.Subject, strings.Join(c.Audiences, " "))) +
			", by " + v.azure.Text(c.Issuer) + "; " + provision
	}
	return w.object() + " has a federated credential that fits the token", "one that was made in the last minutes may not be known everywhere yet; else compare azure.tenantID and azure.identity.clientID with the identity's"
}

// unlike says in what the credential that fits a token best does not fit it; ""
// where one fits. One for another subject is likely that of another delivery with the
// same identity, so it comes last.
func unlike(all []*armmsi.FederatedIdentityCredential, c store.Claims) string {
	const subject = "subject"
	best, fewest := "has no federated credential", 6
	for _, credential := range all {
		p := credential.Properties
		if p == nil {
			continue
		}
		var differs []string
		if azure.Deref(p.Issuer) != c.Issuer {
			differs = append(differs, "issuer")
		}
		if azure.Deref(p.Subject) != c.Subject {
			differs = append(differs, subject)
		}
		if !slices.ContainsFunc(p.Audiences, func(a *string) bool { return slices.Contains(c.Audiences, azure.Deref(a)) }) {
			differs = append(differs, "audience")
		}
		weight := len(differs)
		if slices.Contains(differs, subject) {
			weight += 2
		}
		if weight < fewest {
			fewest = weight
			best = fmt.Sprintf("has a federated credential for another %s: %s", strings.Join(differs, ", "), azure.Deref(credential.Name))
		}
	}
	if fewest == 0 {
		return ""
	}
	return best
}

// Granted implements [store.Store]. That the role is not assigned, or that this cannot
// be seen, does not prove that the identity may not read: other roles let it, and roles
// of a group.
func (v *Store) Granted(ctx context.Context) (string, error) {
	if err := needs(v.d, "looking at the role assignments", "subscriptionID", "resourceGroup", "cluster"); err != nil {
		return "", err
	}
	r := &resources{d: v.d, azure: v.azure}
	grant := &grantStep{r: r, identity: newIdentityStep(r), wanted: podGrants(v.d)}
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
