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
	"time"

	"github.com/secretctl/secretctl/internal/cluster"
	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/secret"
)

// aidboxUser is who Aidbox runs as in its container.
const aidboxUser = 1000

// maxFile is how long a file may be: a ConfigMap takes no longer vault config.
const maxFile = 1 << 20

// The names that the CSI driver publishes under: the files are links through
// dataLink, which is a link to a folder named by the time.
const (
	dataLink      = "..data"
	publishedName = "..2006_01_02_15_04_05"
)

// Local is a mount on this machine: the path itself in a container, or a volume
// that is mounted here too.
type Local struct {
	Dir         string // default: the delivery's mountPath
	VaultConfig string // default: config.VaultConfigFile
}

func (l Local) mount(d *config.Delivery) *mount {
	return &mount{
		files: localFiles{}, replica: "local",
		folder: func(s config.Secret) string {
			return cmp.Or(l.Dir, d.MountPath) + strings.TrimPrefix(d.MountFolder(s), d.MountPath)
		},
		vaultConfig: cmp.Or(l.VaultConfig, config.VaultConfigFile),
	}
}

// localFiles are files of this machine.
type localFiles struct{}

func (localFiles) stat(_ context.Context, path string) (cluster.FileInfo, error) {
	info, err := os.Stat(path)
	if err != nil {
		return cluster.FileInfo{}, notOurs(err)
	}
	link, _ := os.Readlink(path) // "" where it is none
	return cluster.FileInfo{Mode: info.Mode().Perm(), Size: info.Size(), ModTime: info.ModTime(), Link: link}, nil
}

// digest judges by modes and owners, since secretctl runs as another user than Aidbox.
func (f localFiles) digest(ctx context.Context, path string) (string, error) {
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
		return "", deniedError(fmt.Sprintf("user %d may not read it", aidboxUser))
	}
	// What is above the mount differs in the container.
	for _, dir := range []string{filepath.Dir(path), filepath.Dir(target)} {
		if info, err := os.Stat(dir); err != nil || !allows(info, 0o1) {
			return "", deniedError(fmt.Sprintf("user %d may not enter folder %s", aidboxUser, dir))
		}
	}
	v, err := f.read(ctx, path)
	return digest(v), err
}

func (localFiles) list(_ context.Context, path string) (names []string, err error) {
	entries, err := os.ReadDir(path)
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), ".") {
			names = append(names, e.Name())
		}
	}
	return names, notOurs(err)
}

func (localFiles) read(_ context.Context, path string) (secret.Value, error) {
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
	if errors.Is(err, fs.ErrPermission) {
		return errors.New(err.Error())
	}
	return err
}

// allows says whether the mode gives Aidbox's user the permission, 4 to read and
// 1 to pass.
func allows(info fs.FileInfo, permission fs.FileMode) bool {
	if uid, known := owner(info); known && uid == aidboxUser {
		permission <<= 6
	}
	return info.Mode().Perm()&permission != 0
}

// localStatus looks for what keeps a rotation from the file.
func localStatus(m *mount, s config.Secret) Result {
	const again = "delete the pod, so that the driver mounts anew"
	folder := m.folder(s)
	info, err := os.Lstat(m.file(s))
	if err != nil {
		return Skip("there is no file to look at")
	}
	published, err := os.Readlink(filepath.Join(folder, dataLink))
	if errors.Is(err, fs.ErrNotExist) {
		return Warn("not published by the CSI driver: rotation will not arrive by itself").
			WithHint("right for a file that something else keeps up to date; in a pod, mount the CSI volume as a folder, without subPath")
	}
	if err != nil {
		return Fail("%s is not a link: %v", dataLink, err).WithHint(again)
	}
	if target, err := os.Stat(filepath.Join(folder, dataLink)); err != nil || !target.IsDir() {
		return Fail("%s leads to %s, which does not exist", dataLink, published).WithHint(again)
	}
	link := ""
	if info.Mode()&fs.ModeSymlink != 0 {
		if link, err = os.Readlink(m.file(s)); err != nil {
			return Unknown("%v", err)
		}
	}
	if link != filepath.Join(dataLink, s.FileName()) {
		return notThroughDataLink()
	}
	at, err := publishedAt(published)
	if err != nil {
		return Warn("%s leads to %s, which is not how the CSI driver names its folders", dataLink, published).WithHint("rotation arrives if whatever published it publishes again")
	}
	return Pass("published %s ago", max(0, time.Since(at)).Round(time.Second))
}

func notThroughDataLink() Result {
	return Fail("does not go through %s: it keeps its first value", dataLink).WithHint("mount the folder as a whole, without subPath, and copy nothing into it")
}

// publishedAt reads the time from the name of a folder of the driver.
func publishedAt(name string) (time.Time, error) {
	return time.Parse(publishedName, name[:min(len(name), len(publishedName))])
}
