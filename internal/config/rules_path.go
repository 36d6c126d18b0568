package config

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

// kvPath is a path that Vault's API and policies take literally.
func kvPath(text string) (string, string) {
	parts := strings.Split(text, "/")
	switch {
	case strings.ContainsAny(text, "*\"'`\\{}?#%"), slices.Contains(parts, "+"):
		return "has a character with a meaning of its own in a Vault policy or URL", "leave out * + { } \\ ? # % and quotes"
	case slices.ContainsFunc(parts, func(s string) bool { return s == "" || s == "." || s == ".." || s != strings.TrimSpace(s) }):
		return `has a part that is empty, "." or "..", or begins or ends with a space`, "write it without, and without a slash at either end"
	}
	return "", ""
}

// without is kvPath that does not begin with a part that secretctl adds.
func without(text, part string) (string, string) {
	if rest, found := strings.CutPrefix(text+"/", part+"/"); found && rest != "" {
		return "begins with " + part + "/, which secretctl adds itself", "leave out " + part + "/"
	}
	return kvPath(text)
}

// authMount is the mount of an auth method, without auth/.
func authMount(text string) (string, string) { return without(text, "auth") }

// kvMount is the mount of a KV engine, as "vault secrets list" shows it.
func kvMount(text string) (string, string) {
	parts := strings.Split(text, "/")
	if last := parts[len(parts)-1]; len(parts) > 1 && (last == "data" || last == "metadata") {
		return "ends with /" + last + ", which secretctl adds itself", "write the mount alone: leave out /" + last
	}
	return without(text, "v1")
}

// secretPath is the path of a secret below the mount of its KV engine.
func secretPath(mount string) rule {
	return func(text string) (string, string) {
		for _, part := range []string{mount + "/data", mount + "/metadata", mount, "data", "metadata"} {
			if rest, found := strings.CutPrefix(text+"/", part+"/"); found && rest != "" {
				return "has what secretctl adds itself", "write what follows vault.kvMount, without the mount, data/ or metadata/, such as aidbox/client"
			}
		}
		return kvPath(text)
	}
}

// tokenFolders are where Kubernetes and the workload identity webhook mount tokens. Both
// create folders there. If a read-only mount prevents that, the container does not start.
// /var/run is a link to /run.
var tokenFolders = []string{"/run/secrets", "/var/run/secrets"}

// systemFolders hold the programs of an image, or what they write.
var systemFolders = []string{
	"/app", "/bin", "/boot", "/home", "/lib", "/lib64", "/opt", "/root", "/sbin", "/srv", "/tmp", "/usr", "/var/lib", "/var/tmp",
}

// containerPath is a file or folder in the CSI provider's container.
func containerPath(text string) (string, string) {
	if !path.IsAbs(text) || path.Clean(text) != text || text == "/" {
		return "must be an absolute path", "write it as the CSI provider's pod has it, such as /vault/tls/ca.crt"
	}
	return "", ""
}

// mountPath is a folder of Aidbox's container that nothing else uses.
func mountPath(text string) (string, string) {
	const hint = "such as /run/vault-secrets"
	taken := path.Dir(VaultConfigFile)
	switch {
	case !path.IsAbs(text) || path.Clean(text) != text || text == "/" || strings.Contains(text, ":"):
		return "must be the absolute path of a folder", hint
	case overlap(text, taken):
		return fmt.Sprintf("overlaps with %s, where the vault config is mounted", taken), hint
	}
	for _, folder := range tokenFolders {
		if overlap(text, folder) {
			return fmt.Sprintf("overlaps with %s, where Kubernetes and workload identity mount tokens: the container would not start", folder), hint
		}
	}
	if slices.Contains(systemFolders, text) || within(text, "/proc") || within(text, "/sys") || within(text, "/dev") {
		return "hides a folder that the image itself needs", hint
	}
	return "", ""
}

// overlap reports whether one of two folders is the other, or in it.
func overlap(a, b string) bool { return within(a, b) || within(b, a) }

func within(folder, in string) bool { return folder == in || strings.HasPrefix(folder, in+"/") }
