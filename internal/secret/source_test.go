package secret

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/secretctl/secretctl/internal/hint"
)

func env(pairs map[string]string) func(string) (string, bool) {
	return func(name string) (string, bool) {
		value, set := pairs[name]
		return value, set
	}
}

func file(t *testing.T, content string, mode os.FileMode) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "value")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil { // whatever the umask
		t.Fatal(err)
	}
	return path
}

func TestReadReturnsTheBytesOfTheSource(t *testing.T) {
	long := strings.Repeat("x", MaxLength)
	tests := map[string]struct {
		source Source
		inputs *Inputs
		want   string
	}{
		"env":         {Source{Env: "A"}, &Inputs{LookupEnv: env(map[string]string{"A": "v"})}, "v"},
		"file":        {Source{File: file(t, "v\n", 0o600)}, &Inputs{}, "v\n"},
		"read-only":   {Source{File: file(t, "v", 0o400)}, &Inputs{}, "v"},
		"pipe":        {Source{Stdin: true}, &Inputs{Stdin: strings.NewReader("v\n")}, "v\n"},
		"prompt":      {Source{Stdin: true}, &Inputs{Prompt: func(label string) ([]byte, error) { return []byte("for " + label), nil }}, "for it"},
		"the longest": {Source{Stdin: true}, &Inputs{Stdin: strings.NewReader(long)}, long},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			v, err := test.inputs.Read(t.Context(), test.source, "it")
			if err != nil || string(v.Reveal()) != test.want {
				t.Errorf("%q, %v", v.Reveal(), err)
			}
		})
	}
}

func TestReadOfASymlinkFollowsIt(t *testing.T) {
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(file(t, "v", 0o600), link); err != nil {
		t.Fatal(err)
	}
	if v, err := new(Inputs).Read(t.Context(), Source{File: link}, "it"); err != nil || string(v.Reveal()) != "v" {
		t.Errorf("%q, %v", v.Reveal(), err)
	}
}

func TestGroupOfAPodMayReadAProjectedToken(t *testing.T) {
	for mode, want := range map[os.FileMode]bool{0o600: true, 0o640: true, 0o440: true, 0o660: false, 0o644: false, 0o604: false} {
		in := &Inputs{Projected: true}
		if _, err := in.Read(t.Context(), Source{File: file(t, "v", mode)}, "it"); (err == nil) != want {
			t.Errorf("%04o: %v", mode, err)
		}
	}
}

func TestReadSaysWhatIsWrongWithASource(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "missing")
	shared, empty := file(t, canary, 0o640), file(t, "", 0o600)
	dir := t.TempDir()
	tooLong := canary + strings.Repeat("x", MaxLength)
	tests := map[string]struct {
		source     Source
		inputs     *Inputs
		want, hint string
	}{
		"unset":         {Source{Env: "A"}, &Inputs{LookupEnv: env(nil)}, "environment variable A is not set", "export A, or name another source for it"},
		"empty env":     {Source{Env: "A"}, &Inputs{LookupEnv: env(map[string]string{"A": ""})}, "environment variable A is empty", "give it a text of 1 to 25600 bytes"},
		"not text":      {Source{Env: "A"}, &Inputs{LookupEnv: env(map[string]string{"A": canary + "\xff"})}, "environment variable A is not UTF-8 text, which is all that the stores keep unchanged", "give it"},
		"missing":       {Source{File: missing}, &Inputs{}, "file " + missing + " cannot be read: no such file or directory", "name a file that you can read"},
		"shared":        {Source{File: shared}, &Inputs{}, "file " + shared + " can be read or written by others (mode 0640)", "chmod 600 " + shared + "; where that is refused, mount the Secret with defaultMode: 0400, or write value: {stdin: true} and run it with < " + shared},
		"empty file":    {Source{File: empty}, &Inputs{}, "file " + empty + " is empty", "give it"},
		"folder":        {Source{File: dir}, &Inputs{}, "file " + dir + " is a folder", "name a file"},
		"too long":      {Source{Stdin: true}, &Inputs{Stdin: strings.NewReader(tooLong)}, "standard input is longer than 25600 bytes", "give it"},
		"no stdin":      {Source{Stdin: true}, &Inputs{}, "standard input was read already, for another secret", "only one secret"},
		"broken prompt": {Source{Stdin: true}, &Inputs{Prompt: func(string) ([]byte, error) { return nil, io.ErrUnexpectedEOF }}, "standard input cannot be read: unexpected EOF", ""},
		"none":          {Source{}, &Inputs{}, "no source is named", "give it a source: env, file, stdin or generate"},
		"bad generate":  {Source{Generate: &Generate{Length: 1}}, &Inputs{}, "generated length is not between 8 and 4096", ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			v, err := test.inputs.Read(t.Context(), test.source, "it")
			var e *SourceError
			if !errors.As(err, &e) || err.Error() != test.want || e.Source != test.source || !v.Empty() {
				t.Fatalf("got  %v\nwant %s", err, test.want)
			}
			if got := hint.Of(err); !strings.HasPrefix(got, test.hint) || strings.Contains(got+err.Error(), canary) {
				t.Errorf("hint %q, want %q", got, test.hint)
			}
		})
	}
}

func TestPipeIsReadForOneSecretOnly(t *testing.T) {
	in := Inputs{Stdin: strings.NewReader("v")}
	if _, err := in.Read(t.Context(), Source{Stdin: true}, "first"); err != nil {
		t.Fatal(err)
	}
	if _, err := in.Read(t.Context(), Source{Stdin: true}, "second"); err == nil || !strings.Contains(err.Error(), "was read already") {
		t.Errorf("got %v", err)
	}
}

func TestReadStopsWhereTheContextHasEnded(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	in := Inputs{Prompt: func(string) ([]byte, error) { t.Error("asked"); return nil, nil }}
	if _, err := in.Read(ctx, Source{Stdin: true}, "it"); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestSourceNamesItself(t *testing.T) {
	for want, s := range map[string]Source{
		"no source": {}, "environment variable A": {Env: "A"}, "file a": {File: "a"}, "standard input": {Stdin: true}, "generated": {Generate: &Generate{}},
	} {
		if s.String() != want || s.IsZero() != (want == "no source") {
			t.Errorf("%q, zero %t", s, s.IsZero())
		}
	}
}

func TestReadTakesNoMoreThanItNeedsOfAnEndlessInput(t *testing.T) {
	endless := io.MultiReader(bytes.NewReader(make([]byte, 4*MaxLength)), unread{})
	if _, err := (&Inputs{Stdin: endless}).Read(t.Context(), Source{Stdin: true}, "it"); err == nil || !strings.Contains(err.Error(), "longer than") {
		t.Errorf("got %v", err)
	}
}

// unread returns an error to whoever reads it.
type unread struct{}

func (unread) Read([]byte) (int, error) { return 0, errors.New("read too far") }

func TestOnePromptAtATime(t *testing.T) {
	var asked atomic.Int32
	in := &Inputs{Prompt: func(label string) ([]byte, error) {
		if asked.Add(1) > 1 {
			t.Error("a second prompt")
		}
		<-time.After(time.Millisecond) // so that another one would have come
		asked.Add(-1)
		return []byte("value of " + label), nil
	}}
	var group sync.WaitGroup
	for _, label := range []string{"a", "b", "c"} {
		group.Go(func() {
			v, err := in.Read(t.Context(), Source{Stdin: true}, label)
			if err != nil || string(v.Reveal()) != "value of "+label {
				t.Errorf("%s: %q, %v", label, v.Reveal(), err)
			}
		})
	}
	group.Wait()
}

func TestOnlyOneReaderGetsThePipe(t *testing.T) {
	in := &Inputs{Stdin: strings.NewReader("v")}
	var got atomic.Int32
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			if _, err := in.Read(t.Context(), Source{Stdin: true}, "it"); err == nil {
				got.Add(1)
			}
		})
	}
	group.Wait()
	if got.Load() != 1 {
		t.Errorf("%d got a value", got.Load())
	}
}

// Nobody writes to the pipe.
func TestReadEndsWithTheContext(t *testing.T) {
	silent, _ := io.Pipe()
	defer func() { _ = silent.Close() }()
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(10*time.Millisecond, cancel)
	in := &Inputs{Stdin: silent}
	if _, err := in.Read(ctx, Source{Stdin: true}, "x"); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestReadLetsTheSanitizerLearnWhatItReturns(t *testing.T) {
	in := &Inputs{Stdin: strings.NewReader("from the pipe"), Sanitizer: &Sanitizer{}}
	for _, s := range []Source{{Stdin: true}, {Generate: &Generate{}}} {
		v, err := in.Read(t.Context(), s, "it")
		if err != nil || !in.Sanitizer.Repeats("you sent "+string(v.Reveal())) {
			t.Errorf("%s: %v, not learned", s, err)
		}
	}
}
