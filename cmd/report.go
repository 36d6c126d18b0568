package cmd

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/secretctl/secretctl/internal/hint"
	"github.com/secretctl/secretctl/internal/verify"
)

// setupError is what a report says of the error that kept checks from running.
type setupError struct{ error }

func (e setupError) Error() string { return oneLine(e.error) }
func (e setupError) Unwrap() error { return e.error }
func (e setupError) Hint() string  { return hint.Of(e.error) }

// report prints the report and writes its files, also when err kept the checks
// from running, and returns what decides the exit code.
func (a *app) report(o reportOptions, deliveries []verify.DeliveryReport, err error) error {
	var setup error
	if err != nil {
		setup = setupError{err}
	}
	r := verify.NewReport(deliveries, setup)
	errs := []error{err}
	if err == nil || o.output == "json" || o.output == "junit" || len(deliveries) > 0 {
		errs = append(errs, verify.Write(a.Out, o.output, r, a.color()))
	}
	for _, f := range []struct{ path, format string }{{o.jsonFile, "json"}, {o.junitFile, "junit"}} {
		if f.path != "" {
			errs = append(errs, writeFile(f.path, func(w io.Writer) error { return verify.Write(w, f.format, r, false) }))
		}
	}
	errs = append(errs, a.publish(o.publishOptions, r))
	if err := errors.Join(errs...); err != nil {
		return err
	}
	switch r.Verdict() {
	case verify.No:
		return &noError{errReported}
	case verify.Unclear:
		return errReported
	default:
		return nil
	}
}

// writeFile leaves at path the whole new file, or what was there.
func writeFile(path string, write func(io.Writer) error) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-")
	if err != nil {
		return fmt.Errorf("report %s: %w", path, bare(err))
	}
	defer func() {
		if err != nil {
			_ = os.Remove(f.Name())
			err = fmt.Errorf("report %s: %w", path, bare(err))
		}
	}()
	err = errors.Join(write(f), f.Chmod(0o644), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	return err
}

// bare takes off what os says of the temporary file.
func bare(err error) error {
	var pe *os.PathError
	var le *os.LinkError
	switch {
	case errors.As(err, &pe):
		return pe.Err
	case errors.As(err, &le):
		return le.Err
	}
	return err
}
