package cmd

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/secretctl/secretctl/internal/cluster"
	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/fhirclient"
	"github.com/secretctl/secretctl/internal/hint"
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
		token, _ := a.secretVariable(p.TokenVariable)
		o.Token = secret.New([]byte(token))
	}
	s, err = p.Open(d, a.storeOptions(d, o))
	if err != nil {
		return nil, nameOrigin(d, err)
	}
	a.atEnd.add(d, func(ctx context.Context) { _ = s.Close(ctx) })
	return s, nil
}

// idTokenVariable holds the token that a CI system gives to a pipeline.
const idTokenVariable = "SECRETCTL_ID_TOKEN"

// loginOfPipeline returns the login of --vault-login; nil without it.
func (a *app) loginOfPipeline() (*store.Login, error) {
	if a.vaultLogin == "" {
		return nil, nil
	}
	jwt, _ := a.secretVariable(idTokenVariable)
	if jwt = strings.TrimSpace(jwt); jwt == "" {
		return nil, hint.Usage("have the pipeline put the token there that its CI system gives it", "--vault-login needs environment variable %s", idTokenVariable)
	}
	return a.loginWith(func(context.Context) (secret.Value, error) { return secret.New([]byte(jwt)), nil })
}

// loginOfPod returns the login of the delivery's pod, with the token of its ServiceAccount
// in a file.
func (a *app) loginOfPod(tokenFile string) (*store.Login, error) {
	return a.loginWith(func(ctx context.Context) (secret.Value, error) {
		in := secret.Inputs{Sanitizer: a.sanitizer, Projected: true}
		jwt, err := in.Read(ctx, secret.Source{File: tokenFile}, "the token of the ServiceAccount")
		if err != nil {
			// Not wrapped: a missing file is not a missing secret.
			err = hint.Wrap(errors.New(err.Error()), "mount a token of the pod's ServiceAccount there")
		}
		return jwt, err
	})
}

// loginWith returns a login with a token, at the method and in the role of --vault-login.
func (a *app) loginWith(jwt func(context.Context) (secret.Value, error)) (*store.Login, error) {
	login := &store.Login{JWT: jwt}
	if a.vaultLogin == "" {
		return login, nil
	}
	at := strings.TrimPrefix(a.vaultLogin, "auth/")
	i := strings.LastIndex(at, "/") // the method's path may have slashes
	if i < 1 || i == len(at)-1 {
		return nil, hint.Usage("write it like jwt/my-role", "--vault-login %q is not an auth method and a role", a.vaultLogin)
	}
	login.Method, login.Role = at[:i], at[i+1:]
	return login, nil
}

// storeToVerify opens the delivery's store; without a token, as the pod if a file has the
// pod's token, else anonymously.
func (a *app) storeToVerify(d *config.Delivery, jwtFile string) (store.Store, error) {
	asPod := jwtFile != "" && a.provider(d).TokenVariable != ""
	var noToken error
	if !asPod || a.vaultLogin == "" {
		var s store.Store
		if s, noToken = a.store(d, store.Options{}); !errors.Is(noToken, store.ErrNoToken) {
			return s, noToken
		}
	}
	if asPod {
		login, err := a.loginOfPod(jwtFile)
		if err != nil {
			return nil, err
		}
		return a.store(d, store.Options{Login: login})
	}
	a.narrate("note: %s%s, so the store is not read", a.of(d), noToken)
	return a.store(d, store.Options{Anonymous: true})
}

// storeOptions adds the options of every store.
func (a *app) storeOptions(d *config.Delivery, o store.Options) store.Options {
	o.AllowHTTP, o.Timeout, o.Log, o.Sanitizer = a.allowHTTP, a.requestLimit(), a.logOf(d), a.sanitizer
	return o
}

// aidbox connects to the delivery's Aidbox as its admin Client; nothing is sent yet.
func (a *app) aidbox(ctx context.Context, d *config.Delivery) (*fhirclient.Client, error) {
	return a.aidboxFor(ctx, d, nil, true)
}

// aidboxFor connects to the delivery's Aidbox, through this cluster if aidbox.url is service;
// if it is nil, it connects to the cluster too. Unless asAdmin, the connection needs no admin
// secret, and is for probes only.
func (a *app) aidboxFor(ctx context.Context, d *config.Delivery, through *cluster.Cluster, asAdmin bool) (*fhirclient.Client, error) {
	o := fhirclient.Options{
		URL: d.Aidbox.URL, From: d.From["aidbox.url"], ClientID: d.Aidbox.Admin.Client, Owner: d.Owner(),
		AllowHTTP: a.allowHTTP, Timeout: a.requestLimit(), Log: a.logOf(d), Sanitizer: a.sanitizer,
	}
	if asAdmin {
		var err error
		if o.Secret, err = a.inputs.Read(ctx, d.Aidbox.Admin.Secret, "the admin Client "+o.ClientID+" of "+d.Name); err != nil {
			return nil, fmt.Errorf("aidbox.admin.secret: %w", err)
		}
	}
	if service, port, ok := d.Aidbox.Service(); ok {
		c, err := through, error(nil)
		if c == nil {
			c, err = a.kubernetes(d)
		}
		if err != nil {
			return nil, fmt.Errorf("aidbox.url %s: %w", d.Aidbox.URL, err)
		}
		w := d.Aidbox.Workload
		o.URL, o.Tunnel = "http://"+cmp.Or(service, w.Name)+"."+d.Namespace, c.ServiceTransport(d.Namespace, service, port)
		if service == "" {
			o.Tunnel = c.WorkloadTransport(d.Namespace, w.Kind, w.Name, int(d.Aidbox.Port))
		}
	}
	aidbox, err := fhirclient.New(o)
	if err == nil {
		a.atEnd.add(d, func(context.Context) { aidbox.Close() })
	}
	return aidbox, nameOrigin(d, err)
}

// nameOrigin makes an error about an address say where the address comes from.
func nameOrigin(d *config.Delivery, err error) error {
	if invalid, ok := errors.AsType[*transport.AddressError](err); ok {
		invalid.What = d.Setting(invalid.What)
	}
	return err
}

// clusterOf returns how to reach the delivery's cluster.
func (a *app) clusterOf(d *config.Delivery) cluster.Options {
	o := cluster.Options{Kubeconfig: a.kubeconfig, From: a.origin["kubeconfig"], Context: d.Context, Log: a.logOf(d), AllowHTTP: a.allowHTTP, Timeout: a.requestLimit(), Sanitizer: a.sanitizer}
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
