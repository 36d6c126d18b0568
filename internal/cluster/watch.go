package cluster

import (
	"bytes"
	"context"
	"io"
	"sync"
	"time"

	"k8s.io/client-go/tools/remotecommand"
)

const (
	watchSilence = 15 * time.Second // then the connection is broken: the script prints every 5 s
	maxTurn      = 64 << 10         // the most that a look at one file prints
	copyBuffer   = 1 << 10          // of each watch; there may be a thousand
)

// Watch looks at a file in a container until ctx is done, over one connection. It calls saw
// at once, within a second of each change, and every few seconds. It returns when no more
// comes, with no call of saw under way; [Cluster.Observe] says why, or works if the
// container only has no sha256sum or no sleep.
func (c *Cluster) Watch(ctx context.Context, p Pod, container, path string, saw func(File)) {
	ctx, cancel := context.WithCancel(ctx)
	silent := time.AfterFunc(c.config.Timeout, cancel)
	t := &turns{cancel: cancel, saw: func(f File) {
		silent.Reset(watchSilence)
		saw(f.at(p, kindFile, path))
	}}
	_ = c.stream(ctx, p, container, []string{"sh", "-c", watchScript, "sh", kindFile + path}, remotecommand.StreamOptions{Stdin: open(ctx.Done()), Stdout: t})
	cancel()
	t.mu.Lock() // client-go may still be copying
	defer t.mu.Unlock()
	t.saw = nil
	silent.Stop()
}

// open is a stdin without content, until it is closed.
type open <-chan struct{}

func (o open) Read([]byte) (int, error) {
	<-o
	return 0, io.EOF
}

// turns reads what watchScript prints. It ends the watch if that makes no sense, and if
// the file changes during the look: the next watch begins with a look.
type turns struct {
	cancel context.CancelFunc

	mu   sync.Mutex
	saw  func(File) // nil once the watch is over
	kept []byte
}

// Write never fails: that would make client-go log.
func (t *turns) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.saw != nil {
		t.kept = append(t.kept, p...)
	}
	for t.saw != nil {
		end := bytes.Index(t.kept, []byte("\n:end\n"))
		if end < 0 {
			if len(t.kept) > maxTurn {
				t.giveUp()
			}
			break
		}
		end += len("\n:end\n")
		files, err := parseLook(t.kept[:end], 1)
		if err != nil {
			t.giveUp()
			break
		}
		t.saw(files[0])
		t.kept = append(t.kept[:0], t.kept[end:]...)
	}
	return len(p), nil
}

func (t *turns) giveUp() {
	t.saw, t.kept = nil, nil
	t.cancel()
}

// ReadFrom copies with less memory than [io.Copy] takes.
func (t *turns) ReadFrom(r io.Reader) (int64, error) {
	return io.CopyBuffer(struct{ io.Writer }{t}, r, make([]byte, copyBuffer))
}
