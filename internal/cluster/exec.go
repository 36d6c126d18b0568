package cluster

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/tools/remotecommand"
	"k8s.io/client-go/util/exec"

	"github.com/secretctl/secretctl/internal/hint"
	"github.com/secretctl/secretctl/internal/secret"
	"github.com/secretctl/secretctl/internal/transport"
)

// Why a file in a container cannot be read, besides [fs.ErrNotExist] and
// [fs.ErrPermission], which are about the file and the container's user, and
// [ForbiddenError], which is about whoever runs secretctl.
var (
	ErrNoTool     = errors.New("tools to read files are missing in the container")
	ErrNotRunning = errors.New("the container does not run")
	ErrNotFile    = errors.New("is not a regular file")
	ErrTooLong    = errors.New("is longer than 1 MiB")
)

var (
	errNoShell    = fmt.Errorf("%w: sh", ErrNoTool)
	errToolFailed = errors.New("the command ended with exit code")
	errCutShort   = errors.New("the connection ended before the command")
)

// maxOutput is how much a command may print: a content of 1 MiB in base64, and the rest of
// a look.
const maxOutput = 2 << 20

// The exit codes that some runtimes give for a program that does not exist.
const (
	exitCannot   = 126
	exitNotFound = 127
)

// run runs a script with sh in a container and returns what it prints. The script is
// constant, so no argument becomes part of it. A command is limited like any other request:
// an API server that hangs must not hold up the other checks. To client-go, a connection
// that ends early looks like a command that succeeded.
func (c *Cluster) run(ctx context.Context, p Pod, container, script string, arguments ...string) ([]byte, error) {
	limited, cancel := context.WithTimeout(ctx, c.config.Timeout)
	defer cancel()
	out := &bounded{}
	limited, out.full = context.WithCancelCause(limited)
	defer out.full(nil)
	defer transport.WaitFor(ctx, c.client.Get().URL().Host)()
	err := c.stream(limited, p, container, append([]string{"sh", "-c", script, "sh"}, arguments...), remotecommand.StreamOptions{Stdout: out})
	switch {
	case errors.Is(context.Cause(limited), errOddLook):
		return nil, errOddLook
	case err != nil && ctx.Err() == nil && limited.Err() != nil:
		return nil, c.unreachable(ctx, limited.Err())
	case err != nil:
		return nil, c.whyNotRun(ctx, p, container, err)
	}
	return out.kept, nil
}

// stream runs a command, over WebSocket or else over SPDY. A stdin has no content, and stays
// open until the connection ends.
func (c *Cluster) stream(ctx context.Context, p Pod, container string, command []string, streams remotecommand.StreamOptions) error {
	o := coreObject("pods", p.Namespace, p.Name).at("exec")
	req := c.client.Get().AbsPath(o.path()).Param("container", container).Param("stdout", "true")
	if streams.Stdin != nil {
		req = req.Param("stdin", "true")
	}
	for _, word := range command {
		req = req.Param("command", word)
	}
	webSocket, err := remotecommand.NewWebSocketExecutor(c.config, http.MethodGet, req.URL().String())
	if err != nil {
		return err
	}
	rt, upgrader, err := spdyTransport(c.config)
	if err != nil {
		return err
	}
	overSPDY, err := remotecommand.NewSPDYExecutorRejectRedirects(rt, upgrader, http.MethodPost, req.URL())
	if err != nil {
		return err
	}
	either, err := remotecommand.NewFallbackExecutor(noStdin{webSocket}, overSPDY, needsSPDY)
	if err != nil {
		return err
	}
	// Over SPDY, client-go waits for the response without regard to ctx.
	ended := make(chan error, 1)
	go func() { ended <- either.StreamWithContext(ctx, streams) }()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// noStdin opens no stream for stdin: over WebSocket, the server closes a command's stdin
// with the connection anyway. That saves a fifth of a watch's memory.
type noStdin struct{ remotecommand.Executor }

func (e noStdin) StreamWithContext(ctx context.Context, o remotecommand.StreamOptions) error {
	o.Stdin = nil
	return e.Executor.StreamWithContext(ctx, o)
}

// whyNotRun restates why a command did not run, or failed. That there is no such program
// the runtime says only in text; but in a running container, an error that is neither an
// exit code, nor an answer of the API server, nor a broken connection, means that.
func (c *Cluster) whyNotRun(ctx context.Context, p Pod, container string, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if ended, ok := errors.AsType[exec.CodeExitError](err); ok {
		return exitError(ended.Code)
	}
	o := coreObject("pods", p.Namespace, p.Name).at("exec")
	refused, answered := errors.AsType[*apierrors.StatusError](err)
	if answered && (apierrors.IsForbidden(refused) || apierrors.IsUnauthorized(refused)) {
		return c.refusal("create", o, refused)
	}
	live, getErr := c.Pod(ctx, p.Namespace, p.Name)
	switch status := live.Status(container); {
	case errors.Is(getErr, fs.ErrNotExist):
		return fmt.Errorf("%w: the pod is gone", ErrNotRunning)
	case getErr == nil && !status.Running:
		reason := status.Reason
		if reason == "" && answered {
			reason = refused.ErrStatus.Message
		}
		return hint.Wrap(fmt.Errorf("%w: %s", ErrNotRunning, c.sanitizer.Tail(reason)), "%s", secret.Shellf("kubectl describe pod -n %s %s says why", p.Namespace, p.Name))
	case answered:
		return c.refusal("create", o, refused)
	case getErr != nil || errors.Unwrap(err) != nil:
		return c.unreachable(ctx, err)
	}
	return errNoShell
}

func exitError(code int) error {
	if code == exitCannot || code == exitNotFound {
		return errNoShell
	}
	return fmt.Errorf("%w %d", errToolFailed, code)
}

// bounded keeps what is written, and ends the command if it is too much. It never fails:
// that would make client-go log.
type bounded struct {
	kept []byte
	full context.CancelCauseFunc
}

func (b *bounded) Write(p []byte) (int, error) {
	if len(b.kept)+len(p) > maxOutput {
		b.full(errOddLook)
		return len(p), nil
	}
	b.kept = append(b.kept, p...)
	return len(p), nil
}
