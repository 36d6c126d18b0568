package keyvault

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/arm"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/msi/armmsi"

	"github.com/secretctl/secretctl/internal/hint"
	"github.com/secretctl/secretctl/internal/secret"
	"github.com/secretctl/secretctl/internal/store"
	"github.com/secretctl/secretctl/internal/store/keyvault/azure"
)

// workloadIdentity is a managed identity, and the federated credential with which Azure
// accepts the tokens of a ServiceAccount for it.
type workloadIdentity struct {
	*resources
	account  string // the ServiceAccount
	clientID string // in the config, at setting; without it the identity is found by name
	setting  string
	name     string

	group      string // resource group of the identity
	own        bool   // the identity is the delivery's, and not one that others use too
	reader     reader
	location   string // where it is created
	issuer     string
	credential string // name of the federated credential
	plan       []store.Change
}

func (w *workloadIdentity) object() azure.Object {
	return azure.Object{
		Name: "managed identity " + w.group + "/" + w.name, Role: "Managed Identity Contributor",
		Scope: subscriptionID(w.d.Azure) + "/resourceGroups/" + w.group,
	}
}

// find sets reader. If the identity does not exist, the error is an fs.ErrNotExist.
func (w *workloadIdentity) find(ctx context.Context) error {
	w.group = w.d.Azure.ResourceGroup
	if w.clientID != "" {
		return w.findByClientID(ctx)
	}
	got, err := w.identities.Get(ctx, w.group, w.name, nil)
	if err != nil {
		return w.azure.Fail(ctx, w.object(), err)
	}
	if by := azure.Deref(got.Tags[deliveryTag]); by != "" && by != w.d.Owner() {
		return hint.Wrap(fmt.Errorf("azure: %s: belongs to delivery %q, whose Key Vaults it reads; not used", w.object().Name, w.azure.Text(by)),
			"give the delivery another name, or share the identity on purpose: set %s to its client id", w.setting)
	}
	return w.use(got.Identity)
}

func (w *workloadIdentity) findByClientID(ctx context.Context) error {
	all, err := azure.All(ctx, w.identities.NewListBySubscriptionPager(nil),
		func(p armmsi.UserAssignedIdentitiesClientListBySubscriptionResponse) []*armmsi.Identity {
			return p.Value
		})
	if err != nil {
		o := w.object()
		o.Name, o.Scope = "managed identities", subscriptionID(w.d.Azure)
		return w.azure.Fail(ctx, o, err)
	}
	for _, identity := range all {
		if identity.Properties != nil && strings.EqualFold(azure.Deref(identity.Properties.ClientID), w.clientID) {
			if id, err := arm.ParseResourceID(azure.Deref(identity.ID)); err == nil {
				w.group, w.name = id.ResourceGroupName, id.Name
			}
			return w.use(*identity)
		}
	}
	err = fmt.Errorf("azure: no managed identity of the subscription has the client id %s of %s", w.clientID, w.setting)
	return hint.Wrap(err, "leave %s out: then secretctl provision creates %s", w.setting, w.object().Name)
}

func (w *workloadIdentity) use(identity armmsi.Identity) error {
	p := identity.Properties
	if p == nil || azure.Deref(p.ClientID) == "" || azure.Deref(p.PrincipalID) == "" {
		return fmt.Errorf("azure: %s: %w", w.object().Name, azure.ErrUnexpected)
	}
	w.reader = reader{name: w.object().Name, clientID: *p.ClientID, principal: *p.PrincipalID}
	w.own = w.clientID == "" || azure.Deref(identity.Tags[deliveryTag]) == w.d.Owner()
	return nil
}

func (w *workloadIdentity) diff(ctx context.Context) ([]store.Change, error) {
	cluster, err := w.cluster(ctx)
	if err != nil {
		return nil, err
	}
	if oidc := cluster.Properties.OidcIssuerProfile; oidc != nil && azure.Deref(oidc.Enabled) {
		w.issuer = azure.Deref(oidc.IssuerURL)
	}
	if w.issuer == "" {
		return nil, w.unusable("has no OIDC issuer, without which Azure does not accept its tokens",
			secret.Shellf("run: az aks update --resource-group %s --name %s --enable-oidc-issuer --enable-workload-identity", w.d.Azure.ResourceGroup, w.d.Azure.Cluster))
	}
	w.location = cmp.Or(w.d.Azure.Location, azure.Deref(cluster.Location))
	err = w.find(ctx)
	identity := store.Change{Phase: phaseIdentity, Object: w.object().Name, Action: store.Unchanged, Detail: "client id " + w.reader.clientID}
	var existing []*armmsi.FederatedIdentityCredential
	switch {
	case errors.Is(err, fs.ErrNotExist):
		w.reader = reader{name: w.object().Name}
		identity.Action, identity.Detail, err = store.Create, "in "+w.location, nil
	case err == nil:
		existing, err = w.listCredentials(ctx)
	}
	if err != nil {
		return nil, err
	}
	w.plan = []store.Change{identity, w.compareCredential(existing)}
	return w.plan, nil
}

func (w *workloadIdentity) listCredentials(ctx context.Context) ([]*armmsi.FederatedIdentityCredential, error) {
	all, err := azure.All(ctx, w.credentials.NewListPager(w.group, w.name, nil),
		func(p armmsi.FederatedIdentityCredentialsClientListResponse) []*armmsi.FederatedIdentityCredential {
			return p.Value
		})
	if err != nil {
		return nil, w.azure.Fail(ctx, w.object(), err)
	}
	return slices.DeleteFunc(all, func(c *armmsi.FederatedIdentityCredential) bool { return c.Properties == nil }), nil
}

var notInName = strings.NewReplacer(".", "-", "_", "-")

// compareCredential finds the federated credential by issuer and subject, whatever its
// name is: Azure allows one for each pair.
func (w *workloadIdentity) compareCredential(existing []*armmsi.FederatedIdentityCredential) store.Change {
	subject := w.d.Subject(w.account)
	name := notInName.Replace(w.d.Azure.Cluster + "-" + w.d.Namespace + "-" + w.account)
	w.credential = name[:min(len(name), 110)]
	change := store.Change{Phase: phaseIdentity, Action: store.Create, Detail: subject}
	at := slices.IndexFunc(existing, func(c *armmsi.FederatedIdentityCredential) bool {
		return !slices.ContainsFunc(credentialDifference(c, w.issuer, subject, tokenAudience), func(field string) bool { return field != "audience" })
	})
	named := slices.IndexFunc(existing, func(c *armmsi.FederatedIdentityCredential) bool {
		return strings.EqualFold(azure.Deref(c.Name), w.credential)
	})
	switch {
	case at >= 0 || named < 0:
	case w.own:
		at = named
	default: // of another cluster with the same name, which shares the identity
		w.credential += fmt.Sprintf("-%x", sha256.Sum256([]byte(w.issuer+" "+subject)))[:9]
	}
	if at >= 0 {
		w.credential, change.Action = azure.Deref(existing[at].Name), store.Unchanged
		if differs := credentialDifference(existing[at], w.issuer, subject, tokenAudience); differs != nil {
			change.Action, change.Detail = store.Update, strings.Join(differs, ", ")+", for "+subject
		}
	}
	change.Object = "federated credential " + w.name + "/" + w.credential
	return change
}

// credentialDifference names the fields of a federated credential that do not admit a token.
func credentialDifference(c *armmsi.FederatedIdentityCredential, issuer, subject string, audiences ...string) (fields []string) {
	p := c.Properties
	if azure.Deref(p.Issuer) != issuer {
		fields = append(fields, "issuer")
	}
	if azure.Deref(p.Subject) != subject {
		fields = append(fields, "subject")
	}
	if !slices.ContainsFunc(p.Audiences, func(a *string) bool { return slices.Contains(audiences, azure.Deref(a)) }) {
		fields = append(fields, "audience")
	}
	return fields
}

func (w *workloadIdentity) apply(ctx context.Context) ([]store.Change, error) {
	identity, credential := w.plan[0], w.plan[1]
	if identity.Pending() {
		created, err := w.identities.CreateOrUpdate(ctx, w.group, w.name, armmsi.Identity{Location: to.Ptr(w.location), Tags: ownerTags(w.d)}, nil)
		if err != nil {
			return nil, w.azure.Fail(ctx, w.object(), err)
		}
		if err := w.use(created.Identity); err != nil {
			return nil, err
		}
		identity.Detail = "client id " + w.reader.clientID
	}
	if credential.Pending() {
		_, err := w.credentials.CreateOrUpdate(ctx, w.group, w.name, w.credential, armmsi.FederatedIdentityCredential{
			Properties: &armmsi.FederatedIdentityCredentialProperties{
				Issuer: to.Ptr(w.issuer), Subject: to.Ptr(w.d.Subject(w.account)), Audiences: []*string{to.Ptr(tokenAudience)},
			},
		}, nil)
		if err != nil {
			return []store.Change{identity}, w.azure.Fail(ctx, w.object(), err)
		}
	}
	return []store.Change{identity, credential}, nil
}
