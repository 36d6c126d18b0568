package cmd

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/secretctl/secretctl/docs"
	"github.com/secretctl/secretctl/internal/atomicfile"
	"github.com/secretctl/secretctl/internal/cluster"
	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/hint"
	"github.com/secretctl/secretctl/internal/starter"
	"github.com/secretctl/secretctl/internal/store"
	"github.com/secretctl/secretctl/internal/store/providers"
)

type initOptions struct {
	starter.Options
	secrets, client string
	fromDeployment  string
	force, noInput  bool
}

func newInit(a *app) *cobra.Command {
	var o initOptions
	cmd := &cobra.Command{
		Use:   "init",
		Short: "Write a first config file",
		Long: `Writes a config file with comments, ready for "provision" and "render": to the
file that -c names, or to stdout with "-c -". A file that is there already is left
alone without --force. Beside it comes ` + starter.SchemaFile + `, which editors use.

On a terminal it asks for what no flag has said; --no-input keeps it from asking.
It asks in plain lines where TERM is dumb or ACCESSIBLE is set.

--from-deployment takes over what an existing Deployment of the cluster says: image,
env, envFrom, ServiceAccount, replicas, resources and port, from its vault config the
secrets, their scopes and their folder, and from the SecretProviderClasses that it
mounts where the secrets are in the store. Values of variables that may be secret
are not copied; their names are listed.

` + exitCodes("the config was written", "", "a file could not be written, or the cluster could not be read"),
		Example: `  secretctl init --provider vault
  secretctl init --provider vault --secret client-secret,webhook-header --client basic
  secretctl init --provider azure --key-vault contoso-aidbox --no-input -c azure.yaml
  secretctl init --provider vault --from-deployment aidbox --namespace fhir`,
		Args: cobra.NoArgs,
	}
	cmd.RunE = a.run(func(ctx context.Context, _ []string) error { return a.init(ctx, o, cmd.Flags().Changed) })
	f := cmd.Flags()
	f.StringVar(&o.fromDeployment, "from-deployment", "", "take over what this Deployment says already")
	f.BoolVar(&o.force, "force", false, "replace files that are there already")
	f.BoolVar(&o.noInput, "no-input", false, "ask nothing")
	for _, q := range o.questions() {
		if q.usage != "" {
			f.StringVar(q.answer, q.flag, "", q.usage)
		}
	}
	_ = cmd.RegisterFlagCompletionFunc("provider", cobra.FixedCompletions(config.Providers(), cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

// init writes the config file. given says which flags were set.
func (a *app) init(ctx context.Context, o initOptions, given func(flag string) bool) error {
	if err := a.vacant(o.force); err != nil {
		return err
	}
	o.VaultAddress, o.AidboxURL = a.vaultAddr, a.aidboxURL
	if id, _ := a.LookupEnv("AZURE_SUBSCRIPTION_ID"); o.SubscriptionID == "" {
		o.SubscriptionID = id
	}
	if err := o.check(func(q question) bool { return given(q.flag) }); err != nil {
		return err
	}
	if o.fromDeployment != "" {
		if err := a.fromDeployment(ctx, &o, given("secret")); err != nil {
			return err
		}
	}
	if a.Prompt != nil && a.ErrTerminal && !o.noInput {
		if err := a.ask(ctx, &o, given); err != nil {
			return err
		}
	}
	if err := o.check(func(question) bool { return true }); err != nil {
		return err
	}
	o.complete()
	text, err := starter.File(o.Options)
	if err != nil {
		return err
	}
	if _, err := config.Parse(a.config, text); err != nil { // such as what a Deployment says
		return err
	}
	return a.writeStarter(text, o.force)
}

// vacant refuses to replace a file without --force.
func (a *app) vacant(force bool) error {
	info, err := os.Stat(a.config)
	switch {
	case a.config == "-" || errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case info.IsDir():
		return usagef("name a file in it: -c "+filepath.Join(a.config, defaultConfig), "%s is a folder", a.config)
	case !force:
		return a.taken()
	}
	return nil
}

func (a *app) taken() error {
	return usagef("--force replaces it, -c FILE writes another one", "%s is there already", a.config)
}

// writeStarter writes the config and, beside it, the schema that it names.
func (a *app) writeStarter(text []byte, force bool) error {
	if a.config == "-" {
		_, err := a.Out.Write(text)
		return err
	}
	schema, err := config.Schema(docs.Config)
	if err != nil {
		return err
	}
	write := atomicfile.Create
	if force {
		write = atomicfile.Write
	}
	if err := write(a.config, text, 0o644); errors.Is(err, fs.ErrExist) {
		return a.taken()
	} else if err != nil {
		return err
	}
	a.narrate("%s: written", a.config)
	path := filepath.Join(filepath.Dir(a.config), starter.SchemaFile)
	err = write(path, schema, 0o644)
	if errors.Is(err, fs.ErrExist) {
		old, readErr := os.ReadFile(path)
		if err = readErr; err == nil && !bytes.Equal(old, schema) {
			a.narrate("warning: %s is of another version: secretctl schema > %[1]s", path)
		}
	}
	if err != nil {
		return err
	}
	a.narrate("%s: what it can say, for editors", path)
	next := "secretctl provision --dry-run"
	if a.config != defaultConfig {
		next += " -c " + a.config
	}
	a.narrate("next: look through it, then run %s", next)
	return nil
}

// fromDeployment takes over what a Deployment of the cluster says, and the secrets
// that it has already unless others are named. It tells what it left out, by name.
func (a *app) fromDeployment(ctx context.Context, o *initOptions, secretsNamed bool) error {
	o.Namespace = cmp.Or(o.Namespace, "default")
	c, err := a.kubernetes(&config.Delivery{})
	if err != nil {
		return err
	}
	written, err := c.Deployment(ctx, o.Namespace, o.fromDeployment)
	if errors.Is(err, fs.ErrNotExist) {
		return hint.Wrap(err, "name its namespace with --namespace, its cluster with --context")
	} else if err != nil {
		return err
	}
	d, err := starter.Describe(written)
	if err != nil {
		return fmt.Errorf("deployments/%s: %w", o.fromDeployment, err)
	}
	o.Deployment = &d
	a.narrate("read: container %s of deployments/%s", d.Container, d.Name)
	if len(d.Withheld) > 0 {
		a.narrate("not copied, because they may be secret: the values of %s", strings.Join(d.Withheld, ", "))
	}
	if err := a.readClasses(ctx, c, o, d.Classes); err != nil {
		return err
	}
	switch {
	case d.VaultConfig == "" || secretsNamed:
		return nil
	case d.ConfigMap == "":
		a.narrate("warning: its vault config %s is in no ConfigMap: what it says was not taken over", d.VaultConfig)
		return nil
	}
	data, err := c.ConfigMap(ctx, o.Namespace, d.ConfigMap)
	if err == nil {
		err = o.Adopt([]byte(data[d.Key]))
	}
	switch {
	case ctx.Err() != nil:
		return err
	case err != nil:
		a.narrate("warning: its vault config was not taken over: configmaps/%s, %s: %s", d.ConfigMap, d.Key, err)
	default:
		a.narrate("read: %d secrets of its vault config, configmaps/%s", len(o.Secrets), d.ConfigMap)
	}
	return nil
}

// readClasses takes over what the SecretProviderClasses of the Deployment say about
// the store. Of what it cannot take over it says why.
func (a *app) readClasses(ctx context.Context, c *cluster.Cluster, o *initOptions, names []string) error {
	var read config.Delivery
	for _, name := range names {
		spec, err := c.SecretProviderClass(ctx, o.Namespace, name)
		known := providers.All(a.Azure)
		i := slices.IndexFunc(known, func(p store.Provider) bool { return p.Name == string(spec.Provider) })
		switch {
		case ctx.Err() != nil:
			return err
		case err != nil:
		case i < 0:
			err = fmt.Errorf("its provider %s is not one of %s", a.sanitizer.Line(string(spec.Provider)), strings.Join(config.Providers(), ", "))
		case o.Provider != "" && o.Provider != known[i].Name:
			err = fmt.Errorf("its provider is %s, not %s", known[i].Name, o.Provider)
		default:
			err = known[i].Read(spec, &read)
		}
		if err != nil {
			a.narrate("warning: secretproviderclasses/%s was not taken over: %s", name, err)
			return nil
		}
	}
	if len(names) > 0 {
		o.Provider, o.Class = read.Provider, &read
		a.narrate("read: secretproviderclasses/%s", strings.Join(names, ", "))
	}
	return nil
}
