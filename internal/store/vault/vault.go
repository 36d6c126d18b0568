// Package vault is everything about HashiCorp Vault as a store: the KV values, what
// lets the pod read them, its login, and how errors of Vault read.
package vault

import (
	"cmp"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/hashicorp/vault/api"

	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/secret"
	"github.com/secretctl/secretctl/internal/store"
	"github.com/secretctl/secretctl/internal/transport"
)

// The library keeps as few idle connections as there are processors, and would
// open a new one for nearly every request of a run.
const idleConnections = 256

// errUnexpected is an answer that no Vault gives.
var errUnexpected = errors.New("unexpected response")

// Store is the HashiCorp Vault of one delivery.
type Store struct {
	d       *config.Delivery
	o       store.Options
	client  *api.Client   // without a token
	timeout time.Duration // of one request with its retries
	actor   *actor
	own     *Store // of a pod: who may look up why something is refused; nil for nobody
}

// open returns the Vault at d.Vault.Address. TLS, proxy and timeout come from the
// VAULT_ variables that the vault command reads, as does the namespace where d names
// none.
func open(d *config.Delivery, o store.Options) (store.Store, error) {
	if err := transport.CheckAddress("vault.address", d.Vault.Address, o.AllowHTTP, "/v1"); err != nil {
		return nil, err
	}
	if o.Sanitizer == nil {
		o.Sanitizer = &secret.Sanitizer{}
	}
	v := &Store{d: d, o: o}
	var err error
	if v.client, err = v.newClient(d.Vault.Address, func(*tls.Config) {}); err != nil {
		return nil, err
	}
	if v.actor, err = newActor(v.client, o); err != nil {
		return nil, err
	}
	return v, nil
}

// newClient returns a client without a token, and sets the timeout. adjust changes the TLS
// settings that the variables give.
func (v *Store) newClient(address string, adjust func(*tls.Config)) (*api.Client, error) {
	settings := api.DefaultConfig()
	if settings.Error != nil {
		return nil, badEnvironment()
	}
	v.timeout = settings.Timeout
	// The library's minute is long for a person who watches.
	if v.o.Timeout > 0 || os.Getenv(api.EnvVaultClientTimeout) == "" { //nolint:forbidigo // as the vault library does
		v.timeout = cmp.Or(v.o.Timeout, transport.RequestTimeout)
	}

	settings.Address, settings.AgentAddress = address, ""
	settings.Timeout = 0 // the library would end a request before its answer is read; see call
	settings.MaxRetries = transport.MaxRetries
	settings.MinRetryWait, settings.MaxRetryWait = transport.MinRetryWait, transport.MaxRetryWait
	settings.CheckRetry, settings.Backoff = v.checkRetry, transport.Backoff
	tcp := settings.HttpClient.Transport.(*http.Transport) //nolint:forcetypeassert // DefaultConfig makes it so
	tcp.DialContext = transport.Base().DialContext
	tcp.MaxIdleConns, tcp.MaxIdleConnsPerHost = idleConnections, idleConnections
	adjust(tcp.TLSClientConfig)
	if err := transport.CheckProxy("vault.address", address, tcp.Proxy, v.o.AllowHTTP); err != nil {
		return nil, err
	}
	transport.Proxied(tcp, tcp.Proxy)
	settings.HttpClient.Transport = transport.Wrap(transport.SameHost(tcp, address), v.o.Log)

	client, err := api.NewClient(settings)
	if err != nil {
		return nil, badEnvironment()
	}
	client.ClearToken()
	client.SetWrappingLookupFunc(func(string, string) string { return "" }) // VAULT_WRAP_TTL would hide every answer
	if v.d.Vault.Namespace != "" {
		client.SetNamespace(v.d.Vault.Namespace)
	}
	return client, nil
}

// StatusVersions implements [store.Store]: the provider writes an HMAC in place of
// the version.
func (v *Store) StatusVersions(context.Context, config.Secret) ([]string, error) {
	return nil, store.ErrNoStatusVersion
}

// checkRetry is transport's, but for a sealed Vault, which stays so until somebody
// comes.
func (v *Store) checkRetry(ctx context.Context, resp *http.Response, err error) (bool, error) {
	if resp != nil && strings.HasSuffix(resp.Request.URL.Path, "/sys/seal-status") {
		return false, nil // it only explains what another request met
	}
	if resp != nil && resp.StatusCode == http.StatusServiceUnavailable && v.unusable(ctx) != nil {
		return false, nil //nolint:nilerr // the 503 itself is the answer
	}
	return transport.CheckRetry(ctx, resp, err)
}

// call bounds a request and the reading of its answer.
func (v *Store) call(ctx context.Context) (context.Context, context.CancelFunc) {
	if v.timeout <= 0 {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, v.timeout)
}

// get reads the data at a path into out. found is false where Vault says that
// there is none; then out may hold what it says about deleted data.
func (v *Store) get(ctx context.Context, path string, out any) (found bool, err error) {
	return v.read(ctx, path, nil, out)
}

// list returns the names at a path; those of folders end in a slash.
func (v *Store) list(ctx context.Context, path string) ([]string, error) {
	var out struct {
		Keys []string `json:"keys"`
	}
	_, err := v.read(ctx, path, map[string][]string{"list": {"true"}}, &out)
	return out.Keys, err
}

func (v *Store) read(ctx context.Context, path string, query map[string][]string, out any) (found bool, err error) {
	client, err := v.actor.client(ctx, v)
	if err != nil {
		return false, err
	}
	ctx, cancel := v.call(ctx)
	defer cancel()
	resp, err := client.Logical().ReadRawWithDataWithContext(ctx, path, query)
	if resp != nil {
		defer func() { _ = resp.Body.Close() }()
	}
	absent := false
	if refused, ok := errors.AsType[*api.ResponseError](err); ok {
		absent = refused.StatusCode == http.StatusNotFound && !refused.RawError && len(refused.Errors) == 0
	}
	if err != nil && !absent {
		return false, err
	}
	var body struct {
		Data     json.RawMessage   `json:"data"`
		Errors   json.RawMessage   `json:"errors"`
		Warnings []json.RawMessage `json:"warnings"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&body); err != nil {
		return false, unexpected(err)
	}
	switch {
	case len(body.Data) > 0 && string(body.Data) != "null":
		if err := json.Unmarshal(body.Data, out); err != nil {
			return false, unexpected(err)
		}
		return !absent, nil
	case absent && (body.Errors != nil || body.Warnings != nil):
		return false, nil
	}
	return false, errUnexpected
}

// put writes to a path and returns the data of the answer, if there is any.
func (v *Store) put(ctx context.Context, path string, body map[string]any) (map[string]any, error) {
	client, err := v.actor.client(ctx, v)
	if err != nil {
		return nil, err
	}
	ctx, cancel := v.call(ctx)
	defer cancel()
	// The raw variant loses the body when a standby redirects to the active node.
	answer, err := client.Logical().WriteWithContext(ctx, path, body)
	if err != nil || answer == nil {
		return nil, unexpected(err)
	}
	return answer.Data, nil
}

// unexpected distinguishes an answer that cannot be decoded from one that did not come. The
// decoder's own errors quote what it has read.
func unexpected(err error) error {
	_, unsent := errors.AsType[*url.Error](err)
	_, syntax := errors.AsType[*json.SyntaxError](err)
	_, mistyped := errors.AsType[*json.UnmarshalTypeError](err)
	cut := errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
	if !unsent && (syntax || mistyped || cut) {
		return errUnexpected
	}
	return err
}
