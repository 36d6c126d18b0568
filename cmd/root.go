package cmd

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/agnivade/levenshtein"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/secretctl/secretctl/internal/hint"
)

func newRoot(a *app) *cobra.Command {
	root := &cobra.Command{
		Use:   "secretctl",
		Short: "Deliver secrets to Aidbox, and prove that they arrived",
		Long: `secretctl puts the secrets of an Aidbox FHIR server into HashiCorp Vault or Azure
Key Vault, renders the Kubernetes manifests that mount them, creates the Aidbox
resources that refer to them, and verifies that Aidbox accepts them and that a
rotation arrives. Everything follows from one file, secretctl.yaml.

` + exitCodes("done; every check passed", "the answer is no: a check failed, a literal secret came back, there are differences",
			"could not find out or could not act: unreachable, refused, sealed"),
		Example: `  # Write the secrets to the store, and let the pod read them
  secretctl provision

  # Mount them
  secretctl render | kubectl apply -f -

  # Create the Aidbox resources that refer to them
  secretctl client apply

  # Prove that it all works
  secretctl verify`,
		Args: noSubcommand,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },

		PersistentPreRunE: a.fromEnvironment,

		SilenceErrors: true,
		SilenceUsage:  true,
		Version:       buildVersion().Version,
	}
	root.SetIn(a.In)
	root.SetOut(a.Out)
	root.SetErr(a.Err)
	root.SetVersionTemplate("secretctl {{.Version}}\n")
	a.addFlags(root.PersistentFlags())
	root.SetFlagErrorFunc(invalidFlag)
	root.SetUsageTemplate(usageTemplate)
	a.addCommands(root)
	root.SetHelpCommand(newHelp(root))
	a.complete(root)
	if a.Plugin {
		root.Annotations = map[string]string{cobra.CommandDisplayNameAnnotation: "kubectl secretctl"}
	}
	return root
}

// addCommands adds the commands in their groups, and the help topics.
func (a *app) addCommands(root *cobra.Command) {
	for _, group := range []struct {
		title    string
		commands []*cobra.Command
	}{
		{"Set up", []*cobra.Command{newInit(a), newConfig(a), newInstall(a), newInfra(a)}},
		{"Deliver", []*cobra.Command{newProvision(a), newRender(a), newTemplates(a), newClient(a)}},
		{"Prove", []*cobra.Command{newDoctor(a), newVerify(a), newRotate(a)}},
		{"Look", []*cobra.Command{newStatus(a), newDiff(a), newGraph(a), newExplain(a)}},
		{"Try", []*cobra.Command{newDemo(a), newSandbox(a)}},
	} {
		root.AddGroup(&cobra.Group{ID: group.title, Title: strings.ToUpper(group.title)})
		for _, c := range group.commands {
			c.GroupID = group.title
			root.AddCommand(c)
		}
	}
	schema := newSchema(a) // also config schema
	schema.Hidden = true
	root.AddCommand(newVersion(a), schema)
	root.AddCommand(newTopics(root)...)
}

// Root returns the command tree, for the generator of docs/cli.
func Root() *cobra.Command {
	return newRoot(&app{IO: IO{Out: io.Discard, Err: io.Discard}})
}

// meant says which command does what a command of this name does in other tools.
var meant = map[string]string{
	"apply":    "secretctl provision writes the store, secretctl render | kubectl apply -f - the cluster, secretctl client apply Aidbox",
	"plan":     "secretctl provision --dry-run shows what would be written, secretctl diff all that differs",
	"lint":     "run secretctl config validate",
	"validate": "run secretctl config validate",
	"check":    "secretctl verify runs the checks, secretctl doctor those of the prerequisites",
	"test":     "secretctl verify runs the checks, secretctl doctor those of the prerequisites",
	"logs":     "secretctl verify says what is wrong, secretctl doctor what is missing; kubectl logs has the logs of Aidbox",
	"get":      "secretctl client get shows the resources in Aidbox; secret values are never shown",
	"delete":   "secretctl client delete deletes resources from Aidbox; secretctl deletes no secret",
	"login":    "run vault login or az login, or pass --vault-login METHOD/ROLE",
	"sync":     "run secretctl provision",
	"list":     "secretctl status shows each secret, secretctl graph what refers to it",
}

// newGroup is a command that only groups others.
func newGroup(use, short, long, example string, commands ...*cobra.Command) *cobra.Command {
	cmd := &cobra.Command{
		Use: use, Short: short, Example: example,
		Long: long + "\n\n" + exitCodes("done; the help of each command says more", "", ""),
		Args: noSubcommand,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(commands...)
	return cmd
}

// noSubcommand refuses arguments of a command that only groups others. Cobra alone would
// show the help and exit with 0.
func noSubcommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	err := fmt.Errorf("unknown command %q for %q", args[0], cmd.CommandPath())
	cmd.SuggestionsMinimumDistance = 2
	near := slices.DeleteFunc(cmd.SuggestionsFor(args[0]), func(name string) bool { return !isNear(args[0], name) })
	switch {
	case meant[args[0]] != "" && !cmd.HasParent():
		return hint.Usage(meant[args[0]], "%w", err)
	case len(near) > 0:
		return hint.Usage("did you mean "+strings.Join(near, " or ")+"?", "%w", err)
	}
	return hint.Usage("run "+cmd.CommandPath()+" --help", "%w", err)
}

// isNear says whether a word may be a mistyped or shortened name: half of it is right.
func isNear(word, name string) bool {
	return strings.HasPrefix(name, word) || levenshtein.ComputeDistance(word, name)*2 < len(word)
}

// noArguments refuses arguments. Cobra alone would call them unknown commands.
func noArguments(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	return hint.Usage("run "+cmd.CommandPath()+" --help", "unexpected argument %q", args[0])
}

// exclude refuses two flags in one run.
func exclude(cmd *cobra.Command, one, other string) {
	cmd.MarkFlagsMutuallyExclusive(one, other) // for completion
	before := cmd.PreRunE
	cmd.PreRunE = func(cmd *cobra.Command, args []string) error {
		if cmd.Flags().Changed(one) && cmd.Flags().Changed(other) {
			return hint.Usage("pass one of them", "--%s and --%s exclude each other", one, other)
		}
		if before != nil {
			return before(cmd, args)
		}
		return nil
	}
}

// invalidFlag explains an error in the flags of a command line.
func invalidFlag(cmd *cobra.Command, err error) error {
	switch err := err.(type) { //nolint:errorlint // pflag wraps nothing
	case *pflag.InvalidValueError:
		return invalidValue("--"+err.GetFlag().Name, err.GetFlag())
	case *pflag.NotExistError:
		near, distance := "", 3
		cmd.Flags().VisitAll(func(f *pflag.Flag) {
			if d := levenshtein.ComputeDistance(err.GetSpecifiedName(), f.Name); d < distance {
				near, distance = f.Name, d
			}
		})
		if near != "" {
			return hint.Usage("did you mean --"+near+"?", "%w", err)
		}
	}
	return hint.Usage("run "+cmd.CommandPath()+" --help", "%w", err)
}
