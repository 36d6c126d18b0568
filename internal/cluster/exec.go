package cluster

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/tools/remotecommand"
	"k8s.io/client-go/transport/spdy"
	"k8s.io/client-go/util/exec"

	"github.com/secretctl/secretctl/internal/hint"
	"github.com/secretctl/secretctl/internal/transport"
)

// Why a file in a container cannot be read, beside [fs.ErrNotExist] and
// [fs.ErrPermission], which are about the file and the container's user, and
// [ForbiddenError], which is about the one who asks.
var (
	ErrNoTool     = errors.New("the container lacks the tools to read files with")
	ErrNotRunning = errors.New("the container does not run")
	ErrNotFile    = errors.New("is not a regular file")
	ErrTooLong    = errors.New("is longer than 1 MiB")
)

var (
	errNoShell     = fmt.Errorf("%w: sh, cat", ErrNoTool)
	errToolMissing = fmt.Errorf("%w", ErrNoTool) // it has a shell
	errToolFailed  = errors.New("the command ended with exit code")
	errCutShort    = errors.New("the connection ended before the command")
)

// endMark is what a script prints last. A connection that ends early looks to
// client-go like a command that has ended well.
const endMark = ".\n"

// maxOutput is what a command may print: a content of 1 MiB in base64, and the rest of
// a look.
const maxOutput = 2 << 20

// The exit codes of a shell that cannot run a tool.
const (
	exitCannot   = 126
	exitNotFound = 127
)

// restartPause is how long the status of a container may lag behind its end.
const restartPause = time.Second

// run runs a script with sh in a container and returns what it prints. The script is
// constant, so no argument becomes part of it. A tool that fails gets another try: a
// rotation may have taken its file away. So does a connection that broke, and a
// container that seems to lack a shell: it may be about to restart.
func (c *Cluster) run(ctx context.Context, p Pod, container, script string, arguments ...string) ([]byte, error) {
	out, err := c.runOnce(ctx, p, container, script, arguments)
	if errors.Is(err, errNoShell) && transport.Sleep(ctx, restartPause) == nil {
		out, err = c.runOnce(ctx, p, container, script, arguments)
	}
	if errors.Is(err, errToolFailed) || errors.Is(err, errCutShort) {
		out, err = c.runOnce(ctx, p, container, script, arguments)
	}
	return out, err
}

// runOnce bounds a command like any other request: an API server that hangs must not
// hold up the other checks.
func (c *Cluster) runOnce(ctx context.Context, p Pod, container, script string, arguments []string) ([]byte, error) {
	limited, cancel := context.WithTimeout(ctx, c.config.Timeout)
	defer cancel()
	out := &bounded{}
	limited, out.full = context.WithCancelCause(limited)
	defer out.full(nil)
	defer transport.WaitFor(ctx, c.client.Get().URL().Host)()
	err := c.stream(limited, p, container, append([]string{"sh", "-c", script + "\necho .", "sh"}, arguments...), remotecommand.StreamOptions{Stdout: out})
	switch {
	case errors.Is(context.Cause(limited), ErrTooLong):
		return nil, ErrTooLong
	case err != nil && ctx.Err() == nil && limited.Err() != nil:
		return nil, c.unreachable(ctx, limited.Err())
	case err != nil:
		return nil, c.whyNotRun(ctx, p, container, err)
	}
	text, whole := bytes.CutSuffix(out.kept, []byte(endMark))
	if !whole {
		return nil, errCutShort
	}
	return text, nil
}

// stream runs a command, over WebSocket or else over SPDY. A stdin stays open until the
// connection ends, and has no content.
func (c *Cluster) stream(ctx context.Context, p Pod, container string, command []string, streams remotecommand.StreamOptions) error {
	o := coreObject("pods", p.Namespace, p.Name)
	o.sub = "exec"
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
	overSPDY, err := remotecommand.NewSPDYExecutorForTransports(rt, spdy.NewUpgraderForStreaming(upgrader), http.MethodPost, req.URL())
	if err != nil {
		return err
	}
	either, err := remotecommand.NewFallbackExecutor(noStdin{webSocket}, overSPDY, needsSPDY)
	if err != nil {
		return err
	}
	return either.StreamWithContext(quiet(ctx), streams)
}

// noStdin sends nothing to a command's stdin, which over WebSocket takes no stream: the
// server closes it with the connection. It is a fifth of the memory of a watch.
type noStdin struct{ remotecommand.Executor }

func (e noStdin) StreamWithContext(ctx context.Context, o remotecommand.StreamOptions) error {
	o.Stdin = nil
	return e.Executor.StreamWithContext(ctx, o)
}

// whyNotRun restates why a command did not run, or did not end well. The runtime
// says in words alone that there is no such program; but what is neither an exit
// code, nor an answer of the API server, nor a broken connection, in a container
// that runs, can be nothing else.
func (c *Cluster) whyNotRun(ctx context.Context, p Pod, container string, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if ended, ok := errors.AsType[exec.CodeExitError](err); ok {
		return exitError(ended.Code)
	}
	o := coreObject("pods", p.Namespace, p.Name)
	o.sub = "exec"
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
		return hint.Wrap(fmt.Errorf("%w: %s", ErrNotRunning, c.sanitizer.Tail(reason)), "kubectl describe pod -n %s %s tells why", p.Namespace, p.Name)
	case answered:
		return c.refusal("create", o, refused)
	case getErr != nil || errors.Unwrap(err) != nil:
		return c.unreachable(ctx, err)
	}
	return noTool(p, container, errNoShell)
}

func exitError(code int) error {
	if code == exitCannot || code == exitNotFound {
		return errToolMissing
	}
	return fmt.Errorf("%w %d", errToolFailed, code)
}

func noTool(p Pod, container string, err error) error {
	return hint.Wrap(err, "run secretctl verify --target local in a Job that mounts the same volume, or look yourself: "+
		"kubectl debug -n %s %s --target=%s --image=busybox -it -- sh (the files are below /proc/1/root)", p.Namespace, p.Name, container)
}

// bounded keeps what is written, and ends the command where it is too much. It
// never fails: a writer that does makes client-go log.
type bounded struct {
	kept []byte
	full context.CancelCauseFunc
}

func (b *bounded) Write(p []byte) (int, error) {
	if len(b.kept)+len(p) > maxOutput {
		b.full(ErrTooLong)
		return len(p), nil
	}
	b.kept = append(b.kept, p...)
	return len(p), nil
}
