package config

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// KeyVaults returns the Key Vaults that hold the secrets, in the order of the
// secrets, each once. Key Vault ignores the case of their names.
func (d *Delivery) KeyVaults() []string {
	var vaults []string
	for _, s := range d.Secrets {
		name := cmp.Or(s.KeyVault, d.Azure.KeyVault)
		if !slices.ContainsFunc(vaults, func(v string) bool { return strings.EqualFold(v, name) }) {
			vaults = append(vaults, name)
		}
	}
	return vaults
}

// VaultSuffix is what tells the folder and the object of a Key Vault from those of
// the delivery's own, for which it is "".
func (d *Delivery) VaultSuffix(keyVault string) string {
	if keyVault == "" || strings.EqualFold(keyVault, d.Azure.KeyVault) {
		return ""
	}
	return "-" + strings.ToLower(keyVault)
}

// MountFolder returns the folder of the container that has a secret's file. A
// mount has the secrets of one Key Vault, so those of another than the delivery's
// have a folder beside mountPath.
func (d *Delivery) MountFolder(s Secret) string { return d.MountPath + d.VaultSuffix(s.KeyVault) }

// ClassName returns the name of the rendered SecretProviderClass for a Key Vault.
func (d *Delivery) ClassName(keyVault string) string {
	return d.SecretProviderClassName() + d.VaultSuffix(keyVault)
}

// ManagedIdentityName returns the name of the identity that provisioning makes for
// workload identity where the config names none.
func (d *Delivery) ManagedIdentityName() string { return d.Name + "-azure-secrets" }

// Subject returns the ServiceAccount as tokens name it.
func (d *Delivery) Subject() string {
	return "system:serviceaccount:" + d.Namespace + ":" + d.Aidbox.ServiceAccount
}

// Lifetime returns how long after it was made a version of the secret expires; 0
// for never.
func (s Secret) Lifetime() time.Duration {
	lifetime, _ := parseLifetime(s.ExpiresIn)
	return lifetime
}

// parseLifetime reads "90d" or "12h".
func parseLifetime(text string) (lifetime time.Duration, ok bool) {
	number, isDays := strings.CutSuffix(text, "d")
	number, isHours := strings.CutSuffix(number, "h")
	n, err := strconv.Atoi(number)
	if isDays == isHours || err != nil || n < 1 || n > 36500 {
		return 0, false
	}
	if isDays {
		n *= 24
	}
	return time.Duration(n) * time.Hour, true
}
