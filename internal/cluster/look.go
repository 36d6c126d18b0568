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
	"strings"
	"time"

	"github.com/secretctl/secretctl/internal/secret"
)

// Look is what to find out about files in a container. All of it is one command.
type Look struct {
	Files    []string          // with their digests
	Contents map[string]string // the same, and with the content unless it has this digest
	Folders  []string          // with the names in them, if a file of the look is absent
}

// Observation is what a look found, by path.
type Observation map[string]File

// File is what a container's own tools say of a file or folder. What it leads to counts
// if it is a symbolic link, except for Link.
type File struct {
	Found    bool // it exists, whether or not it can be read
	Mode     fs.FileMode
	UID, GID int
	Size     int64
	ModTime  time.Time    // zero if the container lacks stat; then all above but Found is too
	Link     string       // of a symbolic link, where it leads: ..data/client-secret
	Digest   string       // SHA-256 in hexadecimal. That of a guessable value tells the value, so it is for comparing
	Content  secret.Value // only of Contents
	Names    []string     // in a folder, without those that start with a dot, which the driver keeps for itself
	// Err is why there is no digest, content or names. It has nothing of the content.
	Err error
}

// maxPaths is how many paths one command takes: they travel in a URL, which some proxies
// limit to 16 KiB.
const maxPaths = 200

// Observe looks at files in a container, with one command for up to 200 paths. Digests
// are computed in the container, so that values stay there; if it lacks the tools for
// that, the content comes over the API server's connection and is dropped here. The
// error says why nobody could look: [ErrNoTool], [ErrNotRunning], [ForbiddenError].
// What is wrong with one file is its Err: [fs.ErrNotExist], [fs.ErrPermission] (of the
// container's user), [ErrNotFile], [ErrTooLong], [ErrNoTool].
func (c *Cluster) Observe(ctx context.Context, p Pod, container string, l Look) (Observation, error) {
	seen := Observation{}
	for part := range slices.Chunk(l.arguments(), maxPaths) {
		files, err := c.observe(ctx, p, container, part)
		if err != nil {
			return nil, fmt.Errorf("kubernetes: pod %s/%s: %w", p.Namespace, p.Name, err)
		}
		for i, f := range files {
			kind, path, _ := strings.Cut(part[i], "/")
			path = "/" + path
			if _, known := seen[path]; known {
				continue
			}
			if errors.Is(f.Err, errToolMissing) {
				f = c.read(ctx, p, container, path, f)
			}
			seen[path] = f.at(p, kind, path)
		}
	}
	return seen, nil
}

// at names the file in its error, also if what was found of it is too little for its kind.
func (f File) at(p Pod, kind, path string) File {
	if kind != kindFolder && f.Err == nil && f.Digest == "" {
		f.Err = errOddLook
	}
	if f.Err != nil {
		f.Err = fmt.Errorf("kubernetes: pod %s/%s: %s: %w", p.Namespace, p.Name, path, f.Err)
	}
	return f
}

// observe looks a second time if the files changed under its tools: a rotation takes the
// old ones away.
func (c *Cluster) observe(ctx context.Context, p Pod, container string, arguments []string) (files []File, err error) {
	for range 2 {
		out, err := c.run(ctx, p, container, lookScript, arguments...)
		switch {
		case errors.Is(err, errToolMissing): // some runtimes exit as a shell does that finds no command
			return nil, noTool(p, container, errNoShell)
		case errors.Is(err, ErrTooLong):
			return nil, errOddLook
		case err != nil:
			return nil, err
		}
		if files, err = parseLook(out, len(arguments)); !errors.Is(err, errChanging) {
			return files, err
		}
	}
	return nil, errChanging
}

// read is for containers that cannot compute or encode: the content comes as it is.
func (c *Cluster) read(ctx context.Context, p Pod, container, path string, f File) File {
	content, err := c.run(ctx, p, container, `cat <"$1" || exit`, path)
	switch {
	case errors.Is(err, errToolMissing):
		f.Err = noTool(p, container, fmt.Errorf("%w, cat", f.Err))
	case err != nil:
		f.Err = err
	default:
		f.Digest, f.Content, f.Err = digestOf(content), secret.New(content), nil
	}
	return f
}

func digestOf(content []byte) string {
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:])
}

// The kinds of paths, which stand before them in the arguments of the script. That of a
// file with content is followed by the digest of the content that is known.
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
	for _, path := range l.Folders { // last: their names are for the files that are absent
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
	noStat, noHash bool
}

// parseLook reads what lookScript prints about n paths. Whatever a container prints, the
// result is of that many files or an error.
func parseLook(out []byte, n int) ([]File, error) {
	lines := strings.Split(strings.TrimSuffix(string(out), "\n"), "\n")
	if lines[0] != ":look 1" || lines[len(lines)-1] != ":end" {
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
	case len(o.toStat) > 0 && !o.noStat, len(o.toHash) > 0 && !o.noHash:
		return nil, errChanging
	}
	for _, i := range o.toHash {
		o.files[i].Err = fmt.Errorf("%w: sha256sum", errToolMissing)
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
	text := cmp.Or(value, string(data), "?") // what cannot be encoded is unknown
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
		f.Content, f.Digest = secret.New(data), cmp.Or(f.Digest, digestOf(data))
	case ":error":
		if f.Err = lookErrors[value]; f.Err == nil || errors.Is(f.Err, errChanging) {
			return cmp.Or(f.Err, errOddLook)
		}
	case ":lacks":
		switch value {
		case "stat":
			o.noStat = true
		case "sha256sum":
			o.noHash = true
		default:
			f.Err = fmt.Errorf("%w: %s", errToolMissing, value)
		}
	case ":stat":
		if len(o.toStat) == 0 {
			return errOddLook
		}
		f, o.toStat = &o.files[o.toStat[0]], o.toStat[1:]
		return f.setStat(value)
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

func (f *File) setStat(numbers string) error {
	var seconds int64
	if _, err := fmt.Sscanf(numbers, "%o %d %d %d %d", &f.Mode, &f.UID, &f.GID, &f.Size, &seconds); err != nil {
		return errOddLook
	}
	f.ModTime = time.Unix(seconds, 0)
	return nil
}
