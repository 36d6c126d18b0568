package install

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/secretctl/secretctl/internal/hint"
	"github.com/secretctl/secretctl/internal/secret"
)

const grace = 10 * time.Second // for helm to mark the release after an interrupt

// Helm is the helm on this machine. [Helm.Commands] needs no Path and no Env.
type Helm struct {
	Path    string            // from [Find]
	Env     []string          // from [Environment]
	Context string            // of the kubeconfig; "" is the current one
	Timeout time.Duration     // of one installation
	Waiting func(what string) // called with what is being installed; may be nil

	grace, poll time.Duration // for tests
}

// Find returns the path of helm.
func Find() (string, error) {
	path, err := exec.LookPath("helm")
	if err != nil {
		err = hint.Wrap(errors.New("helm is not on PATH"), "install it (https://helm.sh/docs/intro/install), or print the commands with --dry-run and run them where it is")
	}
	return path, err
}

// passed are the variables that helm gets in addition to those of every child.
var passed = []string{
	"HELM_BURST_LIMIT", "HELM_CACHE_HOME", "HELM_CONFIG_HOME", "HELM_CONTENT_CACHE", "HELM_DATA_HOME",
	"HELM_DRIVER", "HELM_DRIVER_SQL_CONNECTION_STRING",
	"HELM_KUBEAPISERVER", "HELM_KUBEASGROUPS", "HELM_KUBEASUSER", "HELM_KUBECAFILE", "HELM_KUBECONTEXT",
	"HELM_KUBEINSECURE_SKIP_TLS_VERIFY", "HELM_KUBETLS_SERVER_NAME", "HELM_KUBETOKEN",
	"HELM_MAX_HISTORY", "HELM_NO_PLUGINS", "HELM_PLUGINS", "HELM_QPS",
	"HELM_REGISTRY_CONFIG", "HELM_REPOSITORY_CACHE", "HELM_REPOSITORY_CONFIG",
}

// Environment returns helm's environment: the variables with which helm finds the cluster
// and the charts, and no others.
func Environment(lookup func(string) (string, bool)) []string {
	env := []string{}
	for _, name := range append(secret.Inherited(), passed...) {
		if value, ok := lookup(name); ok {
			env = append(env, name+"="+value)
		}
	}
	return env
}

// Commands returns, quoted for a shell, the commands that install the releases into a new
// cluster. It runs nothing.
func (h *Helm) Commands(releases []Release) []string {
	var commands []string
	for _, r := range releases {
		commands = append(commands, secret.ShellWords(h.command(h.waiting(r.createArgs())), " "))
	}
	return commands
}

func (h *Helm) waiting(args []string) []string {
	return append(args, "--wait", "--timeout", h.Timeout.String())
}

func (h *Helm) command(args []string) []string {
	words := append([]string{"helm"}, args...)
	if h.Context != "" {
		words = append(words, "--kube-context", h.Context)
	}
	return words
}

// run runs helm and returns its output. The error has what, and helm's message in one line.
func (h *Helm) run(ctx context.Context, what string, args ...string) ([]byte, error) {
	words := h.command(args)
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, h.Path, words[1:]...) //nolint:gosec,forbidigo // the installed helm, found on PATH; Env is from secret.Inherited
	cmd.Env, cmd.Stdout, cmd.Stderr = h.Env, &stdout, &stderr
	// An interrupted helm marks the release as failed, and the next run continues from
	// there; a killed one leaves it locked.
	cmd.Cancel = func() error {
		if cmd.Process.Signal(os.Interrupt) != nil {
			return cmd.Process.Kill() // Windows has no such signal
		}
		return nil
	}
	cmd.WaitDelay = cmp.Or(h.grace, grace)
	err := cmd.Run()
	switch {
	case err == nil:
		return stdout.Bytes(), nil
	case ctx.Err() != nil:
		return nil, fmt.Errorf("helm: %s: %w", what, ctx.Err())
	}
	// helm prints its error last, below warnings.
	message := "\n" + stderr.String()
	if i := strings.LastIndex(message, "\nError: "); i >= 0 {
		message = message[i+len("\nError: "):]
	}
	if message = hint.OneLine(message); message != "" {
		err = errors.New(message)
	}
	return nil, hint.Wrap(fmt.Errorf("helm: %s: %w", what, err), "to see all that helm says, run: %s", secret.ShellWords(words, " "))
}

func (h *Helm) decode(ctx context.Context, into any, what string, args ...string) error {
	out, err := h.run(ctx, what, append(args, "--output", "json")...)
	if err != nil {
		return err
	}
	if json.Unmarshal(out, into) != nil {
		return hint.Wrap(fmt.Errorf("helm: %s: unexpected output, not JSON", what), "is the helm on PATH helm 3 or 4?")
	}
	return nil
}
