package verify

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/secretctl/secretctl/internal/cluster"
	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/secret"
	"github.com/secretctl/secretctl/internal/store"
)

// aidboxUser is the user that Aidbox runs as in its container.
const aidboxUser = 1000

// maxFile is the longest file that is read: a ConfigMap has no longer vault config.
const maxFile = 1 << 20

// Local is a mount on this machine: the path of the delivery, or another one where the same
// volume is mounted.
type Local struct {
	Dir         string // default: the delivery's mountPath
	VaultConfig string // default: config.VaultConfigFile
}

func (l Local) mount(d *config.Delivery) *mount {
	return &mount{
		d: d, observe: observeHere, replica: "local",
		folder: func(s config.Secret) string {
			return cmp.Or(l.Dir, d.MountPath) + strings.TrimPrefix(d.MountFolder(s), d.MountPath)
		},
		vaultConfig: cmp.Or(l.VaultConfig, config.VaultConfigFile),
	}
}

// observeHere looks at files of this machine.
func observeHere(_ context.Context, l cluster.Look) (cluster.Observation, error) {
	seen := cluster.Observation{}
	look := func(path string, more func(*cluster.File) error) {
		info, err := os.Stat(path)
		f := cluster.File{Found: err == nil}
		if err == nil {
			f.Mode, f.ModTime = info.Mode().Perm(), info.ModTime()
			f.Link, _ = os.Readlink(path) // "" if it is not a link
			err = more(&f)
		}
		f.Err = notDenied(err)
		seen[path] = f
	}
	for _, path := range l.Folders {
		look(path, func(f *cluster.File) (err error) {
			f.Names, err = listHere(path)
			return err
		})
	}
	for _, path := range l.Files {
		look(path, func(f *cluster.File) error {
			if err := readableByAidbox(path); err != nil {
				return err
			}
			v, err := readHere(path)
			f.Digest = digest(v)
			return err
		})
	}
	for path := range l.Contents {
		look(path, func(f *cluster.File) (err error) {
			f.Content, err = readHere(path)
			f.Digest = digest(f.Content)
			return err
		})
	}
	return seen, nil
}

// readableByAidbox checks modes and owners, since secretctl runs as another user than Aidbox.
func readableByAidbox(path string) error {
	target, err := filepath.EvalSymlinks(path)
	if err != nil {
		return err
	}
	info, err := os.Stat(target)
	switch {
	case err != nil:
		return err
	case !info.Mode().IsRegular():
		return cluster.ErrNotFile
	case !allows(info, 0o4):
		return deniedError(fmt.Sprintf("user %d cannot read it", aidboxUser))
	}
	// The folders above the mount are others in the container.
	for _, dir := range []string{filepath.Dir(path), filepath.Dir(target)} {
		if info, err := os.Stat(dir); err != nil || !allows(info, 0o1) {
			return deniedError(fmt.Sprintf("user %d cannot enter folder %s", aidboxUser, dir))
		}
	}
	return nil
}

func listHere(path string) (names []string, err error) {
	entries, err := os.ReadDir(path)
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), ".") {
			names = append(names, e.Name())
		}
	}
	return names, err
}

func readHere(path string) (secret.Value, error) {
	// Opening a pipe would wait for ever.
	if info, err := os.Stat(path); err != nil {
		return secret.Value{}, err
	} else if !info.Mode().IsRegular() {
		return secret.Value{}, fmt.Errorf("%s: %w", path, cluster.ErrNotFile)
	}
	f, err := os.Open(path)
	if err != nil {
		return secret.Value{}, err
	}
	defer func() { _ = f.Close() }()
	b, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if len(b) > maxFile {
		return secret.Value{}, fmt.Errorf("%s: %w", path, cluster.ErrTooLong)
	}
	return secret.New(b), err
}

// notDenied returns an error that is no fs.ErrPermission, unless it is about Aidbox's user: what
// secretctl's own user may not do says nothing about Aidbox's.
func notDenied(err error) error {
	at, ours := errors.AsType[*fs.PathError](err)
	switch {
	case ours && errors.Is(err, fs.ErrNotExist):
		return store.NotFound(at.Path + " does not exist")
	case ours && errors.Is(err, fs.ErrPermission):
		return errors.New(err.Error())
	}
	return err
}

// allows reports whether the mode gives Aidbox's user the permission: 4 to read, 1 to enter.
func allows(info fs.FileInfo, permission fs.FileMode) bool {
	if uid, known := secret.FileOwner(info); known && uid == aidboxUser {
		permission <<= 6
	}
	return info.Mode().Perm()&permission != 0
}
