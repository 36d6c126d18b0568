package cmd

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"
	yaml "go.yaml.in/yaml/v3"

	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/hint"
	"github.com/secretctl/secretctl/internal/verify"
)

func newConfig(a *app) *cobra.Command {
	return newGroup("config", "Validate and show the config file", `One YAML file, secretctl.yaml, describes what is delivered. -c or SECRETCTL_CONFIG
names another file, or a folder of them. Several documents in a file, or several
files, are several deliveries: commands act on all of them, or on --delivery NAME.

  apiVersion: secretctl.dev/v1
  provider: vault
  vault:
    address: https://vault.example.com:8200
  secrets:
    - name: client-secret
      scope: [Client/basic]
      value: {generate: {length: 32}}
  resources:
    - type: Client
      id: basic
      secrets: {secret: client-secret}
      body: {grant_types: [client_credentials]}

secretctl init writes a file to begin with. Every key is explained at
https://github.com/secretctl/secretctl/blob/main/docs/config.md`,
		`  # Check the config
  secretctl config validate

  # Show it with the defaults filled in
  secretctl config view`,
		newConfigValidate(a), newConfigView(a), newSchema(a))
}

func newConfigValidate(a *app) *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:   "validate",
		Short: "Check the config file",
		Long: `Checks the config without asking any server, and lists every mistake in it with its
file and line. Every other command does so before it begins.

` + exitCodes("the config is valid", "", ""),
		Example: `  # Check ./secretctl.yaml
  secretctl config validate

  # Check every config file of a folder, and report as JSON
  secretctl config validate -c deliveries -o json`,
		Args: noArguments,
		RunE: a.run(func(context.Context, []string) error { return a.validateConfig(output) }),
	}
	addOutput(cmd, &output, "text", "json")
	return cmd
}

// configReport is the JSON output of config validate, documented in docs/json.md.
type configReport struct {
	SchemaVersion int              `json:"schemaVersion"`
	Valid         bool             `json:"valid"`
	Deliveries    []string         `json:"deliveries"`
	Problems      []config.Problem `json:"problems"`
	Error         *hint.Problem    `json:"error,omitempty"`
}

func (a *app) validateConfig(output string) error {
	all, err := a.deliveries()
	if output == "json" {
		r := configReport{SchemaVersion: 1, Valid: err == nil, Deliveries: []string{}, Problems: []config.Problem{}, Error: a.problem(err)}
		for _, d := range all {
			r.Deliveries = append(r.Deliveries, d.Name)
		}
		if invalid, ok := errors.AsType[*config.Error](err); ok {
			r.Problems = invalid.Problems
		}
		return join(err, a.printJSON(r))
	}
	if err != nil {
		return err
	}
	secrets, resources := 0, 0
	for _, d := range all {
		secrets, resources = secrets+len(d.Secrets), resources+len(d.Resources)
	}
	deliveries := verify.Count(len(all), "delivery")
	if len(all) != 1 {
		deliveries = fmt.Sprintf("%d deliveries", len(all))
	}
	_, err = fmt.Fprintf(a.Out, "%s is valid: %s, %s, %s\n", a.clean(a.config), deliveries, verify.Count(secrets, "secret"), verify.Count(resources, "resource"))
	return err
}

// viewReport is the JSON output of config view, documented in docs/json.md.
type viewReport struct {
	SchemaVersion int   `json:"schemaVersion"`
	Deliveries    []any `json:"deliveries"`
}

func newConfigView(a *app) *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:   "view",
		Short: "Show the config with its defaults filled in",
		Long: `Prints the config in effect, with the defaults filled in. A comment says where each
setting comes from: the file and line, a flag, an environment variable, or a default.
It does not show the values of Aidbox's environment variables, nor literal secrets in
the body of a resource.

` + exitCodes("the config was printed", "", ""),
		Example: `  # Show every delivery
  secretctl config view

  # Show one of them, as JSON
  secretctl config view --delivery aidbox -o json`,
		Args: noArguments,
		RunE: a.run(func(context.Context, []string) error {
			if _, err := a.deliveries(); err != nil { // which knows --delivery
				return err
			}
			text, err := config.View(a.config, func(d *config.Delivery) bool {
				a.override(d)
				return a.delivery == "" || a.delivery == d.Name
			}, a.sanitizer.Repeats)
			if err != nil {
				return err
			}
			if output == "json" {
				return a.printView(text)
			}
			_, err = a.Out.Write(text)
			return err
		}),
	}
	addOutput(cmd, &output, "yaml", "json")
	return cmd
}

// printView prints as JSON what [config.View] returned.
func (a *app) printView(text []byte) error {
	r := viewReport{1, []any{}}
	for dec := yaml.NewDecoder(bytes.NewReader(text)); ; {
		var d any
		switch err := dec.Decode(&d); {
		case errors.Is(err, io.EOF):
			return a.printJSON(r)
		case err != nil:
			return err
		}
		r.Deliveries = append(r.Deliveries, d)
	}
}
