package cmd

import (
	"bytes"
	"errors"
	"fmt"
	"path/filepath"
	"testing"

	"github.com/secretctl/secretctl/internal/cluster"
	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/hint"
	"github.com/secretctl/secretctl/internal/secret"
	secretstore "github.com/secretctl/secretctl/internal/store"
	"github.com/secretctl/secretctl/internal/transport"
)

func TestMistakesOfUsageAreExitCode2(t *testing.T) {
	for _, err := range []error{
		hint.Usage("", "wrong flag"), &config.Error{}, &cluster.ConfigError{}, hint.Usage("", "wrong kind"), &secret.SourceError{}, &transport.AddressError{}, secretstore.ErrNoToken,
	} {
		if code := exitCode(fmt.Errorf("around: %w", err)); code != exitUsage {
			t.Errorf("%T: exit code %d", err, code)
		}
	}
	for _, err := range []error{errors.New("refused"), secretstore.ErrLoginOnNode} {
		if code := exitCode(err); code != exitUnable {
			t.Errorf("%v: exit code %d", err, code)
		}
	}
}

func TestReportFileThatCannotBeWrittenSaysThatTheRestWasDone(t *testing.T) {
	var out, stderr bytes.Buffer
	sanitizer := &secret.Sanitizer{}
	a := &app{IO: IO{Out: &out, LookupEnv: func(string) (string, bool) { return "", false }}, console: newConsole(&stderr, sanitizer), sanitizer: sanitizer}
	err := a.report(reportFiles{output: "json", jsonFile: filepath.Join(t.TempDir(), "full", "report.json")}, nil, nil)
	if exitCode(err) != exitUnable || hint.Of(err) != "only this file is missing: the command did the rest" || out.Len() == 0 {
		t.Errorf("%v, hint %q, printed %s", err, hint.Of(err), out.String())
	}
}
