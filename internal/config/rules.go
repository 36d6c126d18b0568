package config

import (
	"cmp"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/util/validation"
)

// A rule returns what is wrong with a text and what to write instead, or "". It never
// quotes the text.
type rule func(text string) (message, hint string)

// check reports what is wrong with the text at p. Defaults need no check: they follow
// from texts that have one.
func (p *place) check(text string, r rule) (ok bool) {
	if p.node == nil || text == "" {
		return true
	}
	message, hint := r(text)
	if message != "" {
		p.report(message, hint)
	}
	return message == ""
}

// written is a key of a mapping, its text and its rule.
type written struct {
	key, text string
	rule      rule
}

func (p *place) checkAll(all []written) {
	for _, w := range all {
		p.key(w.key).check(w.text, w.rule)
	}
}

// require is check for text that has no default.
func (p *place) require(text string, r rule) (ok bool) {
	if text == "" {
		_, hint := r("")
		p.report("is missing", hint)
		return false
	}
	return p.check(text, r)
}

func matching(ok func(string) bool, message, hint string) rule {
	return func(text string) (string, string) {
		if ok(text) {
			return "", ""
		}
		return message, hint
	}
}

// like compiles its pattern when it is first used: a run uses few of them.
func like(pattern, message, hint string) rule {
	compiled := sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^(?:` + pattern + `)$`) })
	return matching(func(text string) bool { return compiled().MatchString(text) }, message, hint)
}

func oneOf(choices ...string) rule {
	all := strings.Join(choices, ", ")
	return func(text string) (string, string) {
		if slices.Contains(choices, text) {
			return "", ""
		}
		if text == "" {
			return "is missing", "available: " + all
		}
		return "must be one of: " + all, cmp.Or(didYouMean(text, choices), "docs/config.md explains each")
	}
}

var (
	dnsLabel = matching(func(s string) bool { return len(validation.IsDNS1123Label(s)) == 0 },
		"must be a DNS label", "use up to 63 of a-z, 0-9 and -, with no - at either end")
	dnsName = matching(func(s string) bool { return len(validation.IsDNS1123Subdomain(s)) == 0 },
		"must be a DNS name", "use up to 253 of a-z, 0-9, - and .; each part must begin and end with a letter or digit")
	helmKey  = like(`[\w-]+(\.[\w-]+)*`, "must be a key of Helm values", "such as aidbox-admin; for a chart in a chart, with a dot between the two")
	fileName = matching(func(s string) bool { return len(validation.IsConfigMapKey(s)) == 0 },
		"must be a file name", `at most 253 of A-Z, a-z, 0-9, -, _ and ., not "." and not beginning with ".."`)
	fhirID     = like(`[A-Za-z0-9._-]{1,64}`, "must be an id", "use 1 to 64 of A-Z, a-z, 0-9, -, _ and .")
	uuid       = like(`[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}`, "must be a UUID", "such as 00000000-0000-0000-0000-000000000000")
	serverName = like(`[A-Za-z0-9:]([A-Za-z0-9.:-]*[A-Za-z0-9])?`, "must be the name of a server", "as in its certificate, such as vault.example.com")
	variable   = like(`[A-Za-z_][A-Za-z0-9_]*`, "must be the name of an environment variable", "write the variable's name, not its value")
	image      = like(`[A-Za-z0-9][-\w./:@]*`, "must be the name of an image", "such as healthsamurai/aidboxone:2602")
)

func address(text string) (string, string) {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Hostname() == "" || (u.Scheme != "http" && u.Scheme != "https"):
		return "must be an http or https URL", "write it as https://host:port"
	case u.Port() != "" && !isPort(u.Port()):
		return "has an invalid port", "write it as https://host:port, with a port from 1 to 65535"
	case u.User != nil:
		return "has credentials in the address", "leave them out: credentials have settings of their own"
	case u.RawQuery != "" || u.Fragment != "" || strings.ContainsAny(text, "?# "):
		return "has a query or fragment in the address", "write it as https://host:port"
	}
	return "", ""
}

// addressWithout is an address without the part of the path that secretctl adds.
func addressWithout(part string) rule {
	return func(text string) (string, string) {
		if message, hint := address(text); message != "" {
			return message, hint
		}
		u, _ := url.Parse(text)
		if strings.Contains(path.Clean(u.Path)+"/", part+"/") {
			return "has " + part + " in the address, which secretctl adds itself", "leave out " + part + " and what follows"
		}
		return "", ""
	}
}

// aidboxAddress is an address, or names a Service of the cluster.
func aidboxAddress(text string) (string, string) {
	name, port, ok := Aidbox{URL: text}.Service()
	switch {
	case !ok:
		message, hint := addressWithout("/fhir")(text)
		return message, hint + ", or service, service/NAME or service/NAME:PORT for one in the cluster"
	case text == aidboxService:
		return "", ""
	case len(validation.IsDNS1035Label(name)) > 0:
		return "does not name a Service", "write service/NAME or service/NAME:PORT"
	case strings.HasSuffix(text, ":"), port != "" && !isPort(port):
		return "has an invalid port", "write service/NAME:PORT with the port's number or name"
	}
	return "", ""
}

// workloadName is a name that Kubernetes also uses in labels. To that of a StatefulSet it
// appends a hash.
func workloadName(kind string) rule {
	if kind == KindStatefulSet { // its pods have host names that begin with it
		return matching(func(s string) bool { return len(s) <= 52 && len(validation.IsDNS1123Label(s)) == 0 },
			"must be the name of a StatefulSet", "use up to 52 of a-z, 0-9 and -, with no - at either end")
	}
	return matching(func(s string) bool { return len(s) <= 63 && len(validation.IsDNS1123Subdomain(s)) == 0 },
		"must be the name of a "+kind, "use up to 63 of a-z, 0-9, - and .; each part must begin and end with a letter or digit")
}

func isPort(text string) bool {
	number, err := strconv.Atoi(text)
	if err != nil {
		return len(validation.IsValidPortName(text)) == 0
	}
	return len(validation.IsValidPortNum(number)) == 0
}

func duration(text string) (string, string) {
	d, err := time.ParseDuration(text)
	if err != nil || d < time.Minute {
		return "must be a duration of at least a minute", "write it with its unit, such as 1h or 30m"
	}
	return "", ""
}

func probe(text string) (string, string) {
	if !strings.HasPrefix(text, "/") || strings.HasPrefix(text, "//") || strings.ContainsAny(text, "# ") {
		return "must be the path of a request", "such as /fhir/Patient"
	}
	return "", ""
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

var lifetime = matching(func(s string) bool { _, ok := parseLifetime(s); return ok }, "must be a number of days or hours", "write it with its unit, such as 90d or 12h")
