// Package cmd is the command line: a file for each command, which turns flags
// into options, makes one call into internal/, and prints what came of it. Only
// this package reads flags, the environment and the terminal.
package cmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/secretctl/secretctl/internal/secret"
	"github.com/secretctl/secretctl/internal/store/keyvault/azure"
)

// IO is the world that a command runs in. The demo and the tests make their own.
type IO struct {
	In        io.Reader
	Out, Err  io.Writer
	LookupEnv func(string) (string, bool)
	// Prompt reads a line without echo; nil where standard input is no terminal.
	Prompt func(label string) ([]byte, error)
	// Azure is as whom and how Azure is reached; its zero value is whoever is logged in.
	Azure azure.Access
	// Plugin says that kubectl runs this, so that it is called "kubectl secretctl".
	Plugin bool
	// OutTerminal and ErrTerminal say whether a person is looking.
	OutTerminal, ErrTerminal bool
}

// Main runs secretctl on the process's own arguments and streams, and returns
// the exit code. The first interrupt ends the work in order, a second one at once.
func Main() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop)
	name := filepath.Base(os.Args[0]) // kubectl-secretctl and kubectl_complete-secretctl as a plugin
	world := IO{
		In: os.Stdin, Out: os.Stdout, Err: os.Stderr, LookupEnv: os.LookupEnv,
		Plugin:      strings.HasPrefix(name, "kubectl"),
		OutTerminal: term.IsTerminal(int(os.Stdout.Fd())),
		ErrTerminal: term.IsTerminal(int(os.Stderr.Fd())),
	}
	if stdin := int(os.Stdin.Fd()); term.IsTerminal(stdin) {
		world.Prompt = func(label string) ([]byte, error) {
			_, _ = fmt.Fprintf(os.Stderr, "Value of %s (not shown): ", label)
			defer func() { _, _ = fmt.Fprintln(os.Stderr) }()
			return term.ReadPassword(stdin)
		}
	}
	args := os.Args[1:]
	if strings.HasPrefix(name, "kubectl_complete-") {
		args = append([]string{cobra.ShellCompRequestCmd}, args...)
	}
	return Run(ctx, args, world)
}

// Run runs secretctl with the given arguments and returns the exit code.
func Run(ctx context.Context, args []string, world IO) (code int) {
	stderr := &console{out: world.Err}
	world.Err = stderr
	world.Prompt = stderr.alone(world.Prompt)
	a := &app{IO: world, console: stderr, inputs: &secret.Inputs{LookupEnv: world.LookupEnv, Stdin: world.In, Prompt: world.Prompt}}
	defer func() {
		if p := recover(); p != nil {
			a.printPanic(p)
			code = exitUnable
		}
	}()
	root := newRoot(a)
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if err != nil && !a.started {
		err = asUsage(err)
	}
	a.printError(err)
	if a.end != nil {
		defer a.end()
		ctx = a.ctx
	}
	return exitCode(ctx, err)
}

// app is one run of secretctl.
type app struct {
	IO
	settings
	console *console // Err
	inputs  *secret.Inputs

	sanitizer secret.Sanitizer
	several   bool // deliveries are worked on

	started bool            // a command began its work: what fails now is no usage error
	ctx     context.Context //nolint:containedctx // kept to tell a timeout from an interrupt when all is over
	end     context.CancelFunc
	atEnd   endings
}

func newRoot(a *app) *cobra.Command {
	root := &cobra.Command{
		Use:   "secretctl",
		Short: "Deliver secrets from Vault or Key Vault to Aidbox, and prove it",
		Long: `secretctl puts the secrets of an Aidbox FHIR server into HashiCorp Vault or Azure
Key Vault, renders the Kubernetes manifests that mount them, creates the Aidbox
resources that refer to them, and verifies that Aidbox accepts them and that a
rotation arrives. Everything follows from one file, secretctl.yaml.

` + exitStatus,
		Example: `  secretctl provision
  secretctl render | kubectl apply -f -
  secretctl client apply
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
	root.AddCommand(
		newInit(a), newProvision(a), newRender(a), newTemplates(a), newClient(a), newVerify(a), newRotate(a), newDoctor(a), newDiff(a),
		newInfra(a), newInstall(a), newExplain(a), newGraph(a), newDemo(a), newSandbox(a), newSchema(a), newVersion(a),
	)
	root.InitDefaultHelpCmd()
	a.complete(root)
	if a.Plugin {
		root.Annotations = map[string]string{cobra.CommandDisplayNameAnnotation: "kubectl secretctl"}
	}
	return root
}

// Root returns the command tree, for the generator of docs/cli.
func Root() *cobra.Command {
	return newRoot(&app{IO: IO{Out: io.Discard, Err: io.Discard}})
}

// noSubcommand refuses arguments of a command that only groups others; cobra
// alone would show the help and report success.
func noSubcommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	err := fmt.Errorf("unknown command %q for %q", args[0], cmd.CommandPath())
	cmd.SuggestionsMinimumDistance = 2
	if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
		return &usageError{err, "did you mean " + strings.Join(near, " or ") + "?"}
	}
	return &usageError{err, "run " + cmd.CommandPath() + " --help"}
}

// printPanic tells of a bug without its message, which could hold anything.
func (a *app) printPanic(p any) {
	what := fmt.Sprintf("%T", p)
	var rt runtime.Error
	if err, ok := p.(error); ok && errors.As(err, &rt) {
		what = rt.Error()
	}
	_, _ = fmt.Fprintf(a.Err, "error: internal error (%s)\nhint: please report this with the lines below\n", what)
	_, _ = a.Err.Write(frames(debug.Stack()))
}

// frames leaves of a stack trace its file lines, which hold no arguments.
func frames(stack []byte) []byte {
	var out []byte
	for line := range strings.Lines(string(stack)) {
		if strings.HasPrefix(line, "\t") {
			out = append(out, line...)
		}
	}
	return out
}
