package secret

import (
	"slices"
	"strings"
)

// inherited are the variables that any child process may have. Whatever else is in the
// environment, such as VAULT_TOKEN, is none of its business.
var inherited = []string{
	"PATH", "HOME", "USER", "LOGNAME", "TMPDIR", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TERM", "DISPLAY", "WAYLAND_DISPLAY", "BROWSER",
	"XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_RUNTIME_DIR", "DBUS_SESSION_BUS_ADDRESS",
	"USERPROFILE", "USERNAME", "APPDATA", "LOCALAPPDATA", "PROGRAMDATA", "PROGRAMFILES", "SYSTEMDRIVE", "SYSTEMROOT", "WINDIR", "COMSPEC", "TEMP", "TMP", "PATHEXT",
	"KUBECONFIG", "KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT",
	"HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "no_proxy", "all_proxy", "SSL_CERT_FILE", "SSL_CERT_DIR",
}

// ofClouds are what the login programs of clouds read besides: az, kubelogin, gcloud, aws.
var ofClouds = []string{
	"AZURE_", "AAD_", "AZD_", "IDENTITY_", "IMDS_ENDPOINT", "MSI_", "DEFAULT_IDENTITY_CLIENT_ID",
	"AWS_", "CLOUDSDK_", "GOOGLE_", "OCI_", "DIGITALOCEAN_", "ALIBABA_CLOUD_", "IBMCLOUD_", "TSH_", "TELEPORT_", "KUBELOGIN_",
	"ACTIONS_ID_TOKEN_REQUEST_TOKEN", "ACTIONS_ID_TOKEN_REQUEST_URL", // by which they log in as a GitHub workflow
}

// OfClouds returns the names of the variables that the login program of a cloud may
// have besides, to be given to [ChildEnv] or [Withheld].
func OfClouds() []string { return slices.Clone(ofClouds) }

// Inherited returns the names of the variables that any child process may have.
func Inherited() []string { return slices.Clone(inherited) }

// ChildEnv returns what a child process may have of an environment: what finds
// programs, home and terminal, the cluster, proxies and certificates, and what also
// names. A name that ends in "_" there stands for all that begin so.
func ChildEnv(environ []string, also ...string) []string {
	return slices.DeleteFunc(slices.Clone(environ), func(entry string) bool { return !childMayHave(entry, also) })
}

// Withheld returns the names of the variables that [ChildEnv] leaves out, for a child
// whose environment somebody else makes.
func Withheld(environ []string, also ...string) []string {
	var names []string
	for _, entry := range environ {
		if name, _, _ := strings.Cut(entry, "="); name != "" && !childMayHave(entry, also) {
			names = append(names, name)
		}
	}
	return names
}

func childMayHave(entry string, also []string) bool {
	name, _, _ := strings.Cut(entry, "=")
	known := func(other string) bool { return strings.EqualFold(name, other) } // Windows has "Path"
	return slices.ContainsFunc(inherited, known) || slices.ContainsFunc(also, func(other string) bool {
		return name == other || strings.HasSuffix(other, "_") && strings.HasPrefix(name, other)
	})
}

// ShellWord returns a word of a command as a POSIX shell reads it, for hints and dry runs.
func ShellWord(word string) string {
	const plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_=./:@%+,"
	if word != "" && strings.Trim(word, plain) == "" {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}
