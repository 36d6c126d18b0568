package secret

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync"
	"unicode/utf8"
)

// MaxLength is the length in bytes of the longest value: the limit of Azure Key Vault,
// which is below that of Vault.
const MaxLength = 25 * 1024

// Source says where a value comes from. At most one of the fields is set.
type Source struct {
	Generate *Generate `json:"generate,omitempty"`
	Env      string    `json:"env,omitempty"`
	File     string    `json:"file,omitempty"`
	Stdin    bool      `json:"stdin,omitempty"`
}

// IsZero reports whether no source is named.
func (s Source) IsZero() bool { return s == Source{} }

// String names the source, for messages: "environment variable X".
func (s Source) String() string {
	switch {
	case s.Generate != nil:
		return "generated"
	case s.Env != "":
		return "environment variable " + s.Env
	case s.File != "":
		return "file " + s.File
	case s.Stdin:
		return "standard input"
	default:
		return "no source"
	}
}

// SourceError is the error of a source that has no usable value. It never quotes the value.
type SourceError struct {
	Source Source
	Err    error
}

func (e *SourceError) Error() string { return fmt.Sprintf("%s %v", e.Source, e.Err) }
func (e *SourceError) Unwrap() error { return e.Err }

// Usage says that it is a mistake of usage: nothing was attempted.
func (*SourceError) Usage() bool { return true }

// hinted is an error with a hint, in a package that imports no other of secretctl's.
type hinted struct {
	error
	hint string
}

func (h hinted) Unwrap() error { return h.error }
func (h hinted) Hint() string  { return h.hint }

func withHint(err error, format string, args ...any) error {
	return hinted{err, fmt.Sprintf(format, args...)}
}

// Inputs is where sources read. Prompt shows the label and reads a line without echo; it
// is nil without a terminal. Several goroutines may read: they prompt one at a time, and
// only one of them gets what comes through a pipe.
type Inputs struct {
	LookupEnv func(string) (string, bool)
	Stdin     io.Reader
	Prompt    func(label string) ([]byte, error)
	Sanitizer *Sanitizer // learns every value that is read or generated; may be nil
	// Projected allows a file that its group can read. The kubelet writes tokens so in a pod
	// with fsGroup, which OpenShift sets on every pod.
	Projected bool

	mu        sync.Mutex // around Stdin and Prompt
	stdinUsed bool
}

// Read returns the value of a source. label names the secret in a prompt. What
// goes wrong is a [*SourceError] with a hint. A generated source gives a new value each time.
func (in *Inputs) Read(ctx context.Context, s Source, label string) (Value, error) {
	b, err := in.read(ctx, s, label)
	switch {
	case ctx.Err() != nil:
		return Value{}, ctx.Err()
	case err != nil:
	case len(b) == 0:
		err = errors.New("is empty")
	case len(b) > MaxLength:
		err = fmt.Errorf("is longer than %d bytes", MaxLength)
	case !utf8.Valid(b):
		err = errors.New("is not UTF-8 text, which is all that the stores keep unchanged")
	default:
		v := New(b)
		in.Sanitizer.Learn(v)
		return v, nil
	}
	if _, has := errors.AsType[hinted](err); !has {
		err = withHint(err, "give %s a text of 1 to %d bytes, or another source", label, MaxLength)
	}
	return Value{}, &SourceError{s, err}
}

func (in *Inputs) read(ctx context.Context, s Source, label string) ([]byte, error) {
	switch {
	case s.Generate != nil:
		v, err := s.Generate.Value()
		return v.Reveal(), err
	case s.Env != "":
		text, set := in.LookupEnv(s.Env)
		if !set {
			return nil, withHint(errors.New("is not set"), "export %s, or name another source for %s", ShellWord(s.Env), label)
		}
		return []byte(text), nil
	case s.File != "":
		return Await(ctx, func() ([]byte, error) { return readFile(s.File, in.Projected) })
	case s.Stdin:
		return Await(ctx, func() ([]byte, error) { return in.readStdin(label) })
	}
	return nil, withHint(errors.New("is named"), "give %s a source: env, file, stdin or generate", label)
}

// Await returns the result of read, or ctx.Err() if that comes first: reading a pipe that
// nobody writes to cannot be interrupted.
func Await[T any](ctx context.Context, read func() (T, error)) (T, error) {
	type result struct {
		read T
		err  error
	}
	var none T
	if ctx.Err() != nil {
		return none, ctx.Err()
	}
	done := make(chan result, 1)
	go func() {
		what, err := read()
		done <- result{what, err}
	}()
	select {
	case r := <-done:
		return r.read, r.err
	case <-ctx.Done():
		return none, ctx.Err()
	}
}

// readFile refuses a file that other users of the machine can read or could have
// written, as ssh does with its keys. Everybody trusts root, and root trusts nobody else.
// A projected file may be read by its group.
func readFile(path string, projected bool) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		if pe, ok := errors.AsType[*fs.PathError](err); ok {
			err = pe.Err
		}
		return nil, withHint(fmt.Errorf("cannot be read: %w", err), "name a file that you can read, or another source")
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("cannot be read: %w", err)
	}
	if info.IsDir() {
		return nil, withHint(errors.New("is a folder"), "name a file that you can read, or another source")
	}
	others := fs.FileMode(0o077)
	if projected {
		others &^= 0o040
	}
	if info.Mode().IsRegular() && info.Mode().Perm()&others != 0 {
		// Nobody can change the mode of a mounted Secret, or of a pipeline's file variable.
		return nil, withHint(fmt.Errorf("can be read or written by others (mode %04o)", info.Mode().Perm()),
			"%s", Shellf("chmod 600 %s; where that is refused, mount the Secret with defaultMode: 0400, or write value: {stdin: true} and run it with < %[1]s", path))
	}
	if uid, ok := FileOwner(info); ok && !trusted(uid, os.Geteuid()) {
		return nil, withHint(fmt.Errorf("belongs to another user (uid %d)", uid), "%s", Shellf("make it yours: chown %v %s", os.Geteuid(), path))
	}
	return readAll(f)
}

// trusted reports whether a user takes a secret from a file of that owner.
func trusted(owner, user int) bool { return owner == 0 || owner == user }

// readStdin reads all of it, or prompts if it is a terminal.
func (in *Inputs) readStdin(label string) ([]byte, error) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.Prompt != nil {
		b, err := in.Prompt(label)
		if err != nil {
			return nil, fmt.Errorf("cannot be read: %w", err)
		}
		return b, nil
	}
	if in.Stdin == nil || in.stdinUsed {
		return nil, withHint(errors.New("was read already, for another secret"),
			"only one secret of a run can come from a pipe: use env or file for the others")
	}
	in.stdinUsed = true
	return readAll(in.Stdin)
}

func readAll(r io.Reader) ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(r, MaxLength+1))
	if err != nil {
		return nil, fmt.Errorf("cannot be read: %w", err)
	}
	return b, nil
}
