package cmd

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// printUsage writes what a command's help has below its text.
func printUsage(c *cobra.Command) error {
	var out strings.Builder
	section := func(title, text string) {
		if text = strings.TrimRight(text, "\n"); text != "" {
			fmt.Fprintf(&out, "\n%s\n%s\n", strings.ToUpper(title), text)
		}
	}
	section("Usage", usageLines(c))
	section("Examples", c.Example)
	for _, group := range c.Groups() {
		section(group.Title, listed(c, func(sub *cobra.Command) bool { return sub.IsAvailableCommand() && sub.GroupID == group.ID }))
	}
	others := "Commands"
	if len(c.Groups()) > 0 {
		others = "Other"
	}
	section(others, listed(c, func(sub *cobra.Command) bool {
		return (sub.IsAvailableCommand() || sub.Name() == "help") && sub.GroupID == ""
	}))
	section("Help topics", listed(c, (*cobra.Command).IsAdditionalHelpTopicCommand))
	if c.HasParent() {
		section("Flags", c.LocalFlags().FlagUsages())
		section("Global flags", "  "+c.Root().CommandPath()+" help environment lists the flags of every command, and their variables.")
	} else {
		section("Global flags", c.LocalFlags().FlagUsages())
	}
	_, err := fmt.Fprint(c.OutOrStderr(), strings.TrimPrefix(out.String(), "\n"))
	return err
}

func usageLines(c *cobra.Command) string {
	own := "  " + c.UseLine()
	if !c.HasAvailableSubCommands() {
		return own
	}
	below := "  " + c.CommandPath() + " COMMAND [flags]"
	if c.Flags().Lookup("output") != nil { // it does something itself
		return own + "\n" + below
	}
	return below
}

// listed returns a line for each command of a group.
func listed(c *cobra.Command, in func(*cobra.Command) bool) string {
	var lines []string
	for _, sub := range c.Commands() {
		if in(sub) {
			lines = append(lines, fmt.Sprintf("  %-*s  %s", c.NamePadding(), sub.Name(), sub.Short))
		}
	}
	return strings.Join(lines, "\n")
}

// newHelp is cobra's, but for a topic that does not exist, which is a usage error.
func newHelp(root *cobra.Command) *cobra.Command {
	return &cobra.Command{
		Use:   "help [COMMAND | TOPIC]",
		Short: "Help about any command",
		RunE: func(_ *cobra.Command, args []string) error {
			found, rest, err := root.Find(args)
			if err == nil && len(rest) > 0 && found.HasSubCommands() {
				err = noSubcommand(found, rest)
			}
			if err != nil {
				return err
			}
			found.InitDefaultHelpFlag()
			return found.Help()
		},
	}
}

// newTopics returns pages of the help about what all commands have in common.
func newTopics(root *cobra.Command) []*cobra.Command {
	return []*cobra.Command{
		{Use: "environment", Short: "Environment variables and global flags", Long: environmentTopic(root.PersistentFlags())},
		{Use: "exit-codes", Short: "What the exit codes mean", Long: exitCodesTopic},
		{Use: "checks", Short: "The checks of verify, rotate and doctor", Long: checksTopic},
	}
}

func environmentTopic(flags *pflag.FlagSet) string {
	var out strings.Builder
	out.WriteString(`Each global flag has an environment variable; the flags of a single command have
none. A flag wins over its variable, and a variable over the config.

`)
	flags.VisitAll(func(f *pflag.Flag) {
		_, usage := pflag.UnquoteUsage(f)
		fmt.Fprintf(&out, "  --%-15s %s\n  %17s %s\n", f.Name, strings.Join(variables(f.Name), ", "), "", usage)
	})
	out.WriteString("\nOther variables that secretctl reads:\n\n")
	for _, line := range [][2]string{
		{"VAULT_TOKEN", "the token for Vault; else that of vault login"},
		{"VAULT_*", "as the vault command reads them: VAULT_NAMESPACE, VAULT_CACERT, ..."},
		{idTokenVariable, "the token of a pipeline, for --vault-login"},
		{"AIDBOX_CLIENT_SECRET", "the secret of the admin Client, unless the config names another source"},
		{"AZURE_*", "a login to Azure, as the Azure SDK reads them; else that of az login"},
		{"KUBECONFIG", "the kubeconfig, without --kubeconfig"},
		{"NO_COLOR", "no colour, whatever its value"},
		{"ACCESSIBLE, TERM", "init asks in plain lines where ACCESSIBLE is set or TERM is dumb"},
	} {
		fmt.Fprintf(&out, "  %-21s %s\n", line[0], line[1])
	}
	out.WriteString(`
A variable that a secret was read from is removed from secretctl's own environment,
so that no child process inherits it: az, helm, a login plugin of the kubeconfig. helm
and login plugins inherit only what finds programs, home, proxies, certificates and
the cluster; login plugins also have the variables of their cloud.`)
	return out.String()
}

const exitCodesTopic = `  0    done; every check passed
  1    the answer is no: a check failed, there are differences, a literal secret came back
  2    usage or config error; nothing was attempted
  3    could not find out or could not act: unreachable, refused, sealed
  124  --timeout passed
  130  interrupted

The help of each command says what its codes mean. If several things went wrong, the
highest code counts. Among checks it is the other way round: one that failed (1)
outweighs one that could not be run (3).

After 124 and 130 the same command can be run again: what is done stays done.`

const checksTopic = `verify runs checks in groups; each check has an ID such as mount/matches-store.

` + checkGroups + `

doctor runs the first three, rotate the last. A check passes, warns, fails, is unknown
(it could not be run) or is skipped (another one has to pass first).

secretctl explain lists all checks, and secretctl explain CHECK says what one looks at
and how to fix it.`
