package cmd

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/secretctl/secretctl/docs"
	"github.com/secretctl/secretctl/internal/atomicfile"
	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/hint"
	"github.com/secretctl/secretctl/internal/secret"
	"github.com/secretctl/secretctl/internal/starter"
	"github.com/secretctl/secretctl/internal/store/providers"
)

type initOptions struct {
	starter.Options
	secrets, client string
	fromDeployment  string
	output          string
	examples        []string // filled in, to be replaced
	force, noInput  bool
	asked           bool // on a terminal, so no examples are filled in
}

func newInit(a *app) *cobra.Command {
	var o initOptions
	cmd := &cobra.Command{
		Use:   "init",
		Short: "Write a first config file",
		Long: `Writes a config file with comments, ready for "provision" and "render": to the
file that -c names, or to stdout with "-c -". An existing file is replaced only with
--force. init also writes ` + starter.SchemaFile + ` next to it, for editors.

On a terminal, init asks for what the flags leave open; --no-input turns that off.

--from-deployment describes an existing Deployment or StatefulSet: who manages it, its
container, ServiceAccount and port; where its secrets are stored, from the
SecretProviderClass that it mounts; and from its vault config the secrets, their
scopes and files. Everything else stays with the workload. No value is read.

` + exitCodes("the config was written", "", "a file could not be written, or the cluster could not be read"),
		Example: `  # Start with Vault
  secretctl init --provider vault

  # Start with two secrets of one Client
  secretctl init --provider vault --secret client-secret,webhook-header --client basic

  # Start with Azure Key Vault, in a file of another name
  secretctl init --provider azure --key-vault contoso-aidbox --no-input -c azure.yaml

  # Describe an existing Aidbox
  secretctl init --provider vault --from-deployment aidbox --namespace fhir`,
		Args: noArguments,
	}
	cmd.RunE = a.run(func(ctx context.Context, _ []string) error { return a.init(ctx, o, cmd.Flags().Changed) })
	f := cmd.Flags()
	f.StringVar(&o.fromDeployment, "from-deployment", "", "describe this Deployment or StatefulSet")
	f.BoolVar(&o.force, "force", false, "replace existing files")
	f.BoolVar(&o.noInput, "no-input", false, "ask nothing")
	addOutput(cmd, &o.output, "text", "json")
	for _, q := range o.questions() {
		if q.usage != "" {
			f.StringVar(q.answer, q.flag, "", q.usage)
		}
	}
	_ = cmd.RegisterFlagCompletionFunc("provider", cobra.FixedCompletions(config.Providers(), cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

// init writes the config file. given reports whether a flag was set.
func (a *app) init(ctx context.Context, o initOptions, given func(flag string) bool) error {
	if a.config == "-" && o.output == "json" {
		return hint.Usage("name a file for the config: -c FILE", "-o json and -c - would both write to stdout")
	}
	if err := a.vacant(o.force); err != nil {
		return err
	}
	if err := a.collect(ctx, &o, given); err != nil {
		return err
	}
	if err := o.check(func(question) bool { return true }); err != nil {
		return err
	}
	o.complete()
	text, err := starter.File(o.Options)
	if err != nil {
		return err
	}
	if _, err := config.Parse(a.config, text); err != nil { // such as what a workload has
		return err
	}
	if len(o.examples) > 0 {
		a.narrate("note: %s stand for your own names and ids: replace them", strings.Join(o.examples, ", "))
	}
	return a.writeStarter(text, o)
}

// collect collects the answers of init: from flags, from what runs Aidbox already, and from
// questions.
func (a *app) collect(ctx context.Context, o *initOptions, given func(flag string) bool) error {
	o.VaultAddress, o.AidboxURL = a.vaultAddr, a.aidboxURL
	if id, _ := a.LookupEnv("AZURE_SUBSCRIPTION_ID"); o.SubscriptionID == "" {
		o.SubscriptionID = id
	}
	if err := o.fits(given); err != nil {
		return err
	}
	if err := o.check(func(q question) bool { return given(q.flag) }); err != nil {
		return err
	}
	if o.fromDeployment != "" {
		c, err := a.kubernetes(&config.Delivery{})
		if err != nil {
			return err
		}
		existing := starter.Existing{Cluster: c, Providers: providers.All(a.Azure), Note: a.narrate}
		if err := existing.Read(ctx, &o.Options, o.fromDeployment, given("secret")); err != nil {
			return err
		}
	}
	if a.Prompt != nil && a.ErrTerminal && !o.noInput {
		if err := a.ask(ctx, o, given); err != nil {
			return err
		}
	}
	if o.Workload != nil && o.Provider == config.ProviderAzure && o.KeyVault == "" {
		return hint.Usage("name it with --key-vault", "the Key Vault of %s is not known", o.Workload.Workload)
	}
	return nil
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
		return hint.Usage("name a file in it: -c "+secret.ShellWord(filepath.Join(a.config, defaultConfig)), "%s is a folder", a.config)
	case !force:
		return a.existsAlready()
	}
	return nil
}

func (a *app) existsAlready() error {
	return hint.Usage("--force replaces it, -c FILE writes another one", "%s already exists", a.config)
}

// writeStarter writes the config and, beside it, the schema that it names.
func (a *app) writeStarter(text []byte, o initOptions) error {
	if a.config == "-" {
		_, err := a.Out.Write(text)
		return err
	}
	write := atomicfile.Create
	if o.force {
		write = atomicfile.Write
	}
	if err := write(a.config, text, 0o644); errors.Is(err, fs.ErrExist) {
		return a.existsAlready()
	} else if err != nil {
		return err
	}
	a.narrate("wrote %s", a.config)
	path, action := filepath.Join(filepath.Dir(a.config), starter.SchemaFile), fileWritten
	err := write(path, docs.Schema, 0o644)
	if errors.Is(err, fs.ErrExist) {
		action = fileUnchanged
		old, readErr := atomicfile.Read(path)
		if err = readErr; err == nil && !bytes.Equal(old, docs.Schema) {
			a.narrate("%s", secret.Shellf("warning: %s is of another version; to update it, run secretctl config schema > %[1]s", path))
		}
	}
	if err != nil {
		return err
	}
	a.narrate("%s %s, the JSON Schema for editors", map[string]string{fileWritten: "wrote", fileUnchanged: "kept"}[action], path)
	next := "secretctl provision --dry-run"
	if a.config != defaultConfig {
		next += " -c " + secret.ShellWord(a.config)
	}
	a.narrate("next: review it, then run %s", next)
	if o.output == "json" {
		return a.printJSON(filesReport{1, []writtenFile{{a.config, fileWritten}, {path, action}}})
	}
	return nil
}
