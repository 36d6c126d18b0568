package keyvault

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/authorization/armauthorization/v2"

	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/hint"
	"github.com/secretctl/secretctl/internal/store"
	"github.com/secretctl/secretctl/internal/store/keyvault/azure"
)

// The ids that the roles have in every tenant.
var roleIDs = map[string]string{
	userRole:    "4633458b-17de-408a-b874-0445c86b69e6",
	certRole:    "db79e9a7-68ee-4b58-9aeb-b90e7c24fcba",
	officerRole: "b86a8fe4-44ce-4948-aee5-eccb2c155cd7",
}

// roleFor returns the least role by which the pod reads what it mounts of a Key Vault.
func roleFor(d *config.Delivery, vault string) string {
	if slices.ContainsFunc(d.Secrets, func(s config.Secret) bool {
		return strings.EqualFold(s.KeyVault, vault) && s.KeyVaultType() != config.ObjectSecret
	}) {
		return certRole
	}
	return userRole
}

const assignerRole = "Role Based Access Control Administrator"

// grantStep lets identities use the secrets, by roles on Key Vaults or single secrets.
type grantStep struct {
	r        *resources
	identity *identityStep
	wanted   []wantedGrant

	grants []grant
}

// wantedGrant is a role on a Key Vault, or on what is below it.
type wantedGrant struct{ keyVault, below, role string }

// podGrants let the pod read each Key Vault.
func podGrants(d *config.Delivery) (wanted []wantedGrant) {
	for _, name := range d.KeyVaults() {
		wanted = append(wanted, wantedGrant{name, "", roleFor(d, name)})
	}
	return wanted
}

// rotateGrants let the rotate job write its secrets and no others.
func rotateGrants(d *config.Delivery) (wanted []wantedGrant) {
	for _, s := range d.Rotated() {
		wanted = append(wanted, wantedGrant{s.KeyVault, "/secrets/" + s.ObjectName, officerRole})
	}
	return wanted
}

// grant is a role assignment. scope is the id of a Key Vault, or of one of its secrets.
type grant struct {
	store.Change
	reader int // in the identity step's list: for one that is yet to be made, its principal comes later
	scope  string
	role   string
}

func (s *grantStep) diff(ctx context.Context) ([]store.Change, error) {
	err := s.identity.find(ctx)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, hint.Wrap(err, "run the phase identity too, which makes it")
	}
	if err != nil {
		return nil, err
	}
	s.grants = nil
	vaults := map[string]string{}
	for _, w := range s.wanted {
		name := strings.ToLower(w.keyVault)
		if vaults[name] == "" {
			if vaults[name], err = s.r.keyVault(ctx, w.keyVault); err != nil {
				return nil, err
			}
		}
		scope := vaults[name] + w.below
		for i, to := range s.identity.readers {
			if to.principal == "" && s.identity.workload == nil {
				continue // which was told already
			}
			g := grant{reader: i, scope: scope, role: w.role, Change: store.Change{
				Phase: phaseGrant, Object: w.role + " on " + w.keyVault + w.below, Action: store.Create, Detail: "to " + to.name,
			}}
			granted, err := s.granted(ctx, scope, to.principal, w.role)
			if err != nil {
				return nil, err
			}
			if granted {
				g.Action = store.Unchanged
			}
			s.grants = append(s.grants, g)
		}
	}
	return s.changes(len(s.grants)), nil
}

func (s *grantStep) changes(n int) []store.Change {
	var changes []store.Change
	for _, g := range s.grants[:n] {
		changes = append(changes, g.Change)
	}
	return changes
}

func (s *grantStep) client() (*armauthorization.RoleAssignmentsClient, error) {
	return armauthorization.NewRoleAssignmentsClient(s.r.d.Azure.SubscriptionID, s.r.azure.Credential(), s.r.azure.ARM())
}

// granted says whether a principal has the role on a scope, or on what that is in.
func (s *grantStep) granted(ctx context.Context, scope, principal, role string) (bool, error) {
	if principal == "" {
		return false, nil
	}
	client, err := s.client()
	if err != nil {
		return false, err
	}
	filter := "principalId%20eq%20'" + url.QueryEscape(principal) + "'" // at, above and below the scope; the SDK sends it as it is
	for pages := client.NewListForScopePager(strings.TrimPrefix(scope, "/"), &armauthorization.RoleAssignmentsClientListForScopeOptions{Filter: &filter}); pages.More(); {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return false, s.r.fail(ctx, armAccess{"role assignments", "Reader", scope}, err)
		}
		for _, assignment := range page.Value {
			if p := assignment.Properties; p != nil && strings.EqualFold(azure.Deref(p.PrincipalID), principal) &&
				endsInFold(azure.Deref(p.RoleDefinitionID), "/"+roleIDs[role]) && within(scope, azure.Deref(p.Scope)) {
				return true, nil
			}
		}
	}
	return false, nil
}

func endsInFold(text, end string) bool {
	return len(text) >= len(end) && strings.EqualFold(text[len(text)-len(end):], end)
}

// within says whether a resource is the scope, or below it.
func within(id, scope string) bool {
	id, scope = strings.ToLower(id), strings.TrimSuffix(strings.ToLower(scope), "/")
	return id == scope || strings.HasPrefix(id, scope+"/")
}

func (s *grantStep) apply(ctx context.Context) ([]store.Change, error) {
	client, err := s.client()
	if err != nil {
		return nil, err
	}
	for i := range s.grants {
		g := &s.grants[i]
		if !g.Pending() {
			continue
		}
		principal := s.identity.readers[g.reader].principal
		if principal == "" {
			return s.changes(i), hint.Wrap(fmt.Errorf("azure: %s: %w", s.identity.readers[g.reader].name, store.NotFound("not found")), "run the phase identity too, which makes it")
		}
		_, err := client.Create(ctx, strings.TrimPrefix(g.scope, "/"), assignmentName(g.scope, principal, g.role), armauthorization.RoleAssignmentCreateParameters{
			Properties: &armauthorization.RoleAssignmentProperties{
				PrincipalID:      to.Ptr(principal),
				PrincipalType:    to.Ptr(armauthorization.PrincipalTypeServicePrincipal), // else Azure looks for one that it may not know of yet
				RoleDefinitionID: to.Ptr("/subscriptions/" + s.r.d.Azure.SubscriptionID + "/providers/Microsoft.Authorization/roleDefinitions/" + roleIDs[g.role]),
			},
		}, nil)
		refusal := s.r.azure.RefusalOf(err)
		switch {
		case refusal != nil && refusal.Status == http.StatusConflict && refusal.Has("RoleAssignmentExists"):
			g.Action = store.Unchanged
		case err != nil:
			return s.changes(i), s.r.fail(ctx, armAccess{g.Object, assignerRole, g.scope}, err)
		default:
			g.Detail += "; in force within 10 minutes"
		}
	}
	return s.changes(len(s.grants)), nil
}

// assignmentName returns the GUID of a role assignment, the same one each time: two
// runs at once do not make two.
func assignmentName(scope, principal, role string) string {
	b := sha256.Sum256([]byte(strings.ToLower(scope + "|" + principal + "|" + roleIDs[role])))
	b[6], b[8] = b[6]&0x0f|0x80, b[8]&0x3f|0x80 // a UUID of version 8, whose content is one's own
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:16])
}
