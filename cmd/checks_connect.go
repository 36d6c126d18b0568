package cmd

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"slices"

	"github.com/secretctl/secretctl/internal/cluster"
	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/fhirclient"
	"github.com/secretctl/secretctl/internal/graph"
	"github.com/secretctl/secretctl/internal/report"
	"github.com/secretctl/secretctl/internal/secret"
	"github.com/secretctl/secretctl/internal/verify"
)

// dependencies connects to what the checks look at.
func (a *app) dependencies(ctx context.Context, d *config.Delivery, c checkup) (deps verify.Dependencies, err error) {
	deps = verify.Dependencies{
		Provider: a.provider(d), Sanitizer: a.sanitizer,
		Source: func(ctx context.Context, s config.Secret) (secret.Value, error) {
			return a.inputs.Read(ctx, s.Value, s.Name)
		},
	}
	if !c.noVerify {
		if err = a.connectReplicas(ctx, d, c, &deps); err == nil {
			err = a.connectAidbox(ctx, d, c, &deps)
		}
	}
	if err == nil {
		deps.Store, err = a.storeToVerify(d, c.jwtFile)
	}
	return deps, err
}

// connectReplicas connects to where Aidbox runs. If only prerequisites are checked, a
// missing cluster is for the checks to report.
func (a *app) connectReplicas(ctx context.Context, d *config.Delivery, c checkup, deps *verify.Dependencies) (err error) {
	w := d.Aidbox.Workload
	prerequisites := !slices.ContainsFunc(verify.GroupsOf(c.selected), func(g string) bool { return !slices.Contains(verify.Prerequisites(), g) })
	if !prerequisites && c.target == targetLocal {
		if c.looksAtMount() {
			a.narrate("note: %schecking the mount on this machine: %s", a.of(d), cmp.Or(c.mountPath, d.MountPath))
		}
		deps.Local = &verify.Local{Dir: c.mountPath, VaultConfig: c.vaultConfig}
		if prerequisites = slices.Contains(c.named, groupCluster); !prerequisites { // else the cluster counts too
			return nil
		}
	}
	deps.Cluster, err = a.kubernetes(d)
	switch {
	case err != nil && prerequisites && !cluster.Configured(a.clusterOf(d)):
		deps.NoCluster = err
		return nil
	case err != nil || prerequisites:
		return err
	}
	if c.looksAtMount() {
		a.narrate("note: %schecking the pods of %s %s/%s at %s", a.of(d), w.Kind, d.Namespace, w.Name, deps.Cluster.Host())
	}
	deps.AidboxAt = a.aidboxAt(d, deps.Cluster)
	if c.checks(groupWorkload) {
		if err := a.fillIn(ctx, d, false); err != nil && ctx.Err() == nil { // what is unknown is not compared
			a.narrate("note: %s", err)
		}
	}
	return nil
}

// connectAidbox connects as the admin Client if the checks need one. For the version
// alone, a missing secret is not an error.
func (a *app) connectAidbox(ctx context.Context, d *config.Delivery, c checkup, deps *verify.Dependencies) error {
	needed := c.checks(groupClient, groupScope)
	asAdmin := needed || c.checks(groupAidbox) ||
		c.checks(groupRotation) && !d.Aidbox.Admin.Secret.Stdin // which only sweeps
	aidbox, err := a.aidboxFor(ctx, d, deps.Cluster, asAdmin)
	if _, ok := errors.AsType[*secret.SourceError](err); ok && !needed {
		deps.NoAdmin, asAdmin = err, false
		aidbox, err = a.aidboxFor(ctx, d, deps.Cluster, false)
	}
	if _, ok := errors.AsType[*cluster.ConfigError](err); ok && deps.NoCluster != nil { // aidbox.url is service
		deps.Aidbox = noAidbox{deps.NoCluster}
		return nil //nolint:nilerr // the checks report it
	}
	if err != nil {
		return err
	}
	deps.Aidbox = aidbox
	if asAdmin {
		deps.Admin = aidboxAdmin{aidbox, a, d}
	}
	return nil
}

// aidboxAdmin drops the changes that Apply and Delete return, which no check needs. If the
// command ends before what Apply made is deleted, it says so.
type aidboxAdmin struct {
	*fhirclient.Client
	app *app
	d   *config.Delivery
}

func (a aidboxAdmin) Apply(ctx context.Context, r config.Resource) error {
	a.app.goOn.Store(a.d.Name+"/"+r.Ref(), a.app.onlyFor(a.d.Name, r.Ref()+" may still be in Aidbox, and the next secretctl verify deletes it"))
	_, err := a.Client.Apply(ctx, r)
	return err
}

func (a aidboxAdmin) Delete(ctx context.Context, resourceType, id string) error {
	_, err := a.Client.Delete(ctx, resourceType, id)
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		a.app.goOn.Delete(a.d.Name + "/" + resourceType + "/" + id)
	}
	return err
}

// aidboxAt returns a func that connects to the Aidbox of a pod through the API server. The
// connections end with the work on the delivery.
func (a *app) aidboxAt(d *config.Delivery, c *cluster.Cluster) func(cluster.Pod) verify.Aidbox {
	return func(p cluster.Pod) verify.Aidbox {
		client, err := fhirclient.New(fhirclient.Options{
			URL: "http://" + p.Name, Tunnel: c.PodTransport(p.Namespace, p.Name, int(d.Aidbox.Port)),
			Timeout: a.requestLimit(), Log: a.logOf(d), Sanitizer: a.sanitizer,
		})
		if err != nil {
			return noAidbox{err}
		}
		a.atEnd.add(d, func(context.Context) { client.Close() })
		return client
	}
}

// noAidbox is an Aidbox that cannot be reached.
type noAidbox struct{ err error }

func (a noAidbox) Health(context.Context) error { return a.err }

func (a noAidbox) Probe(context.Context, string, string, secret.Value) (int, string, error) {
	return 0, "", a.err
}

func (a noAidbox) Token(context.Context, string, secret.Value) (int, string, error) {
	return 0, "", a.err
}

// describe adds to a report which servers were checked, and the paths of the secrets.
func (a *app) describe(ctx context.Context, d *config.Delivery, deps verify.Dependencies, r *verify.DeliveryReport) {
	p := a.provider(d)
	t := &verify.Target{Store: p.Title + " " + p.Server(d), Aidbox: d.Aidbox.URL}
	switch {
	case deps.Local != nil:
		t.Mount = a.clean(cmp.Or(deps.Local.Dir, d.MountPath))
	case deps.Cluster != nil:
		t.Cluster, t.Namespace = a.clean(deps.Cluster.Host()), d.Namespace
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
