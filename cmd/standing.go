package cmd

import (
	"context"
	"errors"
	"slices"

	"github.com/secretctl/secretctl/internal/cluster"
	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/secret"
	"github.com/secretctl/secretctl/internal/store"
	"github.com/secretctl/secretctl/internal/store/keyvault"
	"github.com/secretctl/secretctl/internal/store/vault"
	"github.com/secretctl/secretctl/internal/verify"
)

// worldOf connects what the groups look at. The groups about what a delivery
// stands on tell themselves of what is not there to connect to, and where they are
// alone, nothing else is connected.
func (a *app) worldOf(ctx context.Context, d *config.Delivery, o reportOptions, groups []string) (w verify.World, err error) {
	standing := func(group string) bool { return slices.Contains(verify.StandingGroups(), group) }
	others := slices.ContainsFunc(groups, func(group string) bool { return !standing(group) })
	if others {
		w, err = a.world(ctx, d, o, groups)
	} else {
		err = a.standingCluster(d, &w)
	}
	if err == nil && slices.ContainsFunc(groups, standing) {
		if err = a.standingStore(d, &w); err == nil {
			err = a.standingAidbox(ctx, d, &w)
		}
	}
	return w, err
}

func (a *app) standingCluster(d *config.Delivery, w *verify.World) error {
	c, err := a.kubernetes(d)
	switch {
	case err == nil:
		w.Cluster = c
	case !cluster.Configured(a.clusterOf(d)):
		w.NoCluster = err
	default:
		return err
	}
	return nil
}

func (a *app) standingStore(d *config.Delivery, w *verify.World) error {
	if d.Provider == config.ProviderAzure {
		s, err := a.store(d)
		if vault, ok := s.(*keyvault.Store); ok {
			w.Reach, w.Stored = vault.Reach, vault.Get
			letIn(w, d, vault)
		}
		return err
	}
	v, err := a.vault(d)
	switch {
	case err == nil && w.Stored == nil:
		w.Stored = v.Get
	case err == nil:
	case errors.Is(err, store.ErrNoToken): // the pod has its own
		if v, err = vault.New(d, vault.Options{Anonymous: true, AllowHTTP: a.allowHTTP, Log: a.logOf(d)}); err != nil {
			return err
		}
	default:
		return err
	}
	w.Reach = v.Reach
	letIn(w, d, v)
	return nil
}

func (a *app) standingAidbox(ctx context.Context, d *config.Delivery, w *verify.World) error {
	admin, err := a.aidboxFor(ctx, d, true)
	if source, ok := errors.AsType[*secret.SourceError](err); ok {
		w.Version = func(context.Context) (string, error) { return "", source }
		admin, err = a.aidboxFor(ctx, d, false)
	} else if err == nil {
		w.Version = admin.Version
	}
	if _, ok := errors.AsType[*cluster.ConfigError](err); ok && w.NoCluster != nil { // the way to it leads through the cluster
		w.Health = func(context.Context) error { return w.NoCluster }
		return nil //nolint:nilerr // the check tells of it
	}
	if err == nil {
		w.Health = admin.Health
	}
	return err
}
