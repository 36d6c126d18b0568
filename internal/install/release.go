package install

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/secret"
	"github.com/secretctl/secretctl/internal/store"
)

// The driver's chart, at the version that secretctl was made for: what it knows of
// rotation was measured with it.
const (
	driverChart   = "secrets-store-csi-driver"
	driverRepo    = "https://kubernetes-sigs.github.io/secrets-store-csi-driver/charts"
	driverVersion = "1.6.0" // released 2026-04-29
)

const (
	systemNamespace = "kube-system"
	defaultInterval = 30 * time.Second
)

// Options are what the config does not say.
type Options struct {
	// PollInterval is how old a mount is at least when the driver fetches again.
	// 0 is 30 s where the driver is new, and leaves it alone where it is not.
	PollInterval time.Duration
	// Dev also installs a server for trying things out, where the provider's chart has
	// one.
	Dev bool
	// Namespace is where the release of a chart goes that says nothing of it.
	Namespace string
}

// Release is a chart that has to be in the cluster, and what has to hold of it.
type Release struct {
	store.Chart

	phase     string            // what it is called in a plan
	need      []store.Parameter // it is upgraded where one of these does not hold
	audiences []string          // of the tokens that kubelet hands to the driver
}

// assign writes a value of a chart as --set takes it.
func assign(p store.Parameter) string { return p.Name + "=" + p.Value }

// Releases returns what deliveries need, in the order of installation: the driver, and
// the providers of their stores.
func Releases(providers []store.Provider, deliveries []*config.Delivery, o Options) []Release {
	of := driver(o.PollInterval)
	var releases []Release
	for _, p := range providers {
		uses := false
		for _, d := range deliveries {
			if d.Provider == p.Name {
				uses = true
				of.audiences = append(of.audiences, p.TokenRequests(d)...)
			}
		}
		if uses {
			releases = append(releases, provider(p, o))
		}
	}
	slices.Sort(of.audiences)
	of.audiences = slices.Compact(of.audiences)
	return append([]Release{of}, releases...)
}

func driver(interval time.Duration) Release {
	r := Release{
		phase: "driver", need: []store.Parameter{{Name: "enableSecretRotation", Value: "true"}},
		Chart: store.Chart{Release: "csi", Namespace: systemNamespace, Name: driverChart, Repo: driverRepo, Version: driverVersion, Alone: true},
	}
	if interval == 0 {
		r.Fresh = []store.Parameter{{Name: intervalKey, Value: defaultInterval.String()}}
	} else {
		r.need = append(r.need, store.Parameter{Name: intervalKey, Value: interval.String()})
	}
	return r
}

func provider(p store.Provider, o Options) Release {
	r := Release{phase: p.Name, Chart: p.Chart}
	r.Namespace = cmp.Or(r.Namespace, o.Namespace)
	if o.Dev && r.Dev != nil {
		r.Needs, r.Fresh = r.Dev.Needs, r.Dev.Fresh
	}
	return r
}

const (
	intervalKey = "rotationPollInterval"
	tokensKey   = "tokenRequests"
)

// tokenRequest is an item of the driver chart's value of that name.
type tokenRequest struct {
	Audience          string `json:"audience"`
	ExpirationSeconds *int64 `json:"expirationSeconds,omitempty"`
}

// createArgs are the arguments of helm that install the release where there is none.
func (r Release) createArgs() []string {
	var requests []tokenRequest
	for _, audience := range r.audiences {
		requests = append(requests, tokenRequest{Audience: audience})
	}
	args := r.upgrade(r.Chart.Release, r.Namespace, r.Version)
	if r.Namespace != systemNamespace && r.Namespace != "default" {
		args = append(args, "--create-namespace")
	}
	return append(args, setArgs(slices.Concat(r.need, r.Needs, r.Fresh), requests)...)
}

func (r Release) upgrade(name, namespace, version string) []string {
	return []string{"upgrade", "--install", name, r.Name, "--repo", r.Repo, "--version", version, "--namespace", namespace}
}

func setArgs(settings []store.Parameter, requests []tokenRequest) []string {
	var args []string
	for _, s := range settings {
		args = append(args, "--set", assign(s))
	}
	if len(requests) > 0 {
		text, _ := json.Marshal(requests) // text and numbers: cannot go wrong
		args = append(args, "--set-json", tokensKey+"="+string(text))
	}
	return args
}

// quote writes a command as a shell reads it.
func quote(words []string) string {
	var out []string
	for _, w := range words {
		out = append(out, secret.ShellWord(w))
	}
	return strings.Join(out, " ")
}

func (r Release) String() string {
	return fmt.Sprintf("release %q in namespace %q", r.Chart.Release, r.Namespace)
}
