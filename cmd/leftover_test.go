package cmd

import (
	"context"
	"testing"

	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/fhirclient"
	"github.com/secretctl/secretctl/internal/sandbox/aidbox"
	"github.com/secretctl/secretctl/internal/secret"
)

// An interrupt may end the command before Aidbox has deleted the Client.
func TestInterruptNamesTheClientThatMayBeLeft(t *testing.T) {
	server, err := aidbox.Start(aidbox.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)
	client, err := fhirclient.New(fhirclient.Options{URL: server.URL, ClientID: "root", Secret: secret.New([]byte(server.RootSecret)), Sanitizer: &secret.Sanitizer{}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, interrupt := context.WithCancel(t.Context())
	interrupt()
	a := &app{several: true}
	next := func() string { return a.whyEnded(ctx, ctx.Err(), false).(*endedError).next() } //nolint:errorlint // it is one
	admin := aidboxAdmin{client, a, &config.Delivery{Name: "east"}}

	_ = admin.Apply(ctx, config.Resource{Type: "Client", ID: "temporary"})
	if got := next(); got != "Client/temporary may still be in Aidbox, and the next secretctl verify --delivery east deletes it" {
		t.Errorf("got %q", got)
	}
	if err := admin.Delete(ctx, "Client", "temporary"); err == nil || next() == "" {
		t.Errorf("%v, although nothing was sent", next())
	}
	_ = admin.Delete(t.Context(), "Client", "temporary")
	if got := next(); got != "" {
		t.Errorf("got %q after it was deleted", got)
	}
}
