package cmd

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"github.com/secretctl/secretctl/internal/cluster"
	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/hint"
	"github.com/secretctl/secretctl/internal/starter"
	"github.com/secretctl/secretctl/internal/store"
	"github.com/secretctl/secretctl/internal/store/providers"
)

// fromDeployment describes what runs Aidbox already, and its secrets unless others are
// named. It says what it could not read.
func (a *app) fromDeployment(ctx context.Context, o *initOptions, secretsNamed bool) error {
	o.Namespace = cmp.Or(o.Namespace, "default")
	c, err := a.kubernetes(&config.Delivery{})
	if err != nil {
		return err
	}
	w, err := readWorkload(ctx, c, o.Namespace, o.fromDeployment)
	if errors.Is(err, fs.ErrNotExist) {
		return hint.Wrap(err, "name its namespace with --namespace, its cluster with --context")
	} else if err != nil {
		return err
	}
	o.Workload = &w
	a.narrate("read: container %s of %s, managed by %s", w.Container, w.Workload, w.ManagedBy)
	if w.ServiceAccount == "default" {
		a.narrate("warning: it runs as the ServiceAccount default, as which every pod of the namespace may read the secrets: give it one of its own")
	}
	stored, err := a.readClasses(ctx, c, o)
	if err != nil || secretsNamed {
		return err
	}
	return a.readVaultConfig(ctx, c, o, stored)
}

// readWorkload reads a Deployment, or else a StatefulSet, of that name.
func readWorkload(ctx context.Context, c *cluster.Cluster, namespace, name string) (starter.Workload, error) {
	kind := config.KindDeployment
	meta, template, err := c.PodTemplate(ctx, namespace, kind, name)
	if errors.Is(err, fs.ErrNotExist) {
		var other error
		if meta, template, other = c.PodTemplate(ctx, namespace, config.KindStatefulSet, name); other == nil {
			kind, err = config.KindStatefulSet, nil
		}
	}
	if err != nil {
		return starter.Workload{}, err
	}
	w, err := starter.Describe(kind, meta, template)
	if err != nil {
		return w, fmt.Errorf("%s %s: %w", kind, name, err)
	}
	return w, nil
}

// readClasses reads where the mounted secrets are stored. They are named after their
// files.
func (a *app) readClasses(ctx context.Context, c *cluster.Cluster, o *initOptions) ([]config.Secret, error) {
	var d config.Delivery
	for _, name := range o.Workload.Classes {
		live, err := c.SecretProviderClass(ctx, o.Namespace, name)
		if ctx.Err() != nil {
			return nil, err
		}
		i := slices.IndexFunc(providers.All(a.Azure), func(p store.Provider) bool { return p.Name == string(live.Provider) })
		switch {
		case err != nil:
		case i < 0:
			err = errors.New("is of a provider that secretctl does not know")
		case o.Provider != "" && o.Provider != string(live.Provider):
			err = fmt.Errorf("is of provider %s, not %s", live.Provider, o.Provider)
		default:
			err = providers.All(a.Azure)[i].Read(live, &d)
		}
		if err != nil {
			a.narrate("warning: SecretProviderClass %s was not read: %s", name, err)
			return nil, nil
		}
		a.narrate("read: SecretProviderClass %s, in whose place render writes one named after the delivery", name)
	}
	if d.Provider == "" {
		return nil, nil
	}
	o.Provider, o.Vault, o.Azure = d.Provider, d.Vault, d.Azure
	if d.Vault != nil {
		o.CSIAddress = d.Vault.CSIAddress
		if !d.Vault.ByAgent() {
			o.VaultAddress = cmp.Or(o.VaultAddress, d.Vault.CSIAddress)
		}
	}
	if d.Azure != nil {
		o.KeyVault = d.Azure.KeyVault
	}
	return d.Secrets, nil
}

// readVaultConfig reads which secrets there are, and who may use them.
func (a *app) readVaultConfig(ctx context.Context, c *cluster.Cluster, o *initOptions, stored []config.Secret) error {
	w := o.Workload
	switch {
	case w.VaultConfig == "":
		a.warnOfGuesses(nil, stored)
		return nil
	case w.ConfigMap == "":
		a.narrate("warning: its vault config %s is in no ConfigMap, and was not read", w.VaultConfig)
		a.warnOfGuesses(nil, stored)
		return nil
	}
	data, err := c.ConfigMap(ctx, o.Namespace, w.ConfigMap)
	if err == nil {
		err = o.Adopt([]byte(data[w.Key]), stored)
	}
	switch {
	case ctx.Err() != nil:
		return err
	case err != nil:
		a.narrate("warning: its vault config was not read: ConfigMap %s, %s: %s", w.ConfigMap, w.Key, err)
		a.warnOfGuesses(nil, stored)
	default:
		a.narrate("read: %d secrets of its vault config, ConfigMap %s", len(o.Secrets), w.ConfigMap)
		a.warnOfGuesses(o.Secrets, stored)
	}
	return nil
}

// warnOfGuesses says what vault config and SecretProviderClass do not say alike.
func (a *app) warnOfGuesses(secrets, stored []config.Secret) {
	for _, s := range secrets {
		if !slices.ContainsFunc(stored, func(is config.Secret) bool { return is.Name == cmp.Or(s.File, s.Name) }) {
			a.narrate("warning: no SecretProviderClass that it mounts says where %s is stored: the config has the default, a guess", s.Name)
		}
	}
	for _, is := range stored {
		if !slices.ContainsFunc(secrets, func(s config.Secret) bool { return is.Name == cmp.Or(s.File, s.Name) }) {
			a.narrate("warning: %s is mounted, and left out: no vault config that was read names it", is.Name)
		}
	}
}
