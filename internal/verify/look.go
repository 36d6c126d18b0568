package verify

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io/fs"
	"path"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/secretctl/secretctl/internal/cluster"
	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/secret"
)

// mount is where one replica has the secrets. All that checks know of its files comes
// from here.
type mount struct {
	d           *config.Delivery
	replica     string       // as subjects have it: "local", "pod/aidbox-7d4"
	pod         *cluster.Pod // nil on this machine
	container   string       // of the pod
	folder      func(config.Secret) string
	vaultConfig string // the file

	// observe looks at files. The error of one that Aidbox's user may not read is an
	// fs.ErrPermission, whose text says so; the others are those of [cluster.Cluster.Observe].
	observe func(context.Context, cluster.Look) (cluster.Observation, error)
	seen    memo[cluster.Observation]
	// watch is [cluster.Cluster.Watch]; nil on this machine.
	watch func(ctx context.Context, path string, saw func(cluster.File))
}

// observation returns all that the checks ask about the replica, from one look.
func (m *mount) observation(ctx context.Context) (cluster.Observation, error) {
	return m.seen.get("", func() (cluster.Observation, error) {
		l := cluster.Look{Contents: map[string]string{m.vaultConfig: digest(secret.New(m.d.VaultConfig()))}}
		for _, s := range m.d.Secrets {
			l.Files, l.Folders = append(l.Files, m.file(s)), append(l.Folders, m.folder(s))
		}
		slices.Sort(l.Folders)
		l.Folders = slices.Compact(l.Folders)
		return m.observe(ctx, l)
	})
}

// lookIntoAll looks into all replicas, several at the same time.
func lookIntoAll(ctx context.Context, r *run) {
	var group errgroup.Group
	group.SetLimit(r.o.Parallel)
	for _, m := range r.mounts {
		group.Go(func() error {
			_, _ = m.observation(ctx) // the checks report the error
			return nil
		})
	}
	_ = group.Wait()
}

// look returns what is known of a secret's file.
func (m *mount) look(ctx context.Context, s config.Secret) cluster.File {
	return fileOf(m.file(s))(m.observation(ctx))
}

// lookNow looks at a secret's file again.
func (m *mount) lookNow(ctx context.Context, s config.Secret) cluster.File {
	return fileOf(m.file(s))(m.observe(ctx, cluster.Look{Files: []string{m.file(s)}}))
}

// value returns the content of a secret's file.
func (m *mount) value(ctx context.Context, s config.Secret) (secret.Value, error) {
	f := fileOf(m.file(s))(m.observe(ctx, cluster.Look{Contents: map[string]string{m.file(s): ""}}))
	return f.Content, f.Err
}

// fileOf returns a file of an observation. If there is none, that is its error.
func fileOf(path string) func(cluster.Observation, error) cluster.File {
	return func(seen cluster.Observation, err error) cluster.File {
		if err != nil {
			return cluster.File{Err: err}
		}
		return seen[path]
	}
}

func (m *mount) file(s config.Secret) string { return path.Join(m.folder(s), s.FileName()) }

var emptyDigest = digest(secret.Value{})

// digest is that of a file that has the value.
func digest(v secret.Value) string {
	sum := sha256.Sum256(v.Reveal())
	return hex.EncodeToString(sum[:])
}

// deniedError says who may not read a file.
type deniedError string

func (e deniedError) Error() string { return string(e) }
func (e deniedError) Unwrap() error { return fs.ErrPermission }
