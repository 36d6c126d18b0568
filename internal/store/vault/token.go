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

// findToken returns the given token, or the one that the vault command would use:
// VAULT_TOKEN, else what its token helper has kept since the last login.
func findToken(given secret.Value) (secret.Value, error) {
	token := string(given.Reveal())
	if token == "" {
		token = os.Getenv(api.EnvVaultToken) //nolint:forbidigo // as the vault library does
	}
	if strings.TrimSpace(token) == "" {
		var err error
		if token, err = helpedToken(); err != nil {
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
func helpedToken() (string, error) {
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
	text, err := os.ReadFile(settings) //nolint:forbidigo // the home folder is the user's own
	if err == nil && hcl.Unmarshal(text, &cli) != nil {
		return "", fmt.Errorf("%s is no configuration of the vault command", settings)
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

// runHelper gives the program what any child may have, and how Vault is reached. Its
// path is absolute: else whoever writes to the working folder would run as the user.
func runHelper(program string) (string, error) {
	if !filepath.IsAbs(program) {
		return "", hint.Wrap(fmt.Errorf("%q is not an absolute path", program), "write the whole path of the program into token_helper")
	}
	cmd := exec.CommandContext(context.Background(), program, "get") //nolint:forbidigo // its environment is below; it may ask a person, who takes time
	reach := []string{api.EnvVaultAddress, api.EnvVaultNamespace, api.EnvVaultCACert, api.EnvVaultCAPath, api.EnvVaultSkipVerify, api.EnvVaultTLSServerName}
	cmd.Env = secret.ChildEnv(os.Environ(), reach...) //nolint:forbidigo // a child inherits it
	token, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s get: %w", program, err)
	}
	return string(token), nil
}
