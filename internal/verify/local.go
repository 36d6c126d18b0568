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

	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/secret"
)

// aidboxUser is who Aidbox runs as in its container.
const aidboxUser = 1000

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

// Mount returns the mount, as the checks want it.
func (l Local) Mount(d *config.Delivery) Mount {
	l.Dir = cmp.Or(l.Dir, d.MountPath)
	l.VaultConfig = cmp.Or(l.VaultConfig, config.VaultConfigFile)
	at := func(s config.Secret) Local {
		return Local{Dir: l.Dir + strings.TrimPrefix(d.MountFolder(s), d.MountPath)}
	}
	return Mount{
		Replica:  "local",
		Present:  func(_ context.Context, s config.Secret) Result { return at(s).present(s) },
		Readable: func(_ context.Context, s config.Secret) Result { return at(s).readable(s) },
		Status:   func(_ context.Context, s config.Secret) Result { return at(s).status(s) },
		Digest: func(_ context.Context, s config.Secret) (string, error) {
			v, err := at(s).read(s)
			return digest(v), err
		},
		Read:        func(_ context.Context, s config.Secret) (secret.Value, error) { return at(s).read(s) },
		VaultConfig: func(context.Context) ([]byte, error) { return os.ReadFile(l.VaultConfig) },
	}
}

func (l Local) file(s config.Secret) string { return filepath.Join(l.Dir, s.FileName()) }

func (l Local) present(s config.Secret) Result {
	_, err := os.Stat(l.file(s))
	if err == nil {
		return Pass("%s", l.file(s))
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return Unknown("%v", err)
	}
	entries, err := os.ReadDir(l.Dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return Fail("folder %s does not exist", l.Dir).WithHint("mount the volume here: the local target reads the mount path of this machine")
	case err != nil:
		return Unknown("%v", err)
	case len(entries) == 0:
		return Fail("folder %s is empty", l.Dir).
			WithHint("a pod can be Ready and its mount empty for good, because the driver answers OK without mounting while the folder is young: delete the pod")
	}
	var others []string
	for _, e := range entries {
		switch {
		case e.Name() == s.FileName():
			return Fail("%s is a link that leads nowhere", l.file(s)).WithHint("delete the pod, so that the driver mounts anew")
		case !strings.HasPrefix(e.Name(), ".."):
			others = append(others, e.Name())
		}
	}
	return Fail("no file %s in %s; there is: %s", s.FileName(), l.Dir, (*secret.Sanitizer)(nil).Line(strings.Join(others, " "))).
		WithHint("the SecretProviderClass does not name it, or did not when the pod started: apply what secretctl render writes, then delete the pod")
}

func (l Local) readable(s config.Secret) Result {
	const permissions = "leave filePermission at its default, 0644: the driver's files belong to root, and Aidbox runs as user 1000"
	path, err := filepath.EvalSymlinks(l.file(s))
	if err != nil {
		return Unknown("%v", err)
	}
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return Unknown("%v", err)
	case !info.Mode().IsRegular():
		return Fail("is no regular file (mode %s)", info.Mode()).WithHint("docker makes a folder where the file to mount is missing")
	case info.Size() == 0:
		return Fail("is empty").WithHint("store a value that is not empty")
	case !allows(info, 0o4):
		return Fail("mode %04o does not let user %d read it", info.Mode().Perm(), aidboxUser).WithHint(permissions)
	}
	if dir, closed := l.closedFolder(path); closed {
		return Fail("folder %s does not let user %d through", dir, aidboxUser).WithHint(permissions)
	}
	if _, err := l.read(s); err != nil {
		return Unknown("%v", err)
	}
	return Pass("mode %04o", info.Mode().Perm())
}

// closedFolder finds a folder of the mount that Aidbox cannot pass on the way to
// the file. What is above the mount differs in the container.
func (l Local) closedFolder(file string) (string, bool) {
	for _, dir := range []string{l.Dir, filepath.Dir(file)} {
		if info, err := os.Stat(dir); err != nil || !allows(info, 0o1) {
			return dir, true
		}
	}
	return "", false
}

// allows says whether the mode gives Aidbox's user the permission, 4 to read and
// 1 to pass.
func allows(info fs.FileInfo, permission fs.FileMode) bool {
	if uid, known := owner(info); known && uid == aidboxUser {
		permission <<= 6
	}
	return info.Mode().Perm()&permission != 0
}

func (l Local) status(s config.Secret) Result {
	const again = "delete the pod, so that the driver mounts anew"
	info, err := os.Lstat(l.file(s))
	if err != nil {
		return Skip("there is no file to look at")
	}
	published, err := os.Readlink(filepath.Join(l.Dir, dataLink))
	if errors.Is(err, fs.ErrNotExist) {
		return Warn("not published by the CSI driver: rotation will not arrive by itself").
			WithHint("right for a file that something else keeps up to date; in a pod, mount the CSI volume as a folder, without subPath")
	}
	if err != nil {
		return Fail("%s is no link: %v", dataLink, err).WithHint(again)
	}
	if target, err := os.Stat(filepath.Join(l.Dir, dataLink)); err != nil || !target.IsDir() {
		return Fail("%s leads to %s, which is not there", dataLink, published).WithHint(again)
	}
	link := ""
	if info.Mode()&fs.ModeSymlink != 0 {
		if link, err = os.Readlink(l.file(s)); err != nil {
			return Unknown("%v", err)
		}
	}
	if link != filepath.Join(dataLink, s.FileName()) {
		return Fail("does not go through %s: it keeps its first value", dataLink).WithHint("mount the folder as a whole, without subPath, and copy nothing into it")
	}
	at, err := publishedAt(published)
	if err != nil {
		return Warn("%s leads to %s, which is not how the CSI driver names its folders", dataLink, published).WithHint("rotation arrives if whatever published it publishes again")
	}
	return Pass("published %s ago", max(0, time.Since(at)).Round(time.Second))
}

// publishedAt reads the time from the name of a folder of the driver.
func publishedAt(name string) (time.Time, error) {
	return time.Parse(publishedName, name[:min(len(name), len(publishedName))])
}

func (l Local) read(s config.Secret) (secret.Value, error) {
	// Opening a pipe would wait for ever.
	if info, err := os.Stat(l.file(s)); err != nil || !info.Mode().IsRegular() {
		return secret.Value{}, cmp.Or(err, fmt.Errorf("%s is no regular file", l.file(s)))
	}
	f, err := os.Open(l.file(s))
	if err != nil {
		return secret.Value{}, err
	}
	defer func() { _ = f.Close() }()
	b, err := io.ReadAll(io.LimitReader(f, secret.MaxLength+1))
	if err != nil {
		return secret.Value{}, err
	}
	return secret.New(b), nil
}
