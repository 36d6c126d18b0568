package install

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/version"

	"github.com/secretctl/secretctl/internal/hint"
	"github.com/secretctl/secretctl/internal/store"
)

// oldest is the first helm that has --reset-then-reuse-values.
const oldest = "3.14"

// cluster is what helm says of the releases in a cluster. It is for one plan.
type cluster struct {
	charts  []string // that are wanted
	helm    *Helm
	version *version.Version
	all     []*live
	read    bool
}

// live is a release in the cluster, as "helm list" has it.
type live struct {
	Name      string `json:"name"`
	Namespace string `json:"namespace"`
	Status    string `json:"status"`
	Chart     string `json:"chart"` // name and version in one

	chart   string
	version *version.Version
	values  values
}

func (l *live) String() string { return fmt.Sprintf("release %q in namespace %q", l.Name, l.Namespace) }

// releases returns those of the charts that are wanted, and all others by their full
// chart, since name and version cannot be told apart for sure.
func (c *cluster) releases(ctx context.Context) ([]*live, error) {
	if c.read {
		return c.all, nil
	}
	if err := c.checkVersion(ctx); err != nil {
		return nil, err
	}
	err := c.helm.decode(ctx, &c.all, "list of releases", "list", "--all-namespaces", "--deployed", "--failed", "--pending", "--max", "0")
	if err != nil {
		return nil, err
	}
	for _, l := range c.all {
		l.chart = l.Chart
		for _, name := range c.charts {
			rest, found := strings.CutPrefix(l.Chart, name+"-")
			// secrets-store-csi-driver-provider-gcp-1.0.0 is no driver of version provider-gcp-1.0.0.
			if v, err := version.ParseSemantic(rest); found && err == nil {
				l.chart, l.version = name, v
			}
		}
	}
	c.read = true
	return c.all, nil
}

func (c *cluster) checkVersion(ctx context.Context) error {
	out, err := c.helm.run(ctx, "version", "version", "--template", "{{.Version}}")
	if err != nil {
		return err
	}
	c.version, err = version.ParseGeneric(strings.TrimSpace(string(out)))
	if err != nil || c.version.LessThan(version.MustParseGeneric(oldest)) {
		return hint.Wrap(fmt.Errorf("helm: version %q is too old, or no version", strings.TrimSpace(string(out))), "install helm %s or newer", oldest)
	}
	return nil
}

// values returns the values of a release, those of its chart's defaults too.
func (c *cluster) values(ctx context.Context, l *live) (values, error) {
	if l.values == nil {
		l.values = values{}
		if err := c.helm.decode(ctx, &l.values, l.String(), "get", "values", l.Name, "--namespace", l.Namespace, "--all"); err != nil {
			return nil, err
		}
	}
	return l.values, nil
}

// notReady says which pods of the release's DaemonSets are not ready; "" where all are.
func (c *cluster) notReady(ctx context.Context, name, namespace string) (string, error) {
	args := []string{"status", name, "--namespace", namespace}
	if c.version.Major() == 3 { // newer ones do it unasked, and have no such flag
		args = append(args, "--show-resources")
	}
	var answer struct {
		Info struct {
			Resources map[string][]daemonSet `json:"resources"`
		} `json:"info"`
	}
	if err := c.helm.decode(ctx, &answer, fmt.Sprintf("release %q in namespace %q", name, namespace), args...); err != nil {
		return "", err
	}
	var waiting []string
	for _, d := range answer.Info.Resources["v1/DaemonSet"] {
		if s := d.Status; s.ObservedGeneration < d.Metadata.Generation || s.UpdatedNumberScheduled < s.DesiredNumberScheduled || s.NumberReady < s.DesiredNumberScheduled {
			waiting = append(waiting, fmt.Sprintf("DaemonSet %s: %d of %d pods are ready", d.Metadata.Name, min(s.NumberReady, s.UpdatedNumberScheduled), s.DesiredNumberScheduled))
		}
	}
	return strings.Join(waiting, "; "), nil
}

// daemonSet is what of a DaemonSet says whether its pods are ready.
type daemonSet struct {
	Metadata struct {
		Name       string `json:"name"`
		Generation int64  `json:"generation"`
	} `json:"metadata"`
	Status struct {
		ObservedGeneration     int64 `json:"observedGeneration"`
		DesiredNumberScheduled int   `json:"desiredNumberScheduled"`
		UpdatedNumberScheduled int   `json:"updatedNumberScheduled"`
		NumberReady            int   `json:"numberReady"`
	} `json:"status"`
}

// values are those of a release, as "helm get values" has them.
type values map[string]any

// at returns the value at a path with dots; nil where there is none.
func (v values) at(key string) any {
	at, _, _ := unstructured.NestedFieldNoCopy(v, strings.Split(key, ".")...)
	return at
}

// holds compares by text, and durations by their length: 2m is 2m0s.
func (v values) holds(s store.Parameter) bool {
	have := fmt.Sprint(v.at(s.Name))
	if have == s.Value {
		return true
	}
	a, errA := time.ParseDuration(have)
	b, errB := time.ParseDuration(s.Value)
	return errA == nil && errB == nil && a == b
}

func (v values) describe(key string) string {
	if v.at(key) == nil {
		return key + " is not set"
	}
	return fmt.Sprintf("%s is %v", key, v.at(key))
}

// withAudiences returns the token requests with those that are missing added;
// nil where none is.
func (v values) withAudiences(audiences []string) []tokenRequest {
	var requests []tokenRequest
	items, _ := v.at(tokensKey).([]any)
	for _, item := range items {
		m, _ := item.(map[string]any)
		r := tokenRequest{Audience: fmt.Sprint(m["audience"])}
		if seconds, ok := m["expirationSeconds"].(float64); ok {
			r.ExpirationSeconds = new(int64(seconds))
		}
		requests = append(requests, r)
	}
	had := len(requests)
	for _, a := range audiences {
		if !slices.ContainsFunc(requests, func(r tokenRequest) bool { return r.Audience == a }) {
			requests = append(requests, tokenRequest{Audience: a})
		}
	}
	if len(requests) == had {
		return nil
	}
	return requests
}
