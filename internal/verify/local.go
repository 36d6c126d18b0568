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

// aidboxUser is who Aidbox runs as in its container.
const aidboxUser = 1000

// maxFile is how long a file may be: a ConfigMap takes no longer vault config.
const maxFile = 1 << 20

// Local is a mount on this machine: the path itself in a container, or a volume
// that is mounted here too.
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
	for _, path := range l.Folders {
		f := statHere(path)
		if f.Err == nil {
			f.Names, f.Err = listHere(path)
		}
		seen[path] = f
	}
	for _, path := range l.Files {
		f := statHere(path)
		if f.Err == nil {
			f.Digest, f.Err = digestHere(path)
		}
		seen[path] = f
	}
	for path := range l.Contents {
		f := statHere(path)
		if f.Err == nil {
			f.Content, f.Err = readHere(path)
			f.Digest = digest(f.Content)
		}
		seen[path] = f
	}
	return seen, nil
}

func statHere(path string) cluster.File {
	info, err := os.Stat(path)
	if err != nil {
		return cluster.File{Err: notOurs(err)}
	}
	link, _ := os.Readlink(path) // "" where it is none
	return cluster.File{Found: true, Mode: info.Mode().Perm(), ModTime: info.ModTime(), Link: link}
}

// digestHere judges by modes and owners, since secretctl runs as another user than Aidbox.
func digestHere(path string) (string, error) {
	target, err := filepath.EvalSymlinks(path)
	if err != nil {
		return "", notOurs(err)
	}
	info, err := os.Stat(target)
	switch {
	case err != nil:
		return "", notOurs(err)
	case !info.Mode().IsRegular():
		return "", cluster.ErrNotFile
	case !allows(info, 0o4):
		return "", deniedError(fmt.Sprintf("user %d cannot read it", aidboxUser))
	}
	// What is above the mount differs in the container.
	for _, dir := range []string{filepath.Dir(path), filepath.Dir(target)} {
		if info, err := os.Stat(dir); err != nil || !allows(info, 0o1) {
			return "", deniedError(fmt.Sprintf("user %d cannot enter folder %s", aidboxUser, dir))
		}
	}
	v, err := readHere(path)
	return digest(v), err
}

func listHere(path string) (names []string, err error) {
	entries, err := os.ReadDir(path)
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), ".") {
			names = append(names, e.Name())
		}
	}
	return names, notOurs(err)
}

func readHere(path string) (secret.Value, error) {
	// Opening a pipe would wait for ever.
	if info, err := os.Stat(path); err != nil {
		return secret.Value{}, notOurs(err)
	} else if !info.Mode().IsRegular() {
		return secret.Value{}, fmt.Errorf("%s: %w", path, cluster.ErrNotFile)
	}
	f, err := os.Open(path)
	if err != nil {
		return secret.Value{}, notOurs(err)
	}
	defer func() { _ = f.Close() }()
	b, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	switch {
	case err != nil:
		return secret.Value{}, notOurs(err)
	case len(b) > maxFile:
		return secret.Value{}, fmt.Errorf("%s: %w", path, cluster.ErrTooLong)
	}
	return secret.New(b), nil
}

// notOurs keeps from an error that it is about what secretctl's own user may do,
// which says nothing of Aidbox's.
func notOurs(err error) error {
	if at, ok := errors.AsType[*fs.PathError](err); ok && errors.Is(err, fs.ErrNotExist) {
		return store.NotFound(at.Path + " does not exist")
	}
	if errors.Is(err, fs.ErrPermission) {
		return errors.New(err.Error())
	}
	return err
}

// allows says whether the mode gives Aidbox's user the permission, 4 to read and
// 1 to pass.
func allows(info fs.FileInfo, permission fs.FileMode) bool {
	if uid, known := secret.FileOwner(info); known && uid == aidboxUser {
		permission <<= 6
	}
	return info.Mode().Perm()&permission != 0
}
