package secret

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"
	"sync"
)

// MaxLength is the longest value in bytes that is accepted: what Azure Key Vault
// takes, which is less than what Vault does.
const MaxLength = 25 * 1024

var (
	errEmpty   = errors.New("is empty")
	errNotText = errors.New("is not UTF-8 text, which is all that the stores keep unchanged")
)

// Source says where a value comes from. At most one of the fields is set.
type Source struct {
	Generate *Generate `json:"generate,omitempty"`
	Env      string    `json:"env,omitempty"`
	File     string    `json:"file,omitempty"`
	Stdin    bool      `json:"stdin,omitempty"`
}

// IsZero says whether no source is named.
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

// SourceError says that a source gave no usable value. It never quotes the value.
type SourceError struct {
	Source Source
	Err    error
	hint   string
}

func (e *SourceError) Error() string { return fmt.Sprintf("%s %v", e.Source, e.Err) }
func (e *SourceError) Unwrap() error { return e.Err }

// Hint says what to do.
func (e *SourceError) Hint() string { return e.hint }

// Usage says that it is a mistake of usage: nothing was attempted.
func (*SourceError) Usage() bool { return true }

var _ interface{ Hint() string } = (*SourceError)(nil)

// hinted is an error with a hint.
type hinted struct {
	error
	hint string
}

func (h hinted) Unwrap() error { return h.error }
func (h hinted) Hint() string  { return h.hint }

func hintOf(err error) string {
	if h, ok := errors.AsType[hinted](err); ok {
		return h.hint
	}
	return ""
}

// Inputs is where sources read. Prompt is nil where there is no terminal; it
// shows the label and reads a line without echo. Several goroutines may read: one
// of them at a time is prompted, and one alone gets what comes by a pipe.
type Inputs struct {
	LookupEnv func(string) (string, bool)
	Stdin     io.Reader
	Prompt    func(label string) ([]byte, error)
	Sanitizer *Sanitizer // learns every value that is read or generated; may be nil

	mu        sync.Mutex // around Stdin and Prompt
	stdinUsed bool
}

// Read returns the value of a source. label names the secret in a prompt. What
// goes wrong is a [*SourceError]. A generated source gives a new value each time.
func (in *Inputs) Read(ctx context.Context, s Source, label string) (Value, error) {
	v, err := in.read(ctx, s, label)
	if err == nil {
		in.Sanitizer.Learn(v)
	}
	return v, err
}

func (in *Inputs) read(ctx context.Context, s Source, label string) (Value, error) {
	fail := func(err error, format string, args ...any) (Value, error) {
		if ctx.Err() != nil {
			return Value{}, ctx.Err()
		}
		return Value{}, &SourceError{Source: s, Err: err, hint: fmt.Sprintf(format, args...)}
	}
	if err := ctx.Err(); err != nil {
		return Value{}, err
	}
	var b []byte
	var err error
	switch {
	case s.Generate != nil:
		v, err := s.Generate.Value()
		if err != nil {
			return fail(err, "%s", hintOf(err))
		}
		return v, nil
	case s.Env != "":
		text, set := in.LookupEnv(s.Env)
		if !set {
			return fail(errors.New("is not set"), "export %s, or name another source for %s", s.Env, label)
		}
		b = []byte(text)
	case s.File != "":
		b, err = Await(ctx, func() ([]byte, error) { return readFile(s.File) })
		if err != nil {
			return fail(err, "%s", cmp.Or(hintOf(err), "name a file that you can read, or another source for "+label))
		}
	case s.Stdin:
		b, err = Await(ctx, func() ([]byte, error) { return in.readStdin(label) })
		if err != nil {
			return fail(err, "%s", hintOf(err))
		}
	default:
		return fail(errors.New("is named"), "give %s a source: env, file, stdin or generate", label)
	}
	if err := valid(b); err != nil {
		return fail(err, "give %s a text of 1 to %d bytes", label, MaxLength)
	}
	return New(b), nil
}

// Await returns what read does, or ctx.Err() where that comes first: a pipe that
// nobody writes to cannot be told to stop.
func Await[T any](ctx context.Context, read func() (T, error)) (T, error) {
	type result struct {
		read T
		err  error
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
		var none T
		return none, ctx.Err()
	}
}

// readFile refuses what other users of the machine can read or have written, as ssh
// does with its keys: such a value has to be taken as known, or as theirs. Root is
// trusted, and nobody else is by root.
func readFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		if pe, ok := errors.AsType[*fs.PathError](err); ok {
			err = pe.Err
		}
		return readable(nil, err)
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return readable(nil, err)
	}
	if info.IsDir() {
		return nil, errors.New("is a folder")
	}
	if info.Mode().IsRegular() && info.Mode().Perm()&0o077 != 0 {
		err := fmt.Errorf("can be read or written by others (mode %04o)", info.Mode().Perm())
		// A mounted Secret, and a file variable of a pipeline, cannot be changed where they are.
		return nil, hinted{err, "chmod 600 " + ShellWord(path) + "; where that is refused, mount the Secret with defaultMode: 0400, or write value: {stdin: true} and run it with < " + ShellWord(path)}
	}
	if uid, ok := FileOwner(info); ok && !trusted(uid, os.Geteuid()) {
		err := fmt.Errorf("belongs to another user (uid %d)", uid)
		return nil, hinted{err, "make it yours: chown " + strconv.Itoa(os.Geteuid()) + " " + ShellWord(path)}
	}
	return readable(io.ReadAll(io.LimitReader(f, MaxLength+1)))
}

// trusted says whether a user may write what another one takes as a secret.
func trusted(owner, user int) bool { return owner == 0 || owner == user }

// readStdin reads all of it, or asks where it is a terminal.
func (in *Inputs) readStdin(label string) ([]byte, error) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.Prompt != nil {
		return readable(in.Prompt(label))
	}
	if in.Stdin == nil || in.stdinUsed {
		err := errors.New("was read already, for another secret")
		return nil, hinted{err, "only one secret of a run can come from a pipe: use env or file for the others"}
	}
	in.stdinUsed = true
	return readable(io.ReadAll(io.LimitReader(in.Stdin, MaxLength+1)))
}

func readable(b []byte, err error) ([]byte, error) {
	if err != nil {
		return nil, fmt.Errorf("cannot be read: %w", err)
	}
	return b, nil
}
