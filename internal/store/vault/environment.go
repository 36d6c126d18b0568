package vault

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/vault/api"

	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/transport"
)

// environmentError is a variable that Vault's library cannot use.
type environmentError struct{ variable, reason, hint string }

func (e *environmentError) Error() string { return e.variable + " " + e.reason }
func (e *environmentError) Hint() string  { return e.hint }
func (*environmentError) Usage() bool     { return true }

// settings are the variables that Vault's library reads, with what it takes. What it
// says of others quotes their values, which may be addresses with passwords.
var settings = []struct {
	names        []string
	takes        func(value string) bool
	reason, hint string
}{
	{[]string{api.EnvVaultCACert, api.EnvVaultCAPath, api.EnvVaultClientCert, api.EnvVaultClientKey}, readable, "names a file that cannot be read", "give its path, or unset the variable"},
	{[]string{api.EnvVaultMaxRetries}, isNumber, "must be a whole number", "such as 2; secretctl has its own number of retries: unset the variable"},
	{[]string{api.EnvVaultClientTimeout}, isDuration, "must be a duration such as 60s", "write it with a unit, or unset the variable"},
	{[]string{api.EnvVaultSkipVerify, api.EnvVaultDisableRedirects}, isBool, "must be true or false", "write one of them, or unset the variable"},
	{[]string{api.EnvVaultProxyAddr, api.EnvHTTPProxy}, isAddress, "must be an http or https URL", "write it as http://host:port, or unset the variable"},
}

// badEnvironment names the variable that keeps Vault's library from starting.
func badEnvironment() error {
	for _, s := range settings {
		for _, name := range s.names {
			if value := os.Getenv(name); value != "" && !s.takes(value) { //nolint:forbidigo // as the vault library does
				return &environmentError{name, s.reason, s.hint}
			}
		}
	}
	return &environmentError{"the environment", "has VAULT_ variables that do not fit together", "VAULT_CLIENT_CERT goes with VAULT_CLIENT_KEY; VAULT_CACERT is a CA in PEM; VAULT_RATE_LIMIT is a number"}
}

// followEnvironment has the pod look in the namespace where secretctl does.
func followEnvironment(d *config.Delivery, lookup func(string) (string, bool)) (warnings []string) {
	if namespace, _ := lookup(api.EnvVaultNamespace); d.Vault.Namespace == "" {
		d.Vault.Namespace = strings.Trim(namespace, "/")
	}
	value, _ := lookup(api.EnvVaultSkipVerify)
	if skips, _ := strconv.ParseBool(value); skips && strings.HasPrefix(d.Vault.Address, "https://") {
		warnings = append(warnings, fmt.Sprintf("%s skips TLS verification of %s: whoever is in between reads tokens and values; set VAULT_CACERT to the CA instead",
			api.EnvVaultSkipVerify, d.Vault.Address))
	}
	return warnings
}

func readable(path string) bool {
	_, err := os.Stat(path)
	return !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrPermission)
}

func isNumber(text string) bool {
	_, err := strconv.ParseUint(text, 10, 31)
	return err == nil
}

func isBool(text string) bool {
	_, err := strconv.ParseBool(text)
	return err == nil
}

func isDuration(text string) bool {
	_, err := time.ParseDuration(text)
	_, seconds := strconv.Atoi(text)
	return err == nil || seconds == nil
}

func isAddress(text string) bool { return transport.CheckAddress("", text, true) == nil }
