package cluster

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/secretctl/secretctl/internal/hint"
	"github.com/secretctl/secretctl/internal/secret"
	"github.com/secretctl/secretctl/internal/transport"
)

// Look is what to find out about files in a container, by one command.
type Look struct {
	Files    []string          // their digests
	Contents map[string]string // their digests, and their contents except with this digest
	Folders  []string          // the names in them, if a file is absent
}

// Observation is what a look found, by path.
type Observation map[string]File

// File is what a container's own tools say of a file or folder. Of a symbolic link, all
// but Link is that of its target.
type File struct {
	Found   bool // it exists, whether or not it can be read
	Mode    fs.FileMode
	ModTime time.Time    // by the clock of this machine; zero, as Mode, if the container has no stat
	Link    string       // the target of a symbolic link: ..data/client-secret
	Digest  string       // SHA-256 in hexadecimal, only to compare: that of a guessable value gives it away
	Content secret.Value // only of Contents
	Names   []string     // in a folder, without those with a leading dot, which are the driver's own
	// Err is why there is no digest, content or names. It has nothing of the content.
	Err error
}

// maxPaths is how many paths one command takes: they are part of a URL, which some proxies
// limit to 16 KiB.
const maxPaths = 200

// Observe looks at files in a container, with one command for up to 200 paths. Digests
// are computed in the container, so that values stay there; if it has no sha256sum, the
// content comes over the API server's connection. The error says why secretctl could
// not look: [ErrNoTool], [ErrNotRunning], [ForbiddenError]. What is wrong with one file is
// its Err: [fs.ErrNotExist], [fs.ErrPermission] (of the container's user), [ErrNotFile],
// [ErrTooLong], [ErrNoTool].
func (c *Cluster) Observe(ctx context.Context, p Pod, container string, l Look) (Observation, error) {
	seen := Observation{}
	for part := range slices.Chunk(l.arguments(), maxPaths) {
		files, err := c.observe(ctx, p, container, part)
		if err != nil {
			return nil, fmt.Errorf("kubernetes: pod %s/%s: %w", p.Namespace, p.Name, noTool(p, container, err))
		}
		for i, f := range files {
			kind, path, _ := strings.Cut(part[i], "/")
			path = "/" + path
			if _, known := seen[path]; !known {
				f.Err = noTool(p, container, f.Err)
				seen[path] = f.at(p, kind, path)
			}
		}
	}
	return seen, nil
}

// at names the file in its error. It is an error if the digest is missing.
func (f File) at(p Pod, kind, path string) File {
	if kind != kindFolder && f.Err == nil && f.Digest == "" {
		f.Err = errOddLook
	}
	if f.Err != nil {
		f.Err = fmt.Errorf("kubernetes: pod %s/%s: %s: %w", p.Namespace, p.Name, path, f.Err)
	}
	if kind == kindFile {
		f.Content = secret.Value{} // was only for the digest
	}
	return f
}

// restartPause is how long the status of a container may lag behind its end.
const restartPause = time.Second

// observe looks again if the files change meanwhile, since a rotation removes the old ones;
// if the command or its connection breaks; and if the container seems to have no shell: it
// may be about to restart.
func (c *Cluster) observe(ctx context.Context, p Pod, container string, arguments []string) ([]File, error) {
	look := func() ([]File, error) {
		out, err := c.run(ctx, p, container, lookScript, arguments...)
		if err != nil {
			return nil, err
		}
		return parseLook(out, len(arguments))
	}
	files, err := look()
	switch {
	case errors.Is(err, errNoShell) && transport.Sleep(ctx, restartPause) == nil,
		errors.Is(err, errToolFailed), errors.Is(err, errCutShort), errors.Is(err, errChanging):
		return look()
	}
	return files, err
}

// noTool adds to an [ErrNoTool] what to do instead.
func noTool(p Pod, container string, err error) error {
	if !errors.Is(err, ErrNoTool) {
		return err
	}
	return hint.Wrap(err, "%s", secret.Shellf("run secretctl verify --target local in a Job that mounts the same volume, or look yourself: "+
		"kubectl debug -n %s %s --target=%s --image=busybox -it -- sh (the files are below /proc/1/root)", p.Namespace, p.Name, container))
}

// Digest returns the SHA-256 of a content in hexadecimal, as a [File] has it.
func Digest(content []byte) string {
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:])
}

// The kinds of paths, as the arguments of the script begin. That of a file with content is
// followed by the digest of the known content.
const (
	kindFile    = "f"
	kindContent = "c"
	kindFolder  = "d"
)

func (l Look) arguments() (all []string) {
	for _, path := range l.Files {
		all = append(all, kindFile+path)
	}
	for _, path := range slices.Sorted(maps.Keys(l.Contents)) {
		all = append(all, kindContent+l.Contents[path]+path)
	}
	for _, path := range l.Folders { // last, because the script lists them if a file is absent
		all = append(all, kindFolder+path)
	}
	return all
}

// The records of a look.
var (
	lookErrors = map[string]error{"absent": fs.ErrNotExist, "denied": fs.ErrPermission, "notfile": ErrNotFile, "long": ErrTooLong, "failed": errChanging}
	plainValue = regexp.MustCompile(`^[A-Za-z0-9._/-]+$`)
	digestForm = regexp.MustCompile(`^[0-9a-f]{64}$`)
)

var (
	errOddLook  = errors.New("the container answers in an unknown form")
	errChanging = errors.New("the files change while they are read")
)

// observed collects the records of a look.
type observed struct {
	files          []File
	toStat, toHash []int // indexes
	noStat         bool
	ahead          time.Duration // by how much the container's clock is ahead of this machine's
}

// parseLook reads what lookScript prints about n paths. Whatever a container prints, it
// returns that many files or an error.
func parseLook(out []byte, n int) ([]File, error) {
	lines := strings.Split(strings.TrimSuffix(string(out), "\n"), "\n")
	switch {
	case lines[len(lines)-1] != ":end":
		return nil, errCutShort
	case lines[0] != ":look 1":
		return nil, errOddLook
	}
	o := observed{}
	for lines = lines[1 : len(lines)-1]; len(lines) > 0; {
		end := 1
		for end < len(lines) && !strings.HasPrefix(lines[end], ":") {
			end++
		}
		if err := o.read(lines[:end]); err != nil {
			return nil, err
		}
		lines = lines[end:]
	}
	switch {
	case len(o.files) != n:
		return nil, errOddLook
	case len(o.toStat) > 0 && !o.noStat, len(o.toHash) > 0:
		return nil, errChanging
	}
	return o.files, nil
}

// read reads a record: a key with a plain value, or with base64 in the lines below.
func (o *observed) read(lines []string) error {
	key, value, plain := strings.Cut(lines[0], " ")
	data, err := base64.StdEncoding.DecodeString(strings.Join(lines[1:], ""))
	switch {
	case err != nil || key == ":path" && plain || plain && len(lines) > 1 || plain && key != ":stat" && !plainValue.MatchString(value):
		return errOddLook
	case key == ":path":
		o.files = append(o.files, File{})
		return nil
	case len(o.files) == 0:
		return errOddLook
	}
	return o.add(key, value, data)
}

// add adds a record to the last path, or to the next one that waits for it.
func (o *observed) add(key, value string, data []byte) error {
	last := len(o.files) - 1
	f := &o.files[last]
	text := cmp.Or(value, string(data), "?") // the container could not encode it
	switch key {
	case ":found":
		f.Found, o.toStat = true, append(o.toStat, last)
	case ":link":
		f.Link = text
	case ":name":
		f.Names = append(f.Names, text)
	case ":hash":
		o.toHash = append(o.toHash, last)
	case ":digest":
		return f.setDigest(value)
	case ":content":
		f.Content, f.Digest = secret.New(data), cmp.Or(f.Digest, Digest(data))
	case ":error":
		if f.Err = lookErrors[value]; f.Err == nil || errors.Is(f.Err, errChanging) {
			return cmp.Or(f.Err, errOddLook)
		}
	case ":lacks":
		if value == "stat" {
			o.noStat = true
		} else {
			f.Err = fmt.Errorf("%w: sha256sum, base64", ErrNoTool)
		}
	case ":now":
		if seconds, err := strconv.ParseInt(value, 10, 64); err == nil {
			o.ahead = time.Until(time.Unix(seconds, 0))
		}
	case ":stat":
		if len(o.toStat) == 0 {
			return errOddLook
		}
		f, o.toStat = &o.files[o.toStat[0]], o.toStat[1:]
		return f.setStat(value, o.ahead)
	case ":sum":
		if len(o.toHash) == 0 {
			return errOddLook
		}
		f, o.toHash = &o.files[o.toHash[0]], o.toHash[1:]
		return f.setDigest(value)
	default:
		return errOddLook
	}
	return nil
}

func (f *File) setDigest(hexadecimal string) error {
	if !digestForm.MatchString(hexadecimal) {
		return errOddLook
	}
	f.Digest = hexadecimal
	return nil
}

func (f *File) setStat(numbers string, ahead time.Duration) error {
	var seconds int64
	if _, err := fmt.Sscanf(numbers, "%o %d", &f.Mode, &seconds); err != nil {
		return errOddLook
	}
	f.ModTime = time.Unix(seconds, 0).Add(-ahead)
	return nil
}
