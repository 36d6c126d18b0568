package cluster

import (
	"bufio"
	"context"
	"io"
	"iter"
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
// comes; [Cluster.Observe] says why, or works if the container only has no sha256sum or no
// sleep.
func (c *Cluster) Watch(ctx context.Context, p Pod, container, path string, saw func(File)) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	silent := time.AfterFunc(c.config.Timeout, cancel)
	defer silent.Stop()
	printed, stdout := io.Pipe()
	defer func() { _ = printed.Close() }()
	stdin, hold := io.Pipe() // without content: the script ends with it
	defer func() { _ = hold.Close() }()
	go func() {
		command := []string{"sh", "-c", watchScript, "sh", kindFile + path}
		err := c.stream(ctx, p, container, command, remotecommand.StreamOptions{Stdin: stdin, Stdout: sparing{stdout}})
		_ = stdout.CloseWithError(err)
	}()
	for f := range turns(printed) {
		silent.Reset(watchSilence)
		saw(f.at(p, kindFile, path))
	}
}

// turns reads the looks that watchScript prints. It ends at one that makes no sense, or
// during which the file changed: the next watch begins with a look.
func turns(printed io.Reader) iter.Seq[File] {
	return func(yield func(File) bool) {
		var turn []byte
		lines := bufio.NewScanner(printed)
		lines.Buffer(make([]byte, copyBuffer), maxTurn)
		for lines.Scan() && len(turn) < maxTurn {
			turn = append(append(turn, lines.Bytes()...), '\n')
			if lines.Text() != ":end" {
				continue
			}
			files, err := parseLook(turn, 1)
			if err != nil || !yield(files[0]) {
				return
			}
			turn = turn[:0]
		}
	}
}

// sparing copies with less memory than [io.Copy] takes.
type sparing struct{ io.Writer }

func (s sparing) ReadFrom(r io.Reader) (int64, error) {
	return io.CopyBuffer(struct{ io.Writer }{s.Writer}, r, make([]byte, copyBuffer))
}
