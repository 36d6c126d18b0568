package vault

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hashicorp/hcl"
	"github.com/hashicorp/vault/api"

	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/hint"
	"github.com/secretctl/secretctl/internal/secret"
	"github.com/secretctl/secretctl/internal/store"
)

// findToken returns the given token, or the one that the vault command would use:
// VAULT_TOKEN, else what its token helper has kept since the last login.
func findToken(d *config.Delivery, given secret.Value) (secret.Value, error) {
	token := string(given.Reveal())
	if token == "" {
		token = os.Getenv(api.EnvVaultToken) //nolint:forbidigo // as the vault library does
	}
	if strings.TrimSpace(token) == "" {
		var err error
		if token, err = helpedToken(d); err != nil {
			return secret.Value{}, fmt.Errorf("vault: token helper: %w", err)
		}
	}
	if token = strings.TrimSpace(token); token == "" {
		return secret.Value{}, hint.Wrap(fmt.Errorf("vault: %w", store.ErrNoToken), "export VAULT_TOKEN, or run: vault login")
	}
	return secret.New([]byte(token)), nil
}

// helpedToken reads ~/.vault-token, or runs the program that ~/.vault names in
// its place. No token is no error.
func helpedToken(d *config.Delivery) (string, error) {
	home, err := os.UserHomeDir()
	if err != nil {
		return "", nil //nolint:nilerr // without a home there is no token in it
	}
	settings := os.Getenv("VAULT_CONFIG_PATH") //nolint:forbidigo // as the vault command does
	if settings == "" {
		settings = filepath.Join(home, ".vault")
	}
	var cli struct {
		TokenHelper string `hcl:"token_helper"`
	}
	text, err := os.ReadFile(settings)
	if err == nil && hcl.Unmarshal(text, &cli) != nil {
		return "", fmt.Errorf("%s is no configuration of the vault command", settings)
	}
	if cli.TokenHelper != "" {
		return runHelper(cli.TokenHelper, d)
	}
	token, err := os.ReadFile(filepath.Join(home, ".vault-token"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	return string(token), nil
}

// runHelper keeps from the program what it has no need of: the variables that
// hold the delivery's secrets.
func runHelper(program string, d *config.Delivery) (string, error) {
	private := []string{d.Aidbox.Admin.Secret.Env}
	for _, s := range d.Secrets {
		private = append(private, s.Value.Env)
	}
	program, err := filepath.Abs(program)
	if err != nil {
		return "", err
	}
	cmd := exec.CommandContext(context.Background(), program, "get")    // it may ask a person, who takes time
	cmd.Env = slices.DeleteFunc(os.Environ(), func(entry string) bool { //nolint:forbidigo // a child inherits it
		name, _, _ := strings.Cut(entry, "=")
		return slices.Contains(private, name)
	})
	token, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s get: %w", program, err)
	}
	return string(token), nil
}
