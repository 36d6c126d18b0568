package cmd

import (
	"bytes"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/secretctl/secretctl/internal/cluster"
	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/hint"
	"github.com/secretctl/secretctl/internal/secret"
	secretstore "github.com/secretctl/secretctl/internal/store"
	"github.com/secretctl/secretctl/internal/transport"
	"github.com/secretctl/secretctl/internal/verify"
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

func TestFailedCheckOutweighsADeliveryThatCouldNotBeChecked(t *testing.T) {
	sealed := hint.Wrap(errors.New("sealed"), "unseal it")
	failed := verify.DeliveryReport{Name: "d0", Checks: []verify.Result{{ID: "mount/present", Status: verify.StatusFail}}}
	for _, tt := range []struct {
		want   int
		checks []verify.DeliveryReport
		err    error
	}{
		{exitNo, []verify.DeliveryReport{failed}, nil},
		{exitNo, []verify.DeliveryReport{failed, {Name: "d1"}}, sealed},
		{exitNo, []verify.DeliveryReport{failed, {Name: "d1"}, {Name: "d2"}}, join(sealed, hint.Usage("", "no source"))},
		{exitUnable, []verify.DeliveryReport{{Name: "d1"}}, sealed},
		{exitUsage, nil, hint.Usage("", "no source")},
	} {
		var out, stderr bytes.Buffer
		sanitizer := &secret.Sanitizer{}
		c := newConsole(&stderr, sanitizer)
		a := &app{IO: IO{Out: &out, Err: c, LookupEnv: func(string) (string, bool) { return "", false }}, console: c, sanitizer: sanitizer}
		err := a.report(reportFiles{output: "json"}, tt.checks, tt.err)
		if code := exitCode(err); code != tt.want {
			t.Errorf("%v: exit code %d, want %d", tt.err, code, tt.want)
		}
		a.conclude(err)
		if got := strings.Count(stderr.String(), "error: "); got != len(parts(tt.err)) {
			t.Errorf("%v: printed\n%s", tt.err, &stderr)
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
