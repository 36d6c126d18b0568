package install

import (
	"cmp"
	"encoding/json"
	"slices"
	"time"

	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/store"
)

// The driver's chart, in the version that secretctl was tested with.
const (
	driverChart   = "secrets-store-csi-driver"
	driverRepo    = "https://kubernetes-sigs.github.io/secrets-store-csi-driver/charts"
	driverVersion = "1.6.0" // released 2026-04-29
)

const (
	systemNamespace = "kube-system"
	defaultInterval = 30 * time.Second
)

// Options are what the config does not contain.
type Options struct {
	// PollInterval is the least age of a mount before the driver fetches it again. 0 means
	// 30 s for a new driver, and no change to an existing one.
	PollInterval time.Duration
	// Dev also installs a server to try things on, if the provider's chart has one.
	Dev bool
	// Namespace is for charts without a namespace of their own.
	Namespace string
}

// Release is a chart that the cluster needs, and its settings.
type Release struct {
	store.Chart

	phase     string            // its name in a plan
	need      []store.Parameter // a release without one of these is upgraded
	audiences []string          // of the tokens that the kubelet gives to the driver
}

// assign returns a setting in the syntax of --set.
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

// createArgs returns the arguments of helm that install a new release.
func (r Release) createArgs() []string {
	args := r.upgrade(r.Chart.Release, r.Namespace, r.Version)
	if r.Namespace != systemNamespace && r.Namespace != "default" {
		args = append(args, "--create-namespace")
	}
	return append(args, setArgs(slices.Concat(r.need, r.Needs, r.Fresh), values{}.withAudiences(r.audiences))...)
}

func (r Release) upgrade(name, namespace, version string) []string {
	return []string{"upgrade", "--install", name, r.Name, "--repo", r.Repo, "--version", version, "--namespace", namespace}
}

func setArgs(settings []store.Parameter, requests []any) []string {
	var args []string
	for _, s := range settings {
		args = append(args, "--set", assign(s))
	}
	if len(requests) > 0 {
		text, _ := json.Marshal(requests) // cannot fail: they are JSON
		args = append(args, "--set-json", tokensKey+"="+string(text))
	}
	return args
}
