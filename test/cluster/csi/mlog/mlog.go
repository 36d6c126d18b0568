// Package mlog stands in for a logging module that the CSI driver imports and
// the Go module proxy does not serve. It has what version 1.6.0 of the driver
// calls, over klog, and text as its only format.
package mlog

import (
	"context"
	"fmt"
	"os"
	"strconv"

	"k8s.io/klog/v2"
)

// LogFormat names an output format.
type LogFormat string

// The formats that the driver knows.
const (
	FormatText LogFormat = "text"
	FormatJSON LogFormat = "json"
)

// Setup returns what to call before the program ends.
func Setup() func() { return klog.Flush }

// ValidateAndSetKlogLevelAndFormatGlobally sets the verbosity, and refuses any
// format but text.
func ValidateAndSetKlogLevelAndFormatGlobally(_ context.Context, level klog.Level, format LogFormat) error {
	if format != FormatText {
		return fmt.Errorf("log format %q is not in this build", format)
	}
	var global klog.Level
	return global.Set(strconv.Itoa(int(level)))
}

// Error logs err under the caller's line.
func Error(msg string, err error, keysAndValues ...any) {
	klog.ErrorSDepth(1, err, msg, keysAndValues...)
}

// Fatal logs err and ends the program.
func Fatal(err error) {
	klog.ErrorSDepth(1, err, "fatal")
	klog.Flush()
	os.Exit(1)
}
