package fhirclient

import (
	"context"
	"strings"

	"github.com/secretctl/secretctl/internal/config"
)

// ApplyWithPolicy creates or updates a resource and its AccessPolicy, if the config has one.
func (c *Client) ApplyWithPolicy(ctx context.Context, d *config.Delivery, r config.Resource) ([]Change, error) {
	change, err := c.Apply(ctx, r)
	if err != nil {
		return nil, err
	}
	changes := []Change{change}
	if r.AccessPolicy != nil {
		if change, err = c.ApplyPolicy(ctx, d.AccessPolicyID(r), r); err == nil {
			changes = append(changes, change)
		}
	}
	return changes, err
}

// DeleteWithPolicy deletes a resource and its AccessPolicy, or neither if one of them has
// another owner.
func (c *Client) DeleteWithPolicy(ctx context.Context, d *config.Delivery, r config.Resource) ([]Change, error) {
	changes, err := c.PlanDeletion(ctx, d, r)
	if err != nil {
		return nil, err
	}
	for i, planned := range changes {
		resourceType, id, _ := strings.Cut(planned.Object, "/")
		if changes[i], err = c.Delete(ctx, resourceType, id); err != nil {
			return changes[:i], err
		}
	}
	return changes, nil
}

// PlanDeletion returns what DeleteWithPolicy would do: delete the AccessPolicy first, since
// it refers to the resource.
func (c *Client) PlanDeletion(ctx context.Context, d *config.Delivery, r config.Resource) (changes []Change, err error) {
	plan := func(found Comparison, err error) error {
		action := "delete"
		if found.Absent {
			action = Absent
		}
		if err == nil && found.OtherOwner != nil {
			err = found.OtherOwner
		}
		changes = append(changes, Change{Object: found.Object, Action: action})
		return err
	}
	if r.AccessPolicy != nil {
		err = plan(c.ComparePolicy(ctx, d.AccessPolicyID(r), r))
	}
	if err == nil {
		err = plan(c.Compare(ctx, r))
	}
	if err != nil {
		return nil, err
	}
	return changes, nil
}
