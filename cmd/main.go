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
	"github.com/secretctl/secretctl/internal/store/providers"
)

// IO is what a command reads from and writes to. The demo and the tests have their own.
type IO struct {
	In        io.Reader
	Out, Err  io.Writer
	LookupEnv func(string) (string, bool)
	// Unsetenv hides from child processes a variable that a secret was read from;
	// LookupEnv still finds it. Nil if LookupEnv does not read the process's own.
	Unsetenv func(string) error
	// Credentials are those of the environment that child processes may have, and print.
	Credentials []secret.Value
	// Prompt reads a line without echo; nil unless standard input is a terminal.
	Prompt func(label string) ([]byte, error)
	// Azure says how to reach Azure; the zero value is the Azure that the user is logged in to.
	Azure azure.Access
	// LibraryErr replaces the process's stderr, to which libraries and the login programs that
	// they start write. Closing it ends that. Nil if nothing does.
	LibraryErr io.ReadCloser
	// Plugin says that kubectl runs this, as "kubectl secretctl".
	Plugin bool
	// OutTerminal and ErrTerminal say whether the stream is a terminal.
	OutTerminal, ErrTerminal bool
	Columns                  func() int // the width of the terminal; nil without one
}

// Main runs secretctl on the process's own arguments and streams, and returns
// the exit code. The first interrupt, or the end of the session, cancels the work; a second one
// ends it at once.
func Main() int {
	log.SetOutput(io.Discard)         // net/http logs what a server sends unasked, and that may be anything
	name := filepath.Base(os.Args[0]) // kubectl-secretctl and kubectl_complete-secretctl as a plugin
	stderr, environ := os.Stderr, os.Environ()
	streams := IO{
		In: os.Stdin, Out: os.Stdout, Err: stderr, LookupEnv: hideFromChildren(environ, os.Unsetenv), Unsetenv: os.Unsetenv,
		Credentials: secret.Credentials(environ, append(secret.OfClouds(), "HELM_")...),
		Plugin:      strings.HasPrefix(name, "kubectl"),
		OutTerminal: term.IsTerminal(int(os.Stdout.Fd())),
		ErrTerminal: term.IsTerminal(int(stderr.Fd())),
		Columns:     func() int { return columns(stderr, os.Stdout) },
	}
	if before, err := term.GetState(int(os.Stdin.Fd())); err == nil {
		keyboard := &keyboard{in: int(os.Stdin.Fd()), out: stderr, before: before}
		defer keyboard.restore()
		streams.Prompt = keyboard.ask
	}
	if r, w, err := os.Pipe(); err == nil {
		streams.LibraryErr, os.Stderr = pipe{r, w}, w
	}
	args := os.Args[1:]
	if strings.HasPrefix(name, "kubectl_complete-") {
		args = append([]string{cobra.ShellCompRequestCmd}, args...)
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	if !signal.Ignored(syscall.SIGHUP) { // as nohup has it
		signal.Notify(signals, syscall.SIGHUP)
	}
	// A reader that goes away, such as head, ends no rotation half-way: writing fails instead.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
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

// hideFromChildren unsets the variables that no child process may have, before there is
// a child: libraries run az and login plugins, which inherit all that is set. The lookup
// that is returned still finds them.
func hideFromChildren(environ []string, unset func(string) error) (lookup func(string) (string, bool)) {
	kept := append(secret.OfClouds(), "SSL_", "GODEBUG") // libraries read these
	for _, p := range providers.All(azure.Access{}) {
		kept = append(kept, p.Variables...)
	}
	values := map[string]string{}
	for _, entry := range environ {
		name, value, _ := strings.Cut(entry, "=")
		values[name] = value
	}
	for _, name := range secret.Withheld(environ, kept...) {
		_ = unset(name) // it was set, so the name is valid
	}
	return func(name string) (string, bool) {
		if value, ok := values[name]; ok {
			return value, true
		}
		return os.LookupEnv(name) // Windows has Path, and finds it as PATH
	}
}

// Run runs secretctl with the given arguments and returns the exit code.
func Run(ctx context.Context, args []string, streams IO) int {
	sanitizer := &secret.Sanitizer{}
	sanitizer.Learn(streams.Credentials...)
	out := &stdout{Writer: streams.Out}
	streams.Out = out
	stderr := newConsole(streams.Err, sanitizer)
	streams.Err = stderr
	endRelay := stderr.relay(streams.LibraryErr, streams.ErrTerminal)
	streams.Prompt = stderr.alone(streams.Prompt)
	a := &app{IO: streams, stdout: out, console: stderr, sanitizer: sanitizer}
	a.inputs = &secret.Inputs{LookupEnv: a.secretVariable, Stdin: streams.In, Prompt: streams.Prompt, Sanitizer: sanitizer}
	var command *cobra.Command
	err := a.guard(func() (err error) {
		root := newRoot(a)
		root.SetArgs(args)
		if command, err = root.ExecuteContextC(ctx); err != nil && !a.started {
			return asUsage(err, command.CommandPath())
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
	stdout    *stdout  // Out
	console   *console // Err
	sanitizer *secret.Sanitizer
	inputs    *secret.Inputs
	summary   string   // the last line: what was done
	several   bool     // more than one delivery
	command   string   // and its arguments, without flags
	warned    sync.Map // the warnings that were printed
	hidden    sync.Map // the variables that a secret may come from
	goOn      sync.Map // what to do next if the command ends early, by delivery and secret
	rotated   sync.Map // where the secrets are stored that this run has rotated
	started   bool     // the command's work began: from now on errors are not usage errors by default

	atEnd endings
}

// secretVariable returns the value of a variable that holds a secret, and hides it from
// child processes.
func (a *app) secretVariable(name string) (string, bool) {
	value, set := a.LookupEnv(name)
	a.hidden.Store(name, true)
	if set && a.Unsetenv != nil {
		_ = a.Unsetenv(name)
	}
	return value, set
}

// childVariable returns the value of a variable that a child process may have.
func (a *app) childVariable(name string) (string, bool) {
	if _, hidden := a.hidden.Load(name); hidden {
		return "", false
	}
	return a.LookupEnv(name)
}
