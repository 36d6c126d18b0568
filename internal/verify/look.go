package verify

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io/fs"
	"path"

	"github.com/secretctl/secretctl/internal/cluster"
	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/secret"
)

// mount is where one replica has the secrets. All that checks know of its files comes
// from here.
type mount struct {
	files
	replica     string       // as subjects have it: "local", "pod/aidbox-7d4"
	pod         *cluster.Pod // nil on this machine
	container   string       // of the pod
	folder      func(config.Secret) string
	vaultConfig string     // the file
	looks       memo[look] // by the secret's name
}

// files reads the files of a replica. A file that does not exist is an
// fs.ErrNotExist. One that Aidbox's user may not read is an fs.ErrPermission, whose
// text says so; a [cluster.ErrNotFile] and a [cluster.ErrTooLong] are what they say.
type files interface {
	stat(ctx context.Context, path string) (cluster.FileInfo, error)
	// digest returns the SHA-256 of a file in hexadecimal, so that its content need not
	// leave where it is.
	digest(ctx context.Context, path string) (string, error)
	list(ctx context.Context, path string) ([]string, error)
	read(ctx context.Context, path string) (secret.Value, error)
}

// look is what one look at a secret's file found.
type look struct {
	found  bool
	info   cluster.FileInfo // where it was found
	digest string
	err    error // why there is no digest
}

// look returns what is known of a secret's file, read once for all checks.
func (m *mount) look(ctx context.Context, s config.Secret) look {
	found, err := m.looks.get(s.Name, func() (found look, err error) {
		if found.info, err = m.stat(ctx, m.file(s)); err == nil {
			found.found = true
			found.digest, err = m.digest(ctx, m.file(s))
		}
		return found, err
	})
	found.err = err
	return found
}

// digestNow reads the file again.
func (m *mount) digestNow(ctx context.Context, s config.Secret) (string, error) {
	return m.digest(ctx, m.file(s))
}

// value returns the content of a secret's file.
func (m *mount) value(ctx context.Context, s config.Secret) (secret.Value, error) {
	return m.read(ctx, m.file(s))
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
