package cmd

import (
	"context"
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// Set by the linker in a release.
var version, commit, date string

// versionInfo is the JSON output, documented in docs/json.md.
type versionInfo struct {
	SchemaVersion int `json:"schemaVersion"`

	Version  string `json:"version"`
	Commit   string `json:"commit,omitempty"`
	Date     string `json:"date,omitempty"`
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

// buildVersion falls back to what the Go toolchain noted, for "go install".
func buildVersion() versionInfo {
	v := versionInfo{1, version, commit, date, runtime.Version(), runtime.GOOS + "/" + runtime.GOARCH}
	info, ok := debug.ReadBuildInfo()
	if v.Version == "" && ok {
		v.Version = info.Main.Version
	}
	if v.Version == "" || v.Version == "(devel)" {
		v.Version = "dev"
	}
	return v
}

func newVersion(a *app) *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:   "version",
		Short: "Show the version",
		Long:  "Shows the version of secretctl, and what it was built with.\n\n" + exitCodes("the version was printed", "", ""),
		Example: `  # Show the version
  secretctl version

  # Show also the commit and the date, as JSON
  secretctl version -o json`,
		Args: noArguments,
		RunE: a.run(func(context.Context, []string) error {
			v := buildVersion()
			if output == "json" {
				return a.printJSON(v)
			}
			_, err := fmt.Fprintf(a.Out, "secretctl %s %s %s\n", v.Version, v.Go, v.Platform)
			return err
		}),
	}
	addOutput(cmd, &output, "text", "json")
	return cmd
}
