package cmd

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/secretctl/secretctl/internal/cluster"
	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/fhirclient"
	"github.com/secretctl/secretctl/internal/secret"
	"github.com/secretctl/secretctl/internal/store"
	"github.com/secretctl/secretctl/internal/store/providers"
	"github.com/secretctl/secretctl/internal/transport"
)

// provider returns the provider of the delivery's store.
func (a *app) provider(d *config.Delivery) store.Provider {
	return providers.Of(providers.All(a.Azure), d)
}

// store opens the delivery's store; nothing is sent yet. It is closed when the work on
// the delivery ends.
func (a *app) store(d *config.Delivery, o store.Options) (s store.Store, err error) {
	p := a.provider(d)
	if p.TokenVariable != "" && o.Login == nil {
		if o.Login, err = a.loginOfPipeline(); err != nil {
			return nil, err
		}
		token, _ := a.env.Secret(p.TokenVariable)
		o.Token = secret.New([]byte(token))
	}
	s, err = p.Open(d, a.storeOptions(d, o))
	if err != nil {
		return nil, nameOrigin(d, err)
	}
	a.atEnd.add(d, func(ctx context.Context) { _ = s.Close(ctx) })
	return s, nil
}

// storeToVerify opens the delivery's store, as its pod has it where there is no token
// but a file with one of the pod's ServiceAccount.
func (a *app) storeToVerify(d *config.Delivery, jwtFile string) (store.Store, error) {
	byFile := jwtFile != "" && a.provider(d).TokenVariable != ""
	if !byFile || a.vaultLogin == "" {
		s, err := a.store(d, store.Options{})
		if !errors.Is(err, store.ErrNoToken) {
			return s, err
		}
	}
	if byFile {
		login, err := a.loginAsPod(jwtFile)
		if err != nil {
			return nil, err
		}
		return a.store(d, store.Options{Login: login})
	}
	a.narrate("note: %sno token for the store, so it is not read", a.of(d))
	return a.store(d, store.Options{Anonymous: true})
}

// storeOptions adds what holds for every store of the run.
func (a *app) storeOptions(d *config.Delivery, o store.Options) store.Options {
	o.AllowHTTP, o.Timeout, o.Log, o.Sanitizer = a.allowHTTP, a.requestLimit(), a.logOf(d), a.sanitizer
	return o
}

// aidbox connects to the delivery's Aidbox as its admin Client; nothing is sent
// yet.
func (a *app) aidbox(ctx context.Context, d *config.Delivery) (*fhirclient.Client, error) {
	return a.aidboxFor(ctx, d, true)
}

// aidboxFor needs no admin secret where asAdmin is false: then the connection is
// good for probes only.
func (a *app) aidboxFor(ctx context.Context, d *config.Delivery, asAdmin bool) (*fhirclient.Client, error) {
	var admin secret.Value
	if asAdmin {
		var err error
		if admin, err = a.inputs.Read(ctx, d.Aidbox.Admin.Secret, "the admin Client "+d.Aidbox.Admin.Client+" of "+d.Name); err != nil {
			return nil, fmt.Errorf("aidbox.admin.secret: %w", err)
		}
	}
	o := fhirclient.Options{
		URL: d.Aidbox.URL, From: d.From["aidbox.url"], ClientID: d.Aidbox.Admin.Client, Secret: admin, Owner: d.Owner(),
		AllowHTTP: a.allowHTTP, Timeout: a.requestLimit(), Log: a.logOf(d), Sanitizer: a.sanitizer,
	}
	if name, port, ok := d.Aidbox.Service(); ok {
		c, err := a.kubernetes(d)
		if err != nil {
			return nil, fmt.Errorf("aidbox.url %s: %w", d.Aidbox.URL, err)
		}
		o.URL, o.Tunnel = "http://"+cmp.Or(name, d.Aidbox.Workload.Name)+"."+d.Namespace, a.aidboxTunnel(c, d, name, port)
	}
	aidbox, err := fhirclient.New(o)
	if err == nil {
		a.atEnd.add(d, func(context.Context) { aidbox.Close() })
	}
	return aidbox, nameOrigin(d, err)
}

// aidboxTunnel reaches Aidbox through the API server: by a Service, or without one by a
// pod of the workload. Its connections end with the work on the delivery.
func (a *app) aidboxTunnel(c *cluster.Cluster, d *config.Delivery, service, port string) (t http.RoundTripper) {
	if service == "" {
		t = c.WorkloadTransport(d.Namespace, d.Aidbox.Workload.Kind, d.Aidbox.Workload.Name, int(d.Aidbox.Port))
	} else {
		t = c.ServiceTransport(d.Namespace, service, port)
	}
	a.atEnd.add(d, func(context.Context) { transport.CloseIdle(t) })
	return t
}

// clusterOf says which cluster a delivery is in.
func (a *app) clusterOf(d *config.Delivery) cluster.Options {
	o := cluster.Options{Kubeconfig: a.kubeconfig, Context: d.Context, Log: a.logOf(d), AllowHTTP: a.allowHTTP, Timeout: a.requestLimit(), Sanitizer: a.sanitizer}
	if d.Provider != "" { // init does not know it yet
		o.Shorten = a.provider(d).ShortenMountError
	}
	return o
}

// kubernetes connects to the delivery's cluster; nothing is sent yet.
func (a *app) kubernetes(d *config.Delivery) (*cluster.Cluster, error) {
	c, err := cluster.Connect(a.clusterOf(d))
	if err != nil {
		return nil, err
	}
	for _, warning := range c.Warnings() {
		if _, again := a.warned.LoadOrStore(warning, true); !again {
			a.narrate("warning: %s", warning)
		}
	}
	a.atEnd.add(d, func(context.Context) { c.Close() })
	return c, nil
}
