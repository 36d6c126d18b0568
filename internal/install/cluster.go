package install

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/version"

	"github.com/secretctl/secretctl/internal/hint"
	"github.com/secretctl/secretctl/internal/store"
)

// oldest is the first version of helm with --reset-then-reuse-values.
const oldest = "3.14"

// cluster is what helm knows about the releases in a cluster. It is for one plan.
type cluster struct {
	charts  []string // the wanted ones
	helm    *Helm
	version *version.Version
	all     []*live
	read    bool
}

// live is a release in the cluster, as "helm list" prints it.
type live struct {
	Name      string `json:"name"`
	Namespace string `json:"namespace"`
	Status    string `json:"status"`
	Chart     string `json:"chart"` // name and version together

	chart   string
	version *version.Version
	values  values
}

func (l *live) String() string { return fmt.Sprintf("release %q in namespace %q", l.Name, l.Namespace) }

// releases returns all releases, those of the wanted charts with version and values.
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
			// secrets-store-csi-driver-provider-gcp-1.0.0 is not version provider-gcp-1.0.0 of the driver.
			v, err := version.ParseSemantic(rest)
			if !found || err != nil {
				continue
			}
			l.chart, l.version = name, v
			if err := c.helm.decode(ctx, &l.values, l.String(), "get", "values", l.Name, "--namespace", l.Namespace, "--all"); err != nil {
				return nil, err
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
	text := strings.TrimSpace(string(out))
	c.version, err = version.ParseGeneric(text)
	if err != nil || c.version.LessThan(version.MustParseGeneric(oldest)) {
		return hint.Wrap(fmt.Errorf("helm: version %q is too old, or not a version", text), "install helm %s or newer", oldest)
	}
	return nil
}

// notReady describes which pods of the release's DaemonSets are not ready; "" if all are.
func (c *cluster) notReady(ctx context.Context, l *live) (string, error) {
	args := []string{"status", l.Name, "--namespace", l.Namespace}
	if c.version.Major() == 3 { // newer ones always do, without the flag
		args = append(args, "--show-resources")
	}
	var answer struct {
		Info struct {
			Resources struct {
				DaemonSets []appsv1.DaemonSet `json:"v1/DaemonSet"`
			} `json:"resources"`
		} `json:"info"`
	}
	if err := c.helm.decode(ctx, &answer, l.String(), args...); err != nil {
		return "", err
	}
	var waiting []string
	for _, d := range answer.Info.Resources.DaemonSets {
		ready := min(d.Status.NumberReady, d.Status.UpdatedNumberScheduled)
		if d.Status.ObservedGeneration < d.Generation || ready < d.Status.DesiredNumberScheduled {
			waiting = append(waiting, fmt.Sprintf("DaemonSet %s: %d of %d pods are ready", d.Name, ready, d.Status.DesiredNumberScheduled))
		}
	}
	return strings.Join(waiting, "; "), nil
}

// values are those of a release, with its chart's defaults.
type values map[string]any

// at returns the value at a path with dots; nil if there is none.
func (v values) at(key string) any {
	at, _, _ := unstructured.NestedFieldNoCopy(v, strings.Split(key, ".")...)
	return at
}

// holds compares the text, or the length of durations: 2m is 2m0s.
func (v values) holds(s store.Parameter) bool {
	have := fmt.Sprint(v.at(s.Name))
	if have == s.Value {
		return true
	}
	a, errA := time.ParseDuration(have)
	b, errB := time.ParseDuration(s.Value)
	return errA == nil && errB == nil && a == b
}

// lacking describes the first of the settings that does not hold; "" if all do.
func (v values) lacking(settings []store.Parameter) string {
	i := slices.IndexFunc(settings, func(s store.Parameter) bool { return !v.holds(s) })
	if i < 0 {
		return ""
	}
	key := settings[i].Name
	if v.at(key) == nil {
		return key + " is not set"
	}
	return fmt.Sprintf("%s is %v", key, v.at(key))
}

// withAudiences returns the token requests and those for missing audiences; nil if none is
// missing.
func (v values) withAudiences(audiences []string) []any {
	present, _ := v.at(tokensKey).([]any)
	requests := slices.Clone(present)
	for _, audience := range audiences {
		if !slices.ContainsFunc(present, func(r any) bool {
			request, _ := r.(map[string]any)
			return request["audience"] == audience
		}) {
			requests = append(requests, map[string]any{"audience": audience})
		}
	}
	if len(requests) == len(present) {
		return nil
	}
	return requests
}
