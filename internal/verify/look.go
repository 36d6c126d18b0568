package verify

import (
	"context"
	"io/fs"
	"path"
	"slices"

	"github.com/secretctl/secretctl/internal/cluster"
	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/secret"
	"github.com/secretctl/secretctl/internal/store"
)

// mount is where one replica has the secrets. Checks read its files only through it.
type mount struct {
	d           *config.Delivery
	replica     string       // in reports: "local", "pod/aidbox-7d4"
	pod         *cluster.Pod // nil on this machine
	container   string       // of the pod
	folder      func(config.Secret) string
	vaultConfig string // the file
	otherConfig string // that a second variable names as the vault config
	unset       bool   // no variable of the container names the vault config

	// observe looks at files. If Aidbox's user may not read one, its error is an
	// fs.ErrPermission whose text says so; other errors are those of [cluster.Cluster.Observe].
	observe func(context.Context, cluster.Look) (cluster.Observation, error)
	seen    memo[cluster.Observation]
	// watch is [cluster.Cluster.Watch]; nil on this machine.
	watch func(ctx context.Context, path string, saw func(cluster.File))
}

// observation returns everything that the checks ask about the replica, from one look.
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

// lookIntoAll looks into all replicas, several at the same time. The checks report errors.
func lookIntoAll(ctx context.Context, r *run) {
	_ = store.Parallel(len(r.mounts), r.o.Parallel, func(i int) error {
		_, _ = r.mounts[i].observation(ctx)
		return nil
	})
}

// look returns what the observation has of a secret's file.
func (m *mount) look(ctx context.Context, s config.Secret) cluster.File {
	return fileOf(m.file(s))(m.observation(ctx))
}

// lookAgain looks at a secret's file now.
func (m *mount) lookAgain(ctx context.Context, s config.Secret) cluster.File {
	return fileOf(m.file(s))(m.observe(ctx, cluster.Look{Files: []string{m.file(s)}}))
}

// value returns the content of a secret's file.
func (m *mount) value(ctx context.Context, s config.Secret) (secret.Value, error) {
	f := fileOf(m.file(s))(m.observe(ctx, cluster.Look{Contents: map[string]string{m.file(s): ""}}))
	return f.Content, f.Err
}

// fileOf returns a func that takes a file from an observation. Without an observation, the
// file has its error.
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

// digest returns the digest of a file with this value.
func digest(v secret.Value) string { return cluster.Digest(v.Reveal()) }

// deniedError says who may not read a file.
type deniedError string

func (e deniedError) Error() string { return string(e) }
func (e deniedError) Unwrap() error { return fs.ErrPermission }
