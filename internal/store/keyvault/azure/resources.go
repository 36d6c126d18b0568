package azure

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/arm"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/keyvault/armkeyvault"

	"github.com/secretctl/secretctl/internal/hint"
	"github.com/secretctl/secretctl/internal/secret"
	"github.com/secretctl/secretctl/internal/store"
)

// Object is what a request to the resource manager is about, and the role that it needs.
// Provider is the resource provider, which only a creation needs.
type Object struct{ Name, Role, Scope, Provider string }

// Fail restates in one line why a request about an object failed. For an object that
// does not exist the error is an fs.ErrNotExist.
func (s *Session) Fail(ctx context.Context, o Object, err error) error {
	refusal := s.RefusalOf(err)
	switch {
	case ctx.Err() != nil:
		err = s.Explain(ctx, err)
	case refusal.HasStatus(http.StatusForbidden):
		err = Denied(o.Role, o.Scope)
	case refusal.HasStatus(http.StatusNotFound):
		err = hint.Wrap(store.NotFound("not found"), "check azure.subscriptionID, azure.resourceGroup and the names in the config; secretctl infra creates what is missing")
	default:
		err = s.Explain(ctx, err)
		if _, isLogin := errors.AsType[*LoginError](err); isLogin {
			return err
		}
	}
	return fmt.Errorf("azure: %s: %w", o.Name, err)
}

// Denied names the role that a request needs.
func Denied(role, scope string) error {
	return hint.Wrap(fmt.Errorf("%w: needs the role %s on %s", store.ErrDenied, role, scope),
		"run: az role assignment create --role %q --scope %s --assignee YOU", role, secret.ShellWord(scope))
}

// All returns the items of all pages, none of which is nil.
func All[P, T any](ctx context.Context, pages *runtime.Pager[P], items func(P) []*T) (all []*T, err error) {
	for pages.More() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		all = append(all, items(page)...)
	}
	return slices.DeleteFunc(all, func(item *T) bool { return item == nil }), nil
}

// FindKeyVault finds a Key Vault in the resource group, or elsewhere in the
// subscription, since many deliveries share one. If it is in neither, or the
// subscription may not be listed, the error is that of the resource group. What it
// returns has properties, and the id of a Key Vault with that name: requests go to
// paths that begin with the id, and -v logs them.
func (s *Session) FindKeyVault(ctx context.Context, client *armkeyvault.VaultsClient, group, name string) (*armkeyvault.Vault, error) {
	got, err := client.Get(ctx, group, name, nil)
	vault := &got.Vault
	if err != nil && s.RefusalOf(err).HasStatus(http.StatusNotFound) {
		all, _ := All(ctx, client.NewListBySubscriptionPager(nil), func(p armkeyvault.VaultsClientListBySubscriptionResponse) []*armkeyvault.Vault { return p.Value })
		if i := slices.IndexFunc(all, func(v *armkeyvault.Vault) bool { return strings.EqualFold(Deref(v.Name), name) }); i >= 0 {
			vault, err = all[i], nil
		}
	}
	if err != nil {
		return nil, err
	}
	id, err := arm.ParseResourceID(Deref(vault.ID))
	if err != nil || !IsGroup(id.ResourceGroupName) || !strings.EqualFold(id.Name, name) || vault.Properties == nil {
		return nil, ErrUnexpected
	}
	return vault, nil
}

// IsGroup reports whether a name that Azure returned can be that of a resource group.
func IsGroup(name string) bool { return groupName().MatchString(name) }

var groupName = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[-\w.()]{1,90}$`) })
