package vault

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/vault/api"

	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/hint"
	"github.com/secretctl/secretctl/internal/transport"
)

// ofLibrary are the variables that Vault's library and the configuration of its token helper
// need. Others that begin with VAULT_ are credentials of a pipeline, such as VAULT_ID_TOKEN.
var ofLibrary = []string{
	api.EnvVaultAddress, api.EnvVaultCACert, api.EnvVaultCACertBytes, api.EnvVaultCAPath, api.EnvVaultClientCert, api.EnvVaultClientKey,
	api.EnvVaultClientTimeout, api.EnvVaultHeaders, api.EnvVaultSRVLookup, api.EnvVaultSkipVerify, api.EnvVaultNamespace,
	api.EnvVaultTLSServerName, api.EnvVaultMaxRetries, api.EnvRateLimit, api.EnvHTTPProxy, api.EnvVaultProxyAddr,
	api.EnvVaultDisableRedirects, variableOfConfig,
}

// variableOfConfig names the configuration of the vault command.
const variableOfConfig = "VAULT_CONFIG_PATH"

// variables are those that Vault's library reads, and what they must be. The library's
// own errors quote values, which may be addresses with passwords.
var variables = []struct {
	names        []string
	check        func(value string) error
	reason, hint string
}{
	{
		[]string{api.EnvVaultCACert, api.EnvVaultCAPath, api.EnvVaultClientCert, api.EnvVaultClientKey},
		func(path string) error { _, err := os.Stat(path); return err },
		"names a file that cannot be read", "set it to the path of the file",
	},
	{
		[]string{api.EnvVaultMaxRetries},
		func(text string) error { _, err := strconv.ParseUint(text, 10, 31); return err },
		"must be a whole number", "set it to a number such as 2",
	},
	{[]string{api.EnvVaultClientTimeout}, checkTimeout, "must be a duration such as 60s", "set it to a number with a unit"},
	{
		[]string{api.EnvVaultSkipVerify, api.EnvVaultDisableRedirects},
		func(text string) error { _, err := strconv.ParseBool(text); return err },
		"must be true or false", "set it to one of them",
	},
	{
		[]string{api.EnvVaultProxyAddr, api.EnvHTTPProxy},
		func(text string) error { return transport.CheckAddress("", text, true) },
		"must be an http or https URL", "set it to http://host:port",
	},
}

// checkTimeout accepts a duration or a number of seconds.
func checkTimeout(text string) error {
	if _, err := strconv.Atoi(text); err == nil {
		return nil
	}
	_, err := time.ParseDuration(text)
	return err
}

// badEnvironment names the variable that keeps Vault's library from starting.
func badEnvironment() error {
	for _, v := range variables {
		for _, name := range v.names {
			if value := os.Getenv(name); value != "" && v.check(value) != nil { //nolint:forbidigo // as the vault library does
				return hint.Usage(v.hint+", or unset the variable", "%s %s", name, v.reason)
			}
		}
	}
	return hint.Usage("VAULT_CLIENT_CERT needs VAULT_CLIENT_KEY; VAULT_CACERT is a CA in PEM; VAULT_RATE_LIMIT is a number",
		"the VAULT_ variables of the environment do not fit together")
}

// followEnvironment has the pod use the namespace that secretctl uses.
func followEnvironment(d *config.Delivery, lookup func(string) (string, bool)) (warnings []string) {
	if namespace, _ := lookup(api.EnvVaultNamespace); d.Vault.Namespace == "" {
		d.Vault.Namespace = strings.Trim(namespace, "/")
	}
	value, _ := lookup(api.EnvVaultSkipVerify)
	if skips, _ := strconv.ParseBool(value); skips && strings.HasPrefix(d.Vault.Address, "https://") {
		warnings = append(warnings, fmt.Sprintf("%s skips TLS verification of %s: whoever is in between can read tokens and values; set VAULT_CACERT to the CA instead",
			api.EnvVaultSkipVerify, d.Vault.Address))
	}
	return warnings
}
