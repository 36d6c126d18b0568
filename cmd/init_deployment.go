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
	"github.com/secretctl/secretctl/internal/store/providers"
)

// fromDeployment reads what runs Aidbox already, and its secrets unless flags name others.
// It says what it could not read.
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
	mounted, err := a.readClasses(ctx, c, o)
	if err != nil || secretsNamed {
		return err
	}
	return a.readVaultConfig(ctx, c, o, mounted)
}

// readWorkload reads the Deployment, or else the StatefulSet, of that name.
func readWorkload(ctx context.Context, c *cluster.Cluster, namespace, name string) (starter.Workload, error) {
	kind := config.KindDeployment
	meta, template, err := c.PodTemplate(ctx, namespace, kind, name)
	if errors.Is(err, fs.ErrNotExist) {
		if m, t, statefulErr := c.PodTemplate(ctx, namespace, config.KindStatefulSet, name); statefulErr == nil {
			kind, meta, template, err = config.KindStatefulSet, m, t, nil
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

// readClasses reads where the mounted secrets are stored, from the SecretProviderClasses.
// The secrets are named after their files.
func (a *app) readClasses(ctx context.Context, c *cluster.Cluster, o *initOptions) ([]config.Secret, error) {
	var d config.Delivery
	for _, name := range o.Workload.Classes {
		err := a.readClass(ctx, c, o, name, &d)
		switch {
		case ctx.Err() != nil:
			return nil, err
		case err != nil:
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

func (a *app) readClass(ctx context.Context, c *cluster.Cluster, o *initOptions, name string, d *config.Delivery) error {
	class, err := c.SecretProviderClass(ctx, o.Namespace, name)
	if err != nil {
		return err
	}
	if o.Provider != "" && o.Provider != string(class.Provider) {
		return fmt.Errorf("is of provider %s, not %s", class.Provider, o.Provider)
	}
	for _, p := range providers.All(a.Azure) {
		if p.Name == string(class.Provider) {
			return p.Read(class, d)
		}
	}
	return errors.New("is of a provider that secretctl does not know")
}

// readVaultConfig reads which secrets Aidbox has, and who may use them.
func (a *app) readVaultConfig(ctx context.Context, c *cluster.Cluster, o *initOptions, mounted []config.Secret) error {
	switch w := o.Workload; {
	case w.VaultConfig == "":
	case w.ConfigMap == "":
		a.narrate("warning: its vault config %s is in no ConfigMap, and was not read", w.VaultConfig)
	default:
		data, err := c.ConfigMap(ctx, o.Namespace, w.ConfigMap)
		if err == nil {
			err = o.Adopt([]byte(data[w.Key]), mounted)
		}
		switch {
		case ctx.Err() != nil:
			return err
		case err != nil:
			a.narrate("warning: its vault config was not read: ConfigMap %s, %s: %s", w.ConfigMap, w.Key, err)
		default:
			a.narrate("read: %d secrets of its vault config, ConfigMap %s", len(o.Secrets), w.ConfigMap)
		}
	}
	a.warnOfGuesses(o.Secrets, mounted)
	return nil
}

// warnOfGuesses says which secrets are in the vault config or in a SecretProviderClass, but
// not in both.
func (a *app) warnOfGuesses(secrets, mounted []config.Secret) {
	file := func(s config.Secret) string { return cmp.Or(s.File, s.Name) }
	for _, s := range secrets {
		if !slices.ContainsFunc(mounted, func(m config.Secret) bool { return m.Name == file(s) }) {
			a.narrate("warning: no SecretProviderClass that it mounts says where %s is stored: the config has the default, a guess", s.Name)
		}
	}
	for _, m := range mounted {
		if !slices.ContainsFunc(secrets, func(s config.Secret) bool { return m.Name == file(s) }) {
			a.narrate("warning: %s is mounted, and left out: no vault config that was read names it", m.Name)
		}
	}
}
