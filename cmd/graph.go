package cmd

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/secretctl/secretctl/internal/atomicfile"
	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/graph"
	"github.com/secretctl/secretctl/internal/hint"
	"github.com/secretctl/secretctl/internal/report"
	"github.com/secretctl/secretctl/internal/verify"
)

func newGraph(a *app) *cobra.Command {
	var output, reportFile string
	cmd := &cobra.Command{
		Use:   "graph",
		Short: "Draw each secret's path",
		Long: `Draws each secret's path through the config: store, SecretProviderClass, mounted
file, vault config entry, and the field of the resource that refers to it. The output
is for Mermaid, which GitHub, GitLab and many editors show, or for Graphviz. Needs no
network.

With --report, each part has the status of its checks. Mermaid draws at most 500
arrows by default: draw one --delivery, or use Graphviz.

` + exitCodes("the graph was printed", "", ""),
		Example: `  # Print a Mermaid diagram
  secretctl graph

  # Draw an image with Graphviz
  secretctl graph -o dot | dot -Tsvg > secrets.svg

  # Show the results of the checks in the diagram
  secretctl verify --json-file report.json
  secretctl graph --report report.json`,
		Args: noArguments,
		RunE: a.run(func(context.Context, []string) error { return a.graph(output, reportFile) }),
	}
	cmd.Flags().StringVar(&reportFile, "report", "", "show the results of a report that --json-file wrote")
	addOutput(cmd, &output, graph.Formats()...)
	return cmd
}

func (a *app) graph(output, reportFile string) error {
	all, err := a.deliveries()
	if err != nil {
		return err
	}
	var drawn []graph.Delivery
	for _, d := range all {
		drawn = append(drawn, graph.Delivery{Delivery: d, Store: a.provider(d)})
	}
	var outcome *report.Report
	if reportFile != "" {
		if outcome, err = readReport(reportFile, all); err != nil {
			return hint.Usage("write one with: secretctl verify --json-file report.json", "report %s: %w", reportFile, err)
		}
	}
	return graph.Write(a.Out, output, drawn, outcome)
}

// readReport reads a report, and refuses one that has no results of the deliveries.
func readReport(file string, all []*config.Delivery) (*report.Report, error) {
	text, err := atomicfile.Read(file)
	if err != nil {
		return nil, atomicfile.Reason(err)
	}
	r, err := report.Read(bytes.NewReader(text))
	if err != nil {
		return nil, err
	}
	for _, d := range all {
		if slices.ContainsFunc(r.Deliveries, func(in verify.DeliveryReport) bool { return in.Name == d.Name }) {
			return &r, nil
		}
	}
	if r.Error != nil {
		return nil, errors.New("its checks did not start")
	}
	return nil, fmt.Errorf("nothing in it is about %s", names(all))
}
