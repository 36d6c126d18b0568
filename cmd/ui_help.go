package cmd

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// usageTemplate is what the help of a command has below its text.
const usageTemplate = `USAGE
{{- if or (not .HasAvailableSubCommands) (.Flags.Lookup "output")}}
  {{.UseLine}}
{{- end}}
{{- if .HasAvailableSubCommands}}
  {{.CommandPath}} COMMAND [flags]
{{- end}}
{{- with .Example}}

EXAMPLES
{{.}}
{{- end}}
{{- range $group := .Groups}}

{{.Title}}
{{- range $.Commands}}{{if and .IsAvailableCommand (eq .GroupID $group.ID)}}
  {{rpad .Name .NamePadding}}  {{.Short}}
{{- end}}{{end}}{{end}}
{{- if .HasAvailableSubCommands}}

{{if .Groups}}OTHER{{else}}COMMANDS{{end}}
{{- range .Commands}}{{if and (eq .GroupID "") (or .IsAvailableCommand (eq .Name "help"))}}
  {{rpad .Name .NamePadding}}  {{.Short}}
{{- end}}{{end}}{{end}}
{{- if .HasHelpSubCommands}}

HELP TOPICS
{{- range .Commands}}{{if .IsAdditionalHelpTopicCommand}}
  {{rpad .Name .NamePadding}}  {{.Short}}
{{- end}}{{end}}{{end}}
{{- with .LocalFlags.FlagUsages}}

{{if $.HasParent}}FLAGS{{else}}GLOBAL FLAGS{{end}}
{{trimTrailingWhitespaces .}}
{{- end}}
{{- if .HasParent}}

GLOBAL FLAGS
  {{.Root.CommandPath}} help environment lists the flags of every command, and their variables.
{{- end}}
`

// newHelp is cobra's help command, except that a topic that does not exist is a usage
// error.
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

// newTopics returns the help topics.
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

After 124 and 130, run the same command again: it skips what is already done. After
an interrupted rotation, run what the hint says: another rotate writes another version.`

const checksTopic = `verify runs checks in groups; each check has an ID such as mount/matches-store.

` + checkGroups + `

doctor runs the first three, rotate the last. A check passes, warns, fails, is unknown
(it could not be run) or is skipped (another one has to pass first).

secretctl explain lists all checks, and secretctl explain CHECK says what one looks at
and how to fix it.`
