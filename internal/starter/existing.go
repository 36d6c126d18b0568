package starter

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/secretctl/secretctl/internal/cluster"
	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/hint"
	"github.com/secretctl/secretctl/internal/store"
)

// Existing reads an existing Aidbox from its cluster. It reads no secret value.
type Existing struct {
	Cluster   *cluster.Cluster
	Providers []store.Provider
	Note      func(format string, args ...any) // prints what was read, and what could not be
}

// Read adds to the options the Deployment or StatefulSet of that name, and where its secrets
// are stored; and the secrets of its vault config, unless others are named.
func (e Existing) Read(ctx context.Context, o *Options, name string, secretsNamed bool) error {
	o.Namespace = cmp.Or(o.Namespace, "default")
	w, err := e.workload(ctx, o.Namespace, name)
	if errors.Is(err, fs.ErrNotExist) {
		return hint.Wrap(err, "name its namespace with --namespace, its cluster with --context")
	} else if err != nil {
		return err
	}
	o.Workload = &w
	e.Note("read: container %s of %s, managed by %s", w.Container, w.Workload, w.ManagedBy)
	if w.ServiceAccount == "default" {
		e.Note("warning: it runs as the ServiceAccount default, as which every pod of the namespace may read the secrets: give it one of its own")
	}
	mounted, err := e.classes(ctx, o)
	if err == nil && !secretsNamed {
		err = e.vaultConfig(ctx, o, mounted)
	}
	e.warnOfMounts(o)
	return err
}

// warnOfMounts says which mounts stay when the patch or the values add those of the delivery.
func (e Existing) warnOfMounts(o *Options) {
	for _, at := range o.Workload.Mounts {
		for _, folder := range []string{path.Dir(config.VaultConfigFile), cmp.Or(o.MountPath, "/run/"+o.Provider+"-secrets")} {
			if at != folder && strings.HasPrefix(at+"/", folder+"/") {
				e.Note("warning: its mount at %s would hide what render mounts at %s, or keep the container from starting: remove it, or move it", at, folder)
			}
		}
	}
}

// workload reads the Deployment, or else the StatefulSet, of that name.
func (e Existing) workload(ctx context.Context, namespace, name string) (Workload, error) {
	kind := config.KindDeployment
	meta, template, err := e.Cluster.PodTemplate(ctx, namespace, kind, name)
	if errors.Is(err, fs.ErrNotExist) {
		if m, t, statefulErr := e.Cluster.PodTemplate(ctx, namespace, config.KindStatefulSet, name); statefulErr == nil {
			kind, meta, template, err = config.KindStatefulSet, m, t, nil
		}
	}
	if err != nil {
		return Workload{}, err
	}
	w, err := Describe(kind, meta, template)
	if err != nil {
		return w, fmt.Errorf("%s %s: %w", kind, name, err)
	}
	return w, nil
}

// classes reads where the mounted secrets are stored, from the SecretProviderClasses.
// The secrets are named after their files.
func (e Existing) classes(ctx context.Context, o *Options) ([]config.Secret, error) {
	var d config.Delivery
	for _, name := range o.Workload.Classes {
		err := e.class(ctx, o, name, &d)
		switch {
		case ctx.Err() != nil:
			return nil, err
		case err != nil:
			e.Note("warning: SecretProviderClass %s was not read: %s", name, err)
			return nil, nil
		}
		e.Note("read: SecretProviderClass %s; render writes another one in its place, named after the delivery", name)
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

func (e Existing) class(ctx context.Context, o *Options, name string, d *config.Delivery) error {
	class, err := e.Cluster.SecretProviderClass(ctx, o.Namespace, name)
	if err != nil {
		return err
	}
	if o.Provider != "" && o.Provider != string(class.Provider) {
		return fmt.Errorf("is of provider %s, not %s", class.Provider, o.Provider)
	}
	for _, p := range e.Providers {
		if p.Name == string(class.Provider) {
			return p.Read(class, d)
		}
	}
	return errors.New("is of a provider that secretctl does not know")
}

// vaultConfig reads which secrets Aidbox has, and who may use them.
func (e Existing) vaultConfig(ctx context.Context, o *Options, mounted []config.Secret) error {
	switch w := o.Workload; {
	case w.VaultConfig == "":
	case w.ConfigMap == "":
		e.Note("warning: its vault config %s is in no ConfigMap, and was not read", w.VaultConfig)
	default:
		data, err := e.Cluster.ConfigMap(ctx, o.Namespace, w.ConfigMap)
		if err == nil {
			err = o.Adopt([]byte(data[w.Key]), mounted)
		}
		switch {
		case ctx.Err() != nil:
			return err
		case err != nil:
			e.Note("warning: its vault config was not read: ConfigMap %s, %s: %s", w.ConfigMap, w.Key, err)
		default:
			e.Note("read: its vault config, ConfigMap %s; secrets: %d", w.ConfigMap, len(o.Secrets))
		}
	}
	e.warnOfGuesses(o.Secrets, mounted)
	return nil
}

// warnOfGuesses says which secrets are in the vault config or in a SecretProviderClass, but
// not in both.
func (e Existing) warnOfGuesses(secrets, mounted []config.Secret) {
	file := func(s config.Secret) string { return cmp.Or(s.File, s.Name) }
	for _, s := range secrets {
		if !slices.ContainsFunc(mounted, func(m config.Secret) bool { return m.Name == file(s) }) {
			e.Note("warning: no SecretProviderClass that it mounts says where %s is stored: the config has the default, a guess", s.Name)
		}
	}
	for _, m := range mounted {
		if !slices.ContainsFunc(secrets, func(s config.Secret) bool { return m.Name == file(s) }) {
			e.Note("warning: %s is mounted, and left out: no vault config that was read names it", m.Name)
		}
	}
}
