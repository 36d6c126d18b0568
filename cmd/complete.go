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
		"delivery": offer(a.deliveryNames),
		"secret":   offer(a.secretNames),
		"context":  offer(a.contexts),
		"only":     offerList(renderable),
		"skip":     offerList(renderable),
		"with":     offerList(render.Groups),
		"phase":    offerList(a.phaseNames),
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

// offer completes values that are not among the arguments yet.
func offer(values func() []string) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		_ = cmd.Root().PersistentPreRunE(cmd, nil) // which config file it is
		left := slices.DeleteFunc(slices.Clone(values()), func(v string) bool { return slices.Contains(args, v) })
		return left, cobra.ShellCompDirectiveNoFileComp
	}
}

// offerOne is offer for a command that takes one argument.
func offerOne(values func() []string) cobra.CompletionFunc {
	all := offer(values)
	return func(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return all(cmd, args, typed)
	}
}

// offerList completes values that are not in a comma-separated list yet.
func offerList(values func() []string) cobra.CompletionFunc {
	return func(cmd *cobra.Command, _ []string, typed string) ([]string, cobra.ShellCompDirective) {
		there := typed[:strings.LastIndex(typed, ",")+1]
		left, directive := offer(values)(cmd, strings.Split(there, ","), typed)
		for i := range left {
			left[i] = there + left[i]
		}
		return left, directive | cobra.ShellCompDirectiveNoSpace
	}
}

func (a *app) deliveryNames() []string {
	all, _ := config.Load(a.config)
	return collect(all, func(d *config.Delivery) []string { return []string{d.Name} })
}

func (a *app) secretNames() []string {
	all, _ := a.deliveries()
	return collect(all, func(d *config.Delivery) (names []string) {
		for _, s := range d.Secrets {
			names = append(names, s.Name)
		}
		return names
	})
}

func (a *app) resourceRefs() []string {
	all, _ := a.deliveries()
	return collect(all, func(d *config.Delivery) (refs []string) {
		for _, r := range d.Resources {
			refs = append(refs, r.Ref())
		}
		return refs
	})
}

func (a *app) phaseNames() []string {
	all, _ := a.deliveries()
	return collect(all, func(d *config.Delivery) []string { return a.provider(d).Phases })
}

// collect returns the values of all deliveries, each once.
func collect(all []*config.Delivery, values func(*config.Delivery) []string) (out []string) {
	for _, d := range all {
		out = append(out, values(d)...)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func (a *app) contexts() []string { return cluster.Contexts(cluster.Options{Kubeconfig: a.kubeconfig}) }

// renderable returns what --only and --skip of render accept.
func renderable() []string {
	return append([]string{"ServiceAccount", "SecretProviderClass", "ConfigMap", config.KindDeployment, config.KindStatefulSet}, render.Groups()...)
}
