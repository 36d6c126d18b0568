// Package cmd is the command line: a file for each command, which turns flags
// into options, makes one call into internal/, and prints what came of it. Only
// this package reads flags, the environment and the terminal.
package cmd

import (
	"context"
	"io"
	"log"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/secretctl/secretctl/internal/secret"
	"github.com/secretctl/secretctl/internal/store/keyvault/azure"
)

// IO is what a command reads from and writes to. The demo and the tests have their own.
type IO struct {
	In        io.Reader
	Out, Err  io.Writer
	LookupEnv func(string) (string, bool)
	// Unsetenv takes a variable out of the process's own environment, once a secret
	// was read from it; nil where LookupEnv reads another one.
	Unsetenv func(string) error
	// Environ lists that environment, as [os.Environ] does; nil where LookupEnv reads another one.
	Environ func() []string
	// Prompt reads a line without echo; nil where standard input is no terminal.
	Prompt func(label string) ([]byte, error)
	// Azure says how to reach Azure, and as whom; the zero value is whoever is logged in.
	Azure azure.Access
	// Strays is what has taken the place of the process's own stderr: libraries write to
	// it, and the login programs that they start. To close it ends that. Nil elsewhere.
	Strays io.ReadCloser
	// Plugin says that kubectl runs this, as "kubectl secretctl".
	Plugin bool
	// OutTerminal and ErrTerminal say whether a person sees the stream.
	OutTerminal, ErrTerminal bool
	Columns                  func() int // the width of the terminal; nil without one
}

// Main runs secretctl on the process's own arguments and streams, and returns
// the exit code. The first interrupt cancels the work, a second one ends it at once.
func Main() int {
	log.SetOutput(io.Discard)         // net/http logs what a server sends unasked, and that may be anything
	name := filepath.Base(os.Args[0]) // kubectl-secretctl and kubectl_complete-secretctl as a plugin
	stderr := os.Stderr
	streams := IO{
		In: os.Stdin, Out: os.Stdout, Err: stderr, LookupEnv: os.LookupEnv, Unsetenv: os.Unsetenv, Environ: os.Environ,
		Plugin:      strings.HasPrefix(name, "kubectl"),
		OutTerminal: term.IsTerminal(int(os.Stdout.Fd())),
		ErrTerminal: term.IsTerminal(int(stderr.Fd())),
		Columns:     func() int { return columns(stderr, os.Stdout) },
	}
	if term.IsTerminal(int(os.Stdin.Fd())) {
		keyboard := &keyboard{in: int(os.Stdin.Fd()), out: stderr}
		defer keyboard.restore()
		streams.Prompt = keyboard.ask
	}
	if r, w, err := os.Pipe(); err == nil {
		streams.Strays, os.Stderr = pipe{r, w}, w
	}
	args := os.Args[1:]
	if strings.HasPrefix(name, "kubectl_complete-") {
		args = append([]string{cobra.ShellCompRequestCmd}, args...)
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	ended := make(chan int, 1)
	go func() { ended <- Run(ctx, args, streams) }()
	for {
		select {
		case code := <-ended:
			return code
		case <-signals:
			if ctx.Err() != nil {
				return exitInterrupted
			}
			cancel()
		}
	}
}

// Run runs secretctl with the given arguments and returns the exit code.
func Run(ctx context.Context, args []string, streams IO) int {
	env := &environment{lookup: streams.LookupEnv, unset: streams.Unsetenv, taken: map[string]string{}}
	if streams.Environ != nil {
		env.withhold(streams.Environ())
	}
	streams.LookupEnv = env.Lookup
	sanitizer := &secret.Sanitizer{}
	out := &stdout{Writer: streams.Out}
	streams.Out = out
	stderr := newConsole(streams.Err, sanitizer)
	streams.Err = stderr
	endRelay := stderr.relay(streams.Strays, streams.ErrTerminal)
	streams.Prompt = stderr.alone(streams.Prompt)
	a := &app{
		IO: streams, env: env, stdout: out, console: stderr, sanitizer: sanitizer,
		inputs: &secret.Inputs{LookupEnv: env.Secret, Stdin: streams.In, Prompt: streams.Prompt, Sanitizer: sanitizer},
	}
	var command *cobra.Command
	err := a.guard(func() (err error) {
		root := newRoot(a)
		root.SetArgs(args)
		if command, err = root.ExecuteContextC(ctx); err != nil && !a.started {
			return asUsage(err)
		}
		return err
	})
	err = join(err, a.printFailure(command, err))
	endRelay()
	a.conclude(err)
	return exitCode(err)
}

// app is one run of secretctl.
type app struct {
	IO
	settings
	env       *environment // behind LookupEnv
	stdout    *stdout      // Out
	console   *console     // Err
	sanitizer *secret.Sanitizer
	inputs    *secret.Inputs
	summary   string   // the last line: what was done
	several   bool     // more than one delivery
	command   string   // with its arguments, without its flags
	warned    sync.Map // the warnings that were given
	goOn      advice   // how to go on if the command ends early
	started   bool     // the command runs: an error is no longer a usage error by default

	atEnd endings
}
