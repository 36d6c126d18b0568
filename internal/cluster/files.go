package cluster

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"github.com/secretctl/secretctl/internal/secret"
)

// The scripts. Each gets a path as $1 and ends with the exit codes of exec.go. A
// file in a folder that may not be entered looks like one that is not there, so
// the folder is asked too.
const (
	ifThere = `f=$1
if [ ! -e "$f" ]; then
	d=${f%/*}
	if [ -d "$d" ] && [ ! -x "$d" ]; then exit 113; fi
	exit 114
fi
`
	ifReadable = ifThere + `[ -f "$f" ] || exit 115
[ -r "$f" ] || exit 113
`
	readScript   = ifReadable + `cat <"$f" || exit`
	digestScript = ifReadable + `sha256sum <"$f" || exit`
	statScript   = ifThere + `stat -L -c '%a %u %g %s %Y' "$f" || exit 127
readlink "$f" || :`
	listScript = ifThere + `[ -d "$f" ] || exit 114
cd "$f" || exit 113
for n in *; do if [ -e "$n" ]; then printf '%s\n' "$n"; fi; done`
)

// ReadFile returns the content of a file in a container, at most 1 MiB. It travels
// over the API server's connection, and is kept in memory alone. A file that is
// not there is an [fs.ErrNotExist], one that the container's user may not read an
// [fs.ErrPermission]; see [ErrNoTool] and [ErrNotRunning] for the rest. No error
// has anything of the content.
func (c *Cluster) ReadFile(ctx context.Context, p Pod, container, path string) (secret.Value, error) {
	b, err := c.run(ctx, p, container, readScript, path)
	if err != nil {
		return secret.Value{}, err
	}
	return secret.New(b), nil
}

// Digest returns the SHA-256 of a file in a container, in hexadecimal. Where the
// container can compute it, the content stays there. The digest of a guessable
// value tells the value, so it is for comparing and not for showing. The errors
// are those of [Cluster.ReadFile].
func (c *Cluster) Digest(ctx context.Context, p Pod, container, path string) (string, error) {
	out, err := c.run(ctx, p, container, digestScript, path)
	digest, _, _ := strings.Cut(string(out), " ")
	if sum, hexErr := hex.DecodeString(digest); err == nil && hexErr == nil && len(sum) == sha256.Size {
		return digest, nil
	}
	if err != nil && !errors.Is(err, errToolMissing) {
		return "", err
	}
	v, err := c.ReadFile(ctx, p, container, path)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(v.Reveal())
	return hex.EncodeToString(sum[:]), nil
}

// FileInfo is what a container's own tools say of a file.
type FileInfo struct {
	Mode     fs.FileMode // of what a symbolic link leads to, as all below but Link
	UID, GID int
	Size     int64
	ModTime  time.Time
	Link     string // where the path is a symbolic link, what it says: ..data/client-secret
}

// Stat returns what is known of a file or folder in a container. Its errors are
// those of [Cluster.ReadFile]; a file need not be readable.
func (c *Cluster) Stat(ctx context.Context, p Pod, container, path string) (FileInfo, error) {
	out, err := c.run(ctx, p, container, statScript, path)
	if err != nil {
		return FileInfo{}, err
	}
	var info FileInfo
	first, link, _ := strings.Cut(strings.TrimSuffix(string(out), "\n"), "\n")
	var seconds int64
	if _, err := fmt.Sscanf(first, "%o %d %d %d %d", &info.Mode, &info.UID, &info.GID, &info.Size, &seconds); err != nil {
		return FileInfo{}, fmt.Errorf("kubernetes: pod %s/%s: its stat answers in an unknown form", p.Namespace, p.Name)
	}
	info.ModTime, info.Link = time.Unix(seconds, 0), link
	return info, nil
}

// List returns the names in a folder in a container, without those that start
// with a dot, which the driver keeps for itself. Its errors are those of
// [Cluster.ReadFile].
func (c *Cluster) List(ctx context.Context, p Pod, container, path string) ([]string, error) {
	out, err := c.run(ctx, p, container, listScript, path)
	if err != nil {
		return nil, err
	}
	return strings.FieldsFunc(string(out), func(r rune) bool { return r == '\n' }), nil
}
