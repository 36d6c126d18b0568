package infra

import (
	"context"
	"fmt"

	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/resources/armresources"

	"github.com/secretctl/secretctl/internal/hint"
	"github.com/secretctl/secretctl/internal/store"
	"github.com/secretctl/secretctl/internal/store/keyvault/azure"
)

// groupStep makes the resource group. Where one is does not matter: what is in it
// may be elsewhere.
type groupStep struct {
	*Infra
	change store.Change
}

func (s *groupStep) object() object {
	return object{"resource group " + s.config.ResourceGroup, "Microsoft.Resources", "/subscriptions/" + s.config.SubscriptionID}
}

func (s *groupStep) client() (*armresources.ResourceGroupsClient, error) {
	return armresources.NewResourceGroupsClient(s.config.SubscriptionID, s.azure.Credential(), s.azure.ARM())
}

func (s *groupStep) diff(ctx context.Context) ([]store.Change, error) {
	client, err := s.client()
	if err != nil {
		return nil, err
	}
	s.change = store.Change{Phase: phaseGroup, Object: s.object().name, Action: store.Unchanged}
	got, err := client.Get(ctx, s.config.ResourceGroup, nil)
	switch {
	case s.absent(err):
		s.change.Action, s.change.Detail = store.Create, "in "+s.config.Location
	case err != nil:
		return nil, s.fail(ctx, s.object(), err)
	case got.Properties != nil && azure.Deref(got.Properties.ProvisioningState) == "Deleting":
		return nil, hint.Wrap(fmt.Errorf("azure: %s: is being deleted", s.object().name), "wait for the end of that, then run again")
	default:
		s.change.Detail = "in " + s.azure.Text(azure.Deref(got.Location))
	}
	return []store.Change{s.change}, nil
}

func (s *groupStep) apply(ctx context.Context) ([]store.Change, error) {
	client, err := s.client()
	if err != nil {
		return nil, err
	}
	_, err = client.CreateOrUpdate(ctx, s.config.ResourceGroup, armresources.ResourceGroup{Location: &s.config.Location, Tags: tags()}, nil)
	if err != nil {
		return nil, s.fail(ctx, s.object(), err)
	}
	return []store.Change{s.change}, nil
}
