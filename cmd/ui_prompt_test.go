package cmd

import (
	"bytes"
	"errors"
	"strings"
	"testing"
)

func TestOnlyYesIsAnAnswerThatDeletes(t *testing.T) {
	for typed, want := range map[string]int{"y\n": exitOK, "YES\n": exitOK, "\n": exitNo, "n\n": exitNo, "yess\n": exitNo, "": exitNo} {
		var stderr bytes.Buffer
		a := &app{IO: IO{
			In: strings.NewReader(typed), Err: newConsole(&stderr, nil), ErrTerminal: true,
			Prompt: func(string) ([]byte, error) { return nil, errors.New("nothing is secret here") },
		}}
		if err := a.confirm(t.Context(), "Delete Client/basic\x1b[2K from http://a?"); exitCode(err) != want || strings.TrimSuffix(stderr.String(), "\n") != "Delete Client/basic from http://a? [y/N] " {
			t.Errorf("%q: %v\n%q", typed, err, stderr.String())
		}
	}
	a := &app{IO: IO{In: strings.NewReader("y\n")}}
	if err := a.confirm(t.Context(), "Delete?"); exitCode(err) != exitUsage {
		t.Errorf("without a terminal: %v", err)
	}
}
