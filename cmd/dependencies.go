package cmd

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync"

	"github.com/secretctl/secretctl/internal/cluster"
	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/fhirclient"
	"github.com/secretctl/secretctl/internal/graph"
	"github.com/secretctl/secretctl/internal/report"
	"github.com/secretctl/secretctl/internal/secret"
	"github.com/secretctl/secretctl/internal/verify"
)

// dependencies connects what a checkup looks at.
func (a *app) dependencies(ctx context.Context, d *config.Delivery, c checkup) (deps verify.Dependencies, err error) {
	deps = verify.Dependencies{
		Provider: a.provider(d), Sanitizer: a.sanitizer,
		Source: func(ctx context.Context, s config.Secret) (secret.Value, error) {
			return a.inputs.Read(ctx, s.Value, s.Name)
		},
	}
	if !c.writeOnly {
		if err = a.connectReplicas(ctx, d, c, &deps); err == nil {
			err = a.connectAidbox(ctx, d, c.groups, &deps)
		}
	}
	if err == nil {
		deps.Store, err = a.storeToVerify(d, c.options.jwtFile)
	}
	return deps, err
}

// connectReplicas connects to where Aidbox runs. Where all groups are prerequisites,
// they report themselves that there is no cluster.
func (a *app) connectReplicas(ctx context.Context, d *config.Delivery, c checkup, deps *verify.Dependencies) (err error) {
	beyond := func(group string) bool { return !slices.Contains(verify.Prerequisites(), group) }
	o := c.options
	switch {
	case !slices.ContainsFunc(c.groups, beyond):
		if deps.Cluster, err = a.kubernetes(d); err != nil && !cluster.Configured(a.clusterOf(d)) {
			deps.NoCluster, err = err, nil
		}
	case o.target == targetPod:
		err = a.connectPods(ctx, d, c.groups, deps)
	default:
		if looksAtMount(c.groups) {
			a.narrate("note: %slooks at the mount on this machine, %s", a.of(d), cmp.Or(o.mountPath, d.MountPath))
		}
		deps.Local = &verify.Local{Dir: o.mountPath, VaultConfig: o.vaultConfig}
	}
	return err
}

// looksAtMount says whether a check of the groups looks at the mount, or at who has it.
func looksAtMount(groups []string) bool {
	return slices.ContainsFunc([]string{groupWorkload, groupMount, groupRotation}, func(g string) bool { return slices.Contains(groups, g) })
}

// connectPods connects to the cluster that the pods run in.
func (a *app) connectPods(ctx context.Context, d *config.Delivery, groups []string, deps *verify.Dependencies) (err error) {
	if deps.Cluster, err = a.kubernetes(d); err != nil {
		return err
	}
	if looksAtMount(groups) {
		a.narrate("note: %slooks into the pods of %s %s/%s at %s", a.of(d), d.Aidbox.Workload.Kind, d.Namespace, d.Aidbox.Workload.Name, deps.Cluster.Host())
	}
	deps.AidboxAt = a.aidboxAt(d, deps.Cluster)
	if slices.Contains(groups, groupWorkload) {
		if err := a.fillIn(ctx, d, false); err != nil && ctx.Err() == nil { // what is not known is not compared
			a.narrate("note: %s", err)
		}
	}
	return nil
}

// connectAidbox connects as the admin Client where the groups need one. The version
// alone is not worth an error.
func (a *app) connectAidbox(ctx context.Context, d *config.Delivery, groups []string, deps *verify.Dependencies) error {
	needed := slices.Contains(groups, groupClient) || slices.Contains(groups, groupScope)
	asAdmin := needed || slices.Contains(groups, groupAidbox) ||
		slices.Contains(groups, groupRotation) && !d.Aidbox.Admin.Secret.Stdin // which only sweeps
	aidbox, err := a.aidboxFor(ctx, d, asAdmin)
	if _, ok := errors.AsType[*secret.SourceError](err); ok && !needed {
		deps.NoAdmin, asAdmin = err, false
		aidbox, err = a.aidboxFor(ctx, d, false)
	}
	_, noCluster := errors.AsType[*cluster.ConfigError](err)
	switch {
	case noCluster && deps.NoCluster != nil: // which Aidbox is reached through
		deps.Aidbox = noAidbox{deps.NoCluster}
		return nil //nolint:nilerr // the checks report it
	case err != nil:
		return err
	}
	deps.Aidbox = aidbox
	if asAdmin {
		deps.Admin = aidboxAdmin{aidbox}
	}
	return nil
}

// aidboxAdmin leaves out what changed, which no check asks.
type aidboxAdmin struct{ *fhirclient.Client }

func (a aidboxAdmin) Apply(ctx context.Context, r config.Resource) error {
	_, err := a.Client.Apply(ctx, r)
	return err
}

func (a aidboxAdmin) Delete(ctx context.Context, resourceType, id string) error {
	_, err := a.Client.Delete(ctx, resourceType, id)
	return err
}

// aidboxAt returns how to reach the Aidbox of one pod through the API server. Each
// pod is connected to once; the connections end with the work on the delivery.
func (a *app) aidboxAt(d *config.Delivery, c *cluster.Cluster) func(cluster.Pod) verify.Aidbox {
	var mu sync.Mutex
	open := map[string]verify.Aidbox{}
	return func(p cluster.Pod) verify.Aidbox {
		mu.Lock()
		defer mu.Unlock()
		if client, ok := open[p.UID]; ok {
			return client
		}
		tunnel := c.PodTransport(p.Namespace, p.Name, int(d.Aidbox.Port))
		a.atEnd.add(d, func(context.Context) { tunnel.CloseIdleConnections() })
		client, err := fhirclient.New(fhirclient.Options{URL: "http://" + p.Name, Tunnel: tunnel, Timeout: a.requestLimit(), Log: a.logOf(d), Sanitizer: a.sanitizer})
		if err != nil {
			return noAidbox{err}
		}
		open[p.UID] = client
		return client
	}
}

// noAidbox is one that cannot be reached.
type noAidbox struct{ err error }

func (a noAidbox) Health(context.Context) error { return a.err }

func (a noAidbox) Probe(context.Context, string, string, secret.Value) (int, string, error) {
	return 0, "", a.err
}

func (a noAidbox) Token(context.Context, string, secret.Value) (int, string, error) {
	return 0, "", a.err
}

// describe adds to a report what was looked at, and the paths of the secrets.
func (a *app) describe(ctx context.Context, d *config.Delivery, deps verify.Dependencies, r *verify.DeliveryReport) {
	p := a.provider(d)
	t := &verify.Target{Store: p.Title + " " + p.Server(d), Aidbox: d.Aidbox.URL}
	switch {
	case deps.Local != nil:
		t.Mount = cmp.Or(deps.Local.Dir, d.MountPath)
	case deps.Cluster != nil:
		t.Cluster, t.Namespace = deps.Cluster.Host(), d.Namespace
		t.Workload = d.Aidbox.Workload.Kind + " " + d.Aidbox.Workload.Name
	}
	answered := func(c verify.Result) bool {
		return c.Status == verify.StatusPass && (c.ID == "client/exists" || c.ID == "aidbox/version")
	}
	if deps.Admin != nil && slices.ContainsFunc(r.Checks, answered) {
		t.AidboxVersion, _ = deps.Admin.Version(ctx)
		t.AidboxVersion = a.clean(t.AidboxVersion)
	}
	r.Target = t
	r.Paths = graph.Paths(graph.Delivery{Delivery: d, Store: p}, &report.Report{Deliveries: []verify.DeliveryReport{*r}})
}
