package cmd

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/secretctl/secretctl/internal/cluster"
	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/render"
)

// complete adds the completion command, and completions to each flag. The values come
// from the config file and the kubeconfig; without these, nothing is offered. No server
// is asked.
func (a *app) complete(root *cobra.Command) {
	root.CompletionOptions.SetDefaultShellCompDirective(cobra.ShellCompDirectiveNoFileComp)
	root.InitDefaultCompletionCmd()
	for _, c := range root.Commands() {
		if c.Name() == "completion" {
			describeCompletion(c)
		}
	}
	_ = root.MarkPersistentFlagFilename("config", "yaml", "yml") // and folders
	flags := map[string]cobra.CompletionFunc{
		"delivery": a.offerOf(deliveryNames),
		"secret":   a.offerOf(secretNames),
		"context":  offer(a.contexts),
		"only":     offer(renderable),
		"skip":     offer(renderable),
		"with":     offer(render.Groups),
		"phase":    a.offerOf(a.phases),
	}
	for _, name := range []string{"kubeconfig", "file", "json-file", "junit-file", "html-file", "report", "vault-jwt-file", "vault-config"} {
		flags[name] = anyFile
	}
	for _, name := range []string{"dir", "templates", "mount-path"} {
		flags[name] = anyFolder
	}
	completeFlags(root, flags)
}

// completeFlags leaves alone the flags that have a completion of their own.
func completeFlags(c *cobra.Command, flags map[string]cobra.CompletionFunc) {
	c.LocalFlags().VisitAll(func(f *pflag.Flag) {
		if _, known := c.GetFlagCompletionFunc(f.Name); !known && flags[f.Name] != nil {
			_ = c.RegisterFlagCompletionFunc(f.Name, flags[f.Name])
		}
	})
	for _, sub := range c.Commands() {
		completeFlags(sub, flags)
	}
}

// describeCompletion gives cobra's own commands the help that every other one has.
func describeCompletion(completion *cobra.Command) {
	completion.Short = "Write a completion script for a shell"
	completion.Long += "\n" + exitCodes("the script was printed", "", "")
	completion.Example = "  # Load completions into the current shell\n  source <(secretctl completion bash)"
	completion.Args = noSubcommand
	completion.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
	for _, shell := range completion.Commands() {
		shell.Short = "Write the completion script for " + shell.Name()
		shell.Long += "\n" + exitCodes("the script was printed", "", "")
		shell.Example = "  # Print the script\n  secretctl completion " + shell.Name()
	}
}

func anyFile(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return nil, cobra.ShellCompDirectiveDefault
}

func anyFolder(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return nil, cobra.ShellCompDirectiveFilterDirs
}

// offer completes values that were not given yet, as arguments or in a list with commas.
func offer(values func() []string) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
		_ = cmd.Root().PersistentPreRunE(cmd, nil) // which config file it is
		list := typed[:strings.LastIndex(typed, ",")+1]
		given := append(strings.Split(list, ","), args...)
		var left []string
		for _, value := range slices.Compact(slices.Sorted(slices.Values(values()))) {
			if !slices.Contains(given, value) {
				left = append(left, list+value)
			}
		}
		if list != "" { // the list may go on
			return left, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
		}
		return left, cobra.ShellCompDirectiveNoFileComp
	}
}

// offerOf completes names in the config. Without a valid config there are none.
func (a *app) offerOf(names func([]*config.Delivery) []string) cobra.CompletionFunc {
	return offer(func() []string {
		all, _ := a.load()
		return names(all)
	})
}

func (a *app) phases(deliveries []*config.Delivery) (phases []string) {
	for _, d := range deliveries {
		phases = append(phases, a.provider(d).Phases...)
	}
	return phases
}

func (a *app) contexts() []string { return cluster.Contexts(cluster.Options{Kubeconfig: a.kubeconfig}) }

// renderable returns what --only and --skip of render accept.
func renderable() []string {
	return append([]string{"ServiceAccount", "SecretProviderClass", "ConfigMap", config.KindDeployment, config.KindStatefulSet}, render.Groups()...)
}
