package verify

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/secretctl/secretctl/internal/cluster"
	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/hint"
)

// Options says what to run.
type Options struct {
	Selected []string  // groups, and IDs of single checks, as [Select] returns them
	Rotation *Rotation // nil: the rotation checks are skipped
	FromNode bool      // store/pod-can-read has a throw-away pod mount the secrets
	Parallel int       // how many pods, and Clients, are checked at the same time; at least 1
	// Progress is called when a check starts (deadline 0) and when it waits, from the goroutine
	// of Run. It may be nil.
	Progress func(check string, deadline time.Duration)
}

// groupMount is the group whose results other checks refer to.
const groupMount = "mount"

// run is one run of the checks of a delivery: its dependencies, and what the checks share.
type run struct {
	Dependencies
	d *config.Delivery
	o Options

	classes   map[string]string // names of SecretProviderClasses, by the secret's name
	stored    memo[stored]
	newest    memo[[]string] // versions, as the driver's status has them
	driver    driver
	resources memo[resource] // of Aidbox
	rotation  *rotation
	podWatch  *podWatch   // during a rotation, in pods
	health    healthWatch // during a rotation, on this machine

	replaced bool // pods were, during their checks, and those that replaced them are checked
	once     sync.Once
	pods     *pods // nil before load, and without a cluster to look into
	mounts   []*mount
	statuses memo[map[string]cluster.PodStatus] // of a namespace, by the pod's UID and the class
}

func newRun(ctx context.Context, d *config.Delivery, deps Dependencies, o Options) *run {
	o.Parallel = max(1, o.Parallel)
	r := &run{Dependencies: deps, d: d, o: o, driver: newDriver(ctx, deps.Cluster), classes: map[string]string{}}
	for _, c := range deps.Provider.Classes(d) {
		for _, s := range c.Secrets {
			r.classes[s.Name] = c.Name
		}
	}
	r.rotation = plannedRotation(d, o.Rotation, o.Parallel)
	r.health.aidbox = deps.Aidbox
	return r
}

// load finds the pods and their mounts, once.
func (r *run) load(ctx context.Context) {
	r.once.Do(func() {
		switch {
		case r.Local != nil:
			r.mounts = []*mount{r.Local.mount(r.d)}
		case r.Cluster != nil:
			r.pods = &pods{c: r.Cluster, d: r.d}
			r.pods.load(ctx)
			r.mounts = r.pods.mounts(r.pods.replicas())
		}
	})
}

// replaceMounts replaces the mounts by those of the pods that were created since, if a pod
// was replaced during its checks.
func (r *run) replaceMounts(ctx context.Context) bool {
	if r.pods == nil {
		return false
	}
	for range r.pods.gone.Range {
		r.replaced = true
	}
	if !r.replaced {
		return false
	}
	known := r.pods.workload.Pods
	r.pods.load(ctx)
	r.mounts = r.pods.mounts(slices.DeleteFunc(r.pods.replicas(), func(pod cluster.Pod) bool {
		_, gone := r.pods.gone.Load(pod.UID)
		return !gone && slices.ContainsFunc(known, func(k cluster.Pod) bool { return k.UID == pod.UID })
	}))
	r.statuses.forget()
	return true
}

func (r *run) progress(check string, deadline time.Duration) {
	if r.o.Progress != nil {
		r.o.Progress(check, deadline)
	}
}

// line sanitizes text from outside.
func (r *run) line(text string) string { return r.Sanitizer.Line(text) }

// unknown is the result of an error that kept a check from finding out.
func (r *run) unknown(err error) Result {
	return Unknown("%s", r.line(err.Error())).WithHint("%s", hint.Of(err))
}

// fail is the result of an error that proves something wrong.
func (r *run) fail(err error) Result {
	return Fail("%s", r.line(err.Error())).WithHint("%s", hint.Of(err))
}

// noAdmin is the result of a check that needs Admin.
func (r *run) noAdmin() Result {
	if r.NoAdmin != nil {
		return r.unknown(r.NoAdmin)
	}
	return Skip("no administrator access to Aidbox").WithHint("set aidbox.admin in the config")
}

// stop ends what runs in the background.
func (r *run) stop() {
	r.rotation.stop()
	r.health.stop()
}
