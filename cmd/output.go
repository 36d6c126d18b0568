package cmd

import (
	"encoding/json"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

// addOutput adds -o with its formats, the first of which is the default.
func addOutput(cmd *cobra.Command, output *string, formats ...string) {
	cmd.Flags().StringVarP(output, "output", "o", formats[0], "output: "+strings.Join(formats, ", "))
	addEnum(cmd, "output", output, formats...)
}

// addEnum refuses what is not one of the values, before the command starts.
func addEnum(cmd *cobra.Command, flag string, value *string, allowed ...string) {
	_ = cmd.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(allowed, cobra.ShellCompDirectiveNoFileComp))
	before := cmd.PreRunE
	cmd.PreRunE = func(cmd *cobra.Command, args []string) error {
		if !slices.Contains(allowed, *value) {
			return usagef("it is one of "+strings.Join(allowed, ", "), "--%s %q is unknown", flag, *value)
		}
		if before != nil {
			return before(cmd, args)
		}
		return nil
	}
}

func printJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}
