package vault

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/hashicorp/hcl"
	"github.com/hashicorp/vault/api"

	"github.com/secretctl/secretctl/internal/hint"
	"github.com/secretctl/secretctl/internal/secret"
	"github.com/secretctl/secretctl/internal/store"
)

// findToken returns the given token, or the one that the vault command would use: that of
// VAULT_TOKEN, or of the token helper.
func findToken(given secret.Value) (secret.Value, error) {
	token := string(given.Reveal())
	if token == "" {
		token = os.Getenv(api.EnvVaultToken) //nolint:forbidigo // as the vault library does
	}
	if strings.TrimSpace(token) == "" {
		var err error
		if token, err = helperToken(); err != nil {
			return secret.Value{}, hint.Wrap(fmt.Errorf("token helper: %w", err), "fix the token helper of the vault command, or export VAULT_TOKEN")
		}
	}
	if token = strings.TrimSpace(token); token == "" {
		return secret.Value{}, store.ErrNoToken
	}
	return secret.New([]byte(token)), nil
}

// helperToken reads ~/.vault-token, or runs the program that ~/.vault names instead. It
// returns "" if there is no token.
func helperToken() (string, error) {
	home, err := os.UserHomeDir()
	if err != nil {
		return "", nil //nolint:nilerr // then there is no token
	}
	settings := os.Getenv(variableOfConfig) //nolint:forbidigo // as the vault command does
	if settings == "" {
		settings = filepath.Join(home, ".vault")
	}
	var cli struct {
		TokenHelper string `hcl:"token_helper"`
	}
	text, err := os.ReadFile(settings) //nolint:forbidigo // the home folder is the user's own
	if err == nil && hcl.Unmarshal(text, &cli) != nil {
		return "", fmt.Errorf("%s is not a configuration of the vault command", settings)
	}
	if cli.TokenHelper != "" {
		return runHelper(cli.TokenHelper)
	}
	token, err := os.ReadFile(filepath.Join(home, ".vault-token")) //nolint:forbidigo // the home folder is the user's own
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	return string(token), nil
}

// runHelper runs a token helper with the environment that every child gets, and how to
// reach Vault. It refuses a relative path: whoever can write to the working folder could
// choose the program.
func runHelper(program string) (string, error) {
	if !filepath.IsAbs(program) {
		return "", hint.Wrap(fmt.Errorf("%q is not an absolute path", program), "set token_helper to the absolute path of the program")
	}
	cmd := exec.CommandContext(context.Background(), program, "get") //nolint:forbidigo // its environment is below; it may wait for a person
	reach := []string{api.EnvVaultAddress, api.EnvVaultNamespace, api.EnvVaultCACert, api.EnvVaultCAPath, api.EnvVaultSkipVerify, api.EnvVaultTLSServerName}
	cmd.Env = secret.ChildEnv(os.Environ(), reach...) //nolint:forbidigo // a child inherits it
	token, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s get: %w", program, err)
	}
	return string(token), nil
}
