package keyvault

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/arm"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/msi/armmsi"

	"github.com/secretctl/secretctl/internal/hint"
	"github.com/secretctl/secretctl/internal/store"
	"github.com/secretctl/secretctl/internal/store/keyvault/azure"
)

const identityRole = "Managed Identity Contributor"

// workloadIdentity is a managed identity, and the credential by which Azure takes
// a token of a ServiceAccount for it: the pod's, or the rotate job's.
type workloadIdentity struct {
	r        *resources
	account  string // the ServiceAccount
	wanted   string // the client id in the config, at setting
	setting  string
	fallback string // the name of the identity that is made without one

	group      string // resource group of the identity
	name       string
	reader     reader
	location   string // to make it in
	issuer     string
	credential string // name of the credential
	plan       []store.Change
}

func newPodIdentity(r *resources) *workloadIdentity {
	return &workloadIdentity{
		r: r, account: r.d.Aidbox.ServiceAccount, wanted: r.d.Azure.Identity.ClientID, setting: "azure.identity.clientID",
		fallback: r.d.ManagedIdentityName(),
	}
}

func newRotateIdentity(r *resources) *workloadIdentity {
	return &workloadIdentity{
		r: r, account: r.d.RotateAccount(), wanted: r.d.RotateJob.ClientID, setting: "rotateJob.clientID",
		fallback: r.d.RotateIdentityName(),
	}
}

func (w *workloadIdentity) object() string { return "managed identity " + w.group + "/" + w.name }

func (w *workloadIdentity) access() armAccess {
	return armAccess{w.object(), identityRole, "/subscriptions/" + w.r.d.Azure.SubscriptionID + "/resourceGroups/" + w.group}
}

func (w *workloadIdentity) identities() (*armmsi.UserAssignedIdentitiesClient, error) {
	return armmsi.NewUserAssignedIdentitiesClient(w.r.d.Azure.SubscriptionID, w.r.azure.Credential(), w.r.azure.ARM())
}

func (w *workloadIdentity) credentials() (*armmsi.FederatedIdentityCredentialsClient, error) {
	return armmsi.NewFederatedIdentityCredentialsClient(w.r.d.Azure.SubscriptionID, w.r.azure.Credential(), w.r.azure.ARM())
}

// find sets reader: by the client id in the config, else by name. The error is an
// fs.ErrNotExist where there is none.
func (w *workloadIdentity) find(ctx context.Context) error {
	w.group, w.name = w.r.d.Azure.ResourceGroup, w.fallback
	client, err := w.identities()
	if err != nil {
		return err
	}
	if w.wanted != "" {
		return w.findByClientID(ctx, client)
	}
	got, err := client.Get(ctx, w.group, w.name, nil)
	if err != nil {
		return w.r.fail(ctx, w.access(), err)
	}
	return w.is(got.Identity)
}

func (w *workloadIdentity) findByClientID(ctx context.Context, client *armmsi.UserAssignedIdentitiesClient) error {
	for pages := client.NewListBySubscriptionPager(nil); pages.More(); {
		page, err := pages.NextPage(ctx)
		if err != nil {
			a := armAccess{"managed identities", identityRole, "/subscriptions/" + w.r.d.Azure.SubscriptionID}
			return w.r.fail(ctx, a, err)
		}
		for _, identity := range page.Value {
			if identity.Properties == nil || !strings.EqualFold(azure.Deref(identity.Properties.ClientID), w.wanted) {
				continue
			}
			if id, err := arm.ParseResourceID(azure.Deref(identity.ID)); err == nil {
				w.group, w.name = id.ResourceGroupName, id.Name
			}
			return w.is(*identity)
		}
	}
	err := fmt.Errorf("azure: no managed identity of the subscription has the client id %s, which is %s", w.wanted, w.setting)
	return hint.Wrap(err, "leave %s out: then %s is made", w.setting, w.object())
}

// is takes over what Azure says of the identity.
func (w *workloadIdentity) is(identity armmsi.Identity) error {
	p := identity.Properties
	if p == nil || azure.Deref(p.ClientID) == "" || azure.Deref(p.PrincipalID) == "" {
		return fmt.Errorf("azure: %s: %w", w.object(), azure.ErrUnexpected)
	}
	w.reader = reader{name: w.object(), clientID: *p.ClientID, principal: *p.PrincipalID}
	return nil
}

func (w *workloadIdentity) diff(ctx context.Context) ([]store.Change, error) {
	cluster, err := w.r.cluster(ctx)
	if err != nil {
		return nil, err
	}
	if oidc := cluster.Properties.OidcIssuerProfile; oidc != nil && azure.Deref(oidc.Enabled) {
		w.issuer = azure.Deref(oidc.IssuerURL)
	}
	if w.issuer == "" {
		err := fmt.Errorf("azure: %s: %w", w.r.clusterName(), errors.New("has no OIDC issuer, without which Azure takes no token of it"))
		return nil, hint.Wrap(err, "run: az aks update --resource-group %s --name %s --enable-oidc-issuer --enable-workload-identity", w.r.d.Azure.ResourceGroup, w.r.d.Azure.Cluster)
	}
	w.location = cmp.Or(w.r.d.Azure.Location, azure.Deref(cluster.Location))
	err = w.find(ctx)
	absent := errors.Is(err, fs.ErrNotExist)
	if err != nil && !absent {
		return nil, err
	}
	identity := store.Change{Phase: phaseIdentity, Object: w.object(), Action: store.Unchanged, Detail: "client id " + w.reader.clientID}
	if absent {
		w.reader = reader{name: w.object()}
		identity.Action, identity.Detail = store.Create, "in "+w.location
	}
	credential, err := w.compareCredential(ctx, absent)
	if err != nil {
		return nil, err
	}
	w.plan = []store.Change{identity, credential}
	return w.plan, nil
}

var notInName = strings.NewReplacer(".", "-", "_", "-")

// compareCredential finds the credential by what it says, whatever its name is:
// Azure has one for an issuer and a subject.
func (w *workloadIdentity) compareCredential(ctx context.Context, none bool) (store.Change, error) {
	subject := w.r.d.Subject(w.account)
	name := notInName.Replace(w.r.d.Azure.Cluster + "-" + w.r.d.Namespace + "-" + w.account)
	w.credential = name[:min(len(name), 120)]
	change := store.Change{Phase: phaseIdentity, Action: store.Create, Detail: subject}
	if !none {
		all, err := w.listCredentials(ctx)
		if err != nil {
			return store.Change{}, err
		}
		change.Action, change.Detail = w.compare(all, subject)
	}
	change.Object = "federated credential " + w.name + "/" + w.credential
	return change, nil
}

func (w *workloadIdentity) compare(all []*armmsi.FederatedIdentityCredential, subject string) (action, detail string) {
	same := func(c *armmsi.FederatedIdentityCredential) bool {
		return c.Properties != nil && azure.Deref(c.Properties.Issuer) == w.issuer && azure.Deref(c.Properties.Subject) == subject
	}
	named := func(c *armmsi.FederatedIdentityCredential) bool {
		return strings.EqualFold(azure.Deref(c.Name), w.credential)
	}
	at := slices.IndexFunc(all, same)
	if at < 0 {
		at = slices.IndexFunc(all, named)
	}
	if at < 0 || all[at].Properties == nil {
		return store.Create, subject
	}
	w.credential = azure.Deref(all[at].Name)
	p := all[at].Properties
	var differs []string
	if azure.Deref(p.Issuer) != w.issuer {
		differs = append(differs, "issuer")
	}
	if azure.Deref(p.Subject) != subject {
		differs = append(differs, "subject")
	}
	if len(p.Audiences) != 1 || azure.Deref(p.Audiences[0]) != tokenAudience {
		differs = append(differs, "audience")
	}
	if len(differs) > 0 {
		return store.Update, strings.Join(differs, ", ") + ", for " + subject
	}
	return store.Unchanged, subject
}

func (w *workloadIdentity) listCredentials(ctx context.Context) (all []*armmsi.FederatedIdentityCredential, err error) {
	client, err := w.credentials()
	if err != nil {
		return nil, err
	}
	for pages := client.NewListPager(w.group, w.name, nil); pages.More(); {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, w.r.fail(ctx, w.access(), err)
		}
		all = append(all, page.Value...)
	}
	return all, nil
}

func (w *workloadIdentity) apply(ctx context.Context) ([]store.Change, error) {
	identity, credential := w.plan[0], w.plan[1]
	if identity.Pending() {
		client, err := w.identities()
		if err != nil {
			return nil, err
		}
		tags := map[string]*string{managerTag: to.Ptr(manager), deliveryTag: to.Ptr(w.r.d.Owner())}
		made, err := client.CreateOrUpdate(ctx, w.group, w.name, armmsi.Identity{Location: to.Ptr(w.location), Tags: tags}, nil)
		if err != nil {
			return nil, w.r.fail(ctx, w.access(), err)
		}
		if err := w.is(made.Identity); err != nil {
			return nil, err
		}
		identity.Detail = "client id " + w.reader.clientID
	}
	if credential.Pending() {
		client, err := w.credentials()
		if err != nil {
			return []store.Change{identity}, err
		}
		_, err = client.CreateOrUpdate(ctx, w.group, w.name, w.credential, armmsi.FederatedIdentityCredential{
			Properties: &armmsi.FederatedIdentityCredentialProperties{
				Issuer: to.Ptr(w.issuer), Subject: to.Ptr(w.r.d.Subject(w.account)), Audiences: []*string{to.Ptr(tokenAudience)},
			},
		}, nil)
		if err != nil {
			return []store.Change{identity}, w.r.fail(ctx, w.access(), err)
		}
	}
	return []store.Change{identity, credential}, nil
}
