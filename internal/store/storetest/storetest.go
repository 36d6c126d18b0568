// Package storetest has the contract suite that every store passes, and what the tests
// of all stores share.
package storetest

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/hint"
	"github.com/secretctl/secretctl/internal/secret"
	"github.com/secretctl/secretctl/internal/store"
)

// Canary is a value that may appear only in the store.
const Canary = "s3cr3t-canary"

// FromEnv is a source that reads a variable of [Inputs].
func FromEnv(name string) secret.Source { return secret.Source{Env: name} }

// Generated is a source that generates a value.
func Generated() secret.Source { return secret.Source{Generate: &secret.Generate{}} }

// Inputs has these variables and nothing else.
func Inputs(env map[string]string) *secret.Inputs {
	return &secret.Inputs{LookupEnv: func(name string) (string, bool) {
		value, set := env[name]
		return value, set
	}}
}

// Want compares changes without their details and warnings.
func Want(t testing.TB, got []store.Change, err error, wanted ...string) {
	t.Helper()
	if err != nil {
		t.Fatalf("unexpected error: %v", err)
	}
	var lines []string
	for _, c := range got {
		lines = append(lines, c.Phase+" "+c.Action+" "+c.Object)
	}
	if diff := cmp.Diff(wanted, lines, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("changes (-want +got):\n%s", diff)
	}
}

// WantError checks that an error has all of the words, in one line without the canary.
func WantError(t testing.TB, err error, words ...string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, want one about %q", words)
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("error %q does not say %q", err, w)
		}
	}
	if strings.ContainsAny(err.Error(), "\n\t") || strings.Contains(err.Error(), Canary) {
		t.Errorf("error is not one line without values: %q", err)
	}
}

// WantHint checks that the hint of an error has all of the words.
func WantHint(t testing.TB, err error, words ...string) {
	t.Helper()
	for _, w := range words {
		if !strings.Contains(hint.Of(err), w) {
			t.Errorf("hint %q does not say %q", hint.Of(err), w)
		}
	}
}

// Count returns how many changes have that action.
func Count(changes []store.Change, action string) (n int) {
	for _, c := range changes {
		if c.Action == action {
			n++
		}
	}
	return n
}

// AtOnce calls f n times concurrently and returns its errors.
func AtOnce(n int, f func(i int) error) []error {
	errs := make([]error, n)
	start := make(chan struct{})
	var group sync.WaitGroup
	for i := range n {
		group.Go(func() {
			<-start
			errs[i] = f(i)
		})
	}
	close(start)
	group.Wait()
	return errs
}

// Buffer is a bytes.Buffer for concurrent writers.
type Buffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *Buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *Buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

var notName = regexp.MustCompile(`[^a-z0-9]+`)

// Place returns a name that no other test uses.
func Place(t testing.TB) string {
	return strings.Trim(notName.ReplaceAllString(strings.ToLower(t.Name()), "-"), "-")
}

// Numbered returns n secrets, each with its own path, and the variables of their values.
func Numbered(t testing.TB, n int) ([]config.Secret, map[string]string) {
	var secrets []config.Secret
	env := map[string]string{}
	for i := range n {
		name := fmt.Sprintf("s%04d", i)
		secrets = append(secrets, config.Secret{Name: name, Path: Place(t) + "/" + name, Value: FromEnv(name)})
		env[name] = fmt.Sprintf("%s-%d", Canary, i)
	}
	return secrets, env
}
