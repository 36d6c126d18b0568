package keyvault

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
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

// roleIDs are the ids of the roles in every tenant.
var roleIDs = map[string]string{
	userRole:    "4633458b-17de-408a-b874-0445c86b69e6",
	certRole:    "db79e9a7-68ee-4b58-9aeb-b90e7c24fcba",
	officerRole: "b86a8fe4-44ce-4948-aee5-eccb2c155cd7",
}

// grantStep assigns roles on Key Vaults or single secrets to identities.
type grantStep struct {
	*resources
	identity *identityStep
	wanted   []wantedGrant

	grants []grant
}

// wantedGrant is a role on a Key Vault, or on an object below it.
type wantedGrant struct{ keyVault, below, role string }

// podGrants let the pod read each Key Vault.
func podGrants(d *config.Delivery) (wanted []wantedGrant) {
	for _, name := range d.KeyVaults() {
		role := userRole
		if slices.ContainsFunc(d.Secrets, func(s config.Secret) bool {
			return strings.EqualFold(s.KeyVault, name) && s.KeyVaultType() != config.ObjectSecret
		}) {
			role = certRole
		}
		wanted = append(wanted, wantedGrant{name, "", role})
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

// grant is a role assignment. Its scope is the id of a Key Vault, or of a secret.
type grant struct {
	store.Change
	reader      int // index in identity.readers, whose principal may still be created
	scope, role string
}

func (s *grantStep) diff(ctx context.Context) ([]store.Change, error) {
	if err := s.identity.find(ctx); errors.Is(err, fs.ErrNotExist) {
		return nil, hint.Wrap(err, createIdentity)
	} else if err != nil {
		return nil, err
	}
	s.grants = nil
	vaults := map[string]string{}
	for _, w := range s.wanted {
		name := strings.ToLower(w.keyVault)
		if vaults[name] == "" {
			id, err := s.keyVault(ctx, w.keyVault)
			if err != nil {
				return nil, err
			}
			vaults[name] = id
		}
		scope := vaults[name] + w.below
		for i, to := range s.identity.readers {
			if to.principal == "" && s.identity.workload == nil {
				continue // the identity step warns of it
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

const createIdentity = "run the phase identity too, which creates it"

func (s *grantStep) changes(n int) (changes []store.Change) {
	for _, g := range s.grants[:n] {
		changes = append(changes, g.Change)
	}
	return changes
}

// granted reports whether a principal has the role on a scope, or on a scope above it.
func (s *grantStep) granted(ctx context.Context, scope, principal, role string) (bool, error) {
	if principal == "" {
		return false, nil
	}
	filter := "principalId%20eq%20'" + url.QueryEscape(principal) + "'" // the SDK does not escape it
	all, err := azure.All(ctx, s.assignments.NewListForScopePager(strings.TrimPrefix(scope, "/"), &armauthorization.RoleAssignmentsClientListForScopeOptions{Filter: &filter}),
		func(p armauthorization.RoleAssignmentsClientListForScopeResponse) []*armauthorization.RoleAssignment {
			return p.Value
		})
	if err != nil {
		return false, s.azure.Fail(ctx, azure.Object{Name: "role assignments", Role: "Reader", Scope: scope}, err)
	}
	return slices.ContainsFunc(all, func(is *armauthorization.RoleAssignment) bool {
		p := is.Properties
		return p != nil && strings.EqualFold(azure.Deref(p.PrincipalID), principal) && within(scope, azure.Deref(p.Scope)) &&
			strings.HasSuffix(strings.ToLower(azure.Deref(p.RoleDefinitionID)), "/"+roleIDs[role])
	}), nil
}

// within reports whether a resource is the scope, or below it.
func within(id, scope string) bool {
	id, scope = strings.ToLower(id), strings.TrimSuffix(strings.ToLower(scope), "/")
	return id == scope || strings.HasPrefix(id, scope+"/")
}

func (s *grantStep) apply(ctx context.Context) ([]store.Change, error) {
	for i := range s.grants {
		g := &s.grants[i]
		if !g.Pending() {
			continue
		}
		to := s.identity.readers[g.reader]
		if to.principal == "" {
			return s.changes(i), hint.Wrap(fmt.Errorf("azure: %s: %w", to.name, store.NotFound("not found")), createIdentity)
		}
		switch err := s.assign(ctx, g, to.principal); {
		case s.azure.RefusalOf(err).Has("RoleAssignmentExists"):
			g.Action = store.Unchanged
		case err != nil:
			return s.changes(i), s.azure.Fail(ctx, azure.Object{Name: g.Object, Role: "Role Based Access Control Administrator", Scope: g.scope}, err)
		default:
			g.Detail += "; takes effect within 10 minutes"
		}
	}
	return s.changes(len(s.grants)), nil
}

// assign makes the role assignment. Its name is the same each time, so that two runs at
// once do not make two.
func (s *grantStep) assign(ctx context.Context, g *grant, principal string) error {
	b := sha256.Sum256([]byte(strings.ToLower(g.scope + "|" + principal + "|" + roleIDs[g.role])))
	b[6], b[8] = b[6]&0x0f|0x80, b[8]&0x3f|0x80 // a UUID of version 8
	name := fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:16])
	_, err := s.assignments.Create(ctx, strings.TrimPrefix(g.scope, "/"), name, armauthorization.RoleAssignmentCreateParameters{
		Properties: &armauthorization.RoleAssignmentProperties{
			PrincipalID:      to.Ptr(principal),
			PrincipalType:    to.Ptr(armauthorization.PrincipalTypeServicePrincipal), // else Azure looks for one that it may not know yet
			RoleDefinitionID: to.Ptr(subscriptionID(s.d.Azure) + "/providers/Microsoft.Authorization/roleDefinitions/" + roleIDs[g.role]),
		},
	}, nil)
	return err
}
