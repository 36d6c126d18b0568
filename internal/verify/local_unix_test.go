//go:build unix

package verify

import (
	"os"
	"syscall"
	"testing"
)

func TestPipeInTheMountDoesNotBlock(t *testing.T) {
	s := newFixture(t)
	must(t, os.Remove(s.file("client-secret")))
	must(t, syscall.Mkfifo(s.file("client-secret"), 0o644))
	if _, err := s.local.mount(s.d).value(t.Context(), s.d.Secrets[0]); err == nil {
		t.Error("a pipe was read")
	}
}
