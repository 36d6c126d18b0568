package secret

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"unicode"
)

// inherited are the variables that any child process gets. It does not get others, such
// as VAULT_TOKEN.
var inherited = []string{
	"PATH", "HOME", "USER", "LOGNAME", "TMPDIR", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TERM", "DISPLAY", "WAYLAND_DISPLAY", "BROWSER",
	"XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_RUNTIME_DIR", "DBUS_SESSION_BUS_ADDRESS",
	"USERPROFILE", "USERNAME", "APPDATA", "LOCALAPPDATA", "PROGRAMDATA", "PROGRAMFILES", "SYSTEMDRIVE", "SYSTEMROOT", "WINDIR", "COMSPEC", "TEMP", "TMP", "PATHEXT",
	"KUBECONFIG", "KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT",
	"HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "no_proxy", "all_proxy", "SSL_CERT_FILE", "SSL_CERT_DIR",
}

// ofClouds are the variables that the login programs of clouds read too: az, kubelogin,
// gcloud, aws.
var ofClouds = []string{
	"AZURE_", "AAD_", "AZD_", "IDENTITY_", "IMDS_ENDPOINT", "MSI_", "DEFAULT_IDENTITY_CLIENT_ID",
	"AWS_", "CLOUDSDK_", "GOOGLE_", "OCI_", "DIGITALOCEAN_", "ALIBABA_CLOUD_", "IBMCLOUD_", "TSH_", "TELEPORT_", "KUBELOGIN_",
	"ACTIONS_ID_TOKEN_REQUEST_TOKEN", "ACTIONS_ID_TOKEN_REQUEST_URL", // for the login as a GitHub workflow
}

// OfClouds returns the variables that the login program of a cloud gets too, for
// [ChildEnv] or [Withheld].
func OfClouds() []string { return slices.Clone(ofClouds) }

// Inherited returns the names of the variables that any child process gets.
func Inherited() []string { return slices.Clone(inherited) }

// ChildEnv returns the part of an environment that a child process gets: what finds
// programs, home and terminal, the cluster, proxies and certificates, and the variables
// in also. A name there that ends in "_" stands for all that begin with it.
func ChildEnv(environ []string, also ...string) []string {
	return slices.DeleteFunc(slices.Clone(environ), func(entry string) bool { return !childMayHave(entry, also) })
}

// Withheld returns the names of the variables that [ChildEnv] leaves out, for a child
// that a library starts with the whole environment.
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

// Credentials returns the values in the part of an environment that [ChildEnv] keeps that
// are secret: a child may print them.
func Credentials(environ []string, also ...string) []Value {
	var all []Value
	for _, entry := range environ {
		if name, value, _ := strings.Cut(entry, "="); childMayHave(entry, also) {
			for _, text := range CredentialsIn(name, value) {
				all = append(all, New([]byte(text)))
			}
		}
	}
	return all
}

// CredentialsIn returns what is secret in a setting: what [Credential] returns, and the members
// of a JSON object and the parts of a connection string whose names say so, as in
// AZURE_CREDENTIALS and AZURE_STORAGE_CONNECTION_STRING.
func CredentialsIn(name, value string) []string {
	all := []string{Credential(name, value)}
	var members map[string]any
	_ = json.Unmarshal([]byte(value), &members) // most settings are not JSON
	for _, name := range slices.Sorted(maps.Keys(members)) {
		if text, ok := members[name].(string); ok {
			all = append(all, Credential(name, text))
		}
	}
	if members == nil && strings.Contains(value, ";") {
		for part := range strings.SplitSeq(value, ";") {
			name, text, _ := strings.Cut(part, "=")
			all = append(all, Credential(name, text))
		}
	}
	return slices.DeleteFunc(all, func(text string) bool { return text == "" })
}

// Credential returns what is secret in a setting: the password in an address, or all of it
// if its name says so, as AWS_SECRET_ACCESS_KEY and --client-secret do; else "".
func Credential(name, value string) string {
	address := value
	if !strings.Contains(address, "://") { // as proxies may be written
		address = "//" + address
	}
	if u, err := url.Parse(address); err == nil {
		if password, _ := u.User.Password(); password != "" {
			return password
		}
	}
	if secretName.MatchString(name) && !publicName.MatchString(name) {
		return value
	}
	return ""
}

// HasPassword reports whether a text is an address with a password.
func HasPassword(text string) bool {
	return strings.Contains(text, "://") && Credential("", text) != ""
}

// LooksRandom reports whether a setting looks like a password or a token, whatever its name
// is: it has at least 16 letters and digits in a row, of both kinds, or marks among them that
// names do not have. A region, profile, path, address or ID of Azure does not.
func LooksRandom(name, value string) bool {
	if publicName.MatchString(name) || strings.ContainsAny(value, ` \`) || strings.Contains(value, "://") || strings.IndexAny(value, "/.~$") == 0 {
		return false
	}
	if strings.ContainsAny(value, "!#$%^&*?<>|") {
		return len(value) >= gramLength && mixed(value)
	}
	return slices.ContainsFunc(runs.FindAllString(value, -1), mixed)
}

func mixed(text string) bool {
	return strings.ContainsAny(text, "0123456789") && strings.ContainsFunc(text, unicode.IsLetter)
}

var (
	secretName = regexp.MustCompile(`(?i)secret|passw(or)?d|passphrase|(token|key|key.?content|signature|(^|_)pat)$`)
	publicName = regexp.MustCompile(`(?i)(^|[-_])(name|file|path|dir|id|ur[il]|arn)$`)
	runs       = regexp.MustCompile(`[A-Za-z0-9]{16,}`)
)

// ShellWord returns a word of a command as a POSIX shell reads it, for hints and dry runs.
// It has no invisible characters: cleaning the text later would remove an escape together
// with the quote after it.
func ShellWord(word string) string {
	word = blank(colorless(word), "")
	const plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_=./:@%+,"
	if word != "" && strings.Trim(word, plain) == "" {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}

// ShellWords joins words, each as [ShellWord] returns it.
func ShellWords(words []string, separator string) string {
	out := make([]string, len(words))
	for i, word := range words {
		out[i] = ShellWord(word)
	}
	return strings.Join(out, separator)
}

// Shellf is [fmt.Sprintf] for text with a command, such as a hint, in which each argument
// is part of a word: what a server named becomes no flag and no command of its own.
func Shellf(format string, args ...any) string {
	for i, arg := range args {
		word := fmt.Sprint(arg)
		if strings.HasPrefix(word, "-") {
			word = "./" + word
		}
		args[i] = ShellWord(word)
	}
	return fmt.Sprintf(format, args...)
}
