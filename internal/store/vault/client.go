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

	"github.com/hashicorp/vault/api"

	"github.com/secretctl/secretctl/internal/transport"
)

// idleConnections is how many connections are kept open. The library keeps as few as
// there are processors, and would open one for nearly every request.
const idleConnections = 256

const sealStatusPath = "sys/seal-status"

// errUnexpected is a response that Vault does not give.
var errUnexpected = errors.New("unexpected response")

// newClient returns a client without a token, and sets the timeout. adjust changes the
// TLS settings that the VAULT_ variables make.
func (v *Store) newClient(address string, adjust func(*tls.Config)) (*api.Client, error) {
	settings := api.DefaultConfig()
	if settings.Error != nil {
		return nil, badEnvironment()
	}
	v.timeout = settings.Timeout
	// The library's minute is long for a person who waits.
	if v.o.Timeout > 0 || os.Getenv(api.EnvVaultClientTimeout) == "" { //nolint:forbidigo // as the vault library does
		v.timeout = cmp.Or(v.o.Timeout, transport.RequestTimeout)
	}

	settings.Address, settings.AgentAddress = address, ""
	settings.ReadYourWrites = true // a standby that lacks what this run wrote answers 412
	settings.Timeout = 0           // it would end before the response is read; see limit
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
	client.SetWrappingLookupFunc(func(string, string) string { return "" }) // VAULT_WRAP_TTL would hide every response
	if v.d.Vault.Namespace != "" {
		client.SetNamespace(v.d.Vault.Namespace)
	}
	return client, nil
}

// checkRetry is [transport.CheckRetry], but does not wait for a Vault that is sealed, and
// waits for a performance standby that lags behind.
func (v *Store) checkRetry(ctx context.Context, resp *http.Response, err error) (bool, error) {
	if resp != nil && strings.HasSuffix(resp.Request.URL.Path, "/"+sealStatusPath) {
		return false, nil // it only explains why another request failed
	}
	if resp != nil && resp.StatusCode == http.StatusServiceUnavailable && v.unusable(ctx) != nil {
		return false, nil //nolint:nilerr // the 503 is the response
	}
	if resp != nil && resp.StatusCode == http.StatusPreconditionFailed && ctx.Err() == nil {
		return true, nil
	}
	return transport.CheckRetry(ctx, resp, err)
}

// limit bounds a request and the reading of its response.
func (v *Store) limit(ctx context.Context) (context.Context, context.CancelFunc) {
	if v.timeout <= 0 {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, v.timeout)
}

// sealStatus asks the root namespace, which is the only one that answers this.
func sealStatus(ctx context.Context, client *api.Client) (*api.SealStatusResponse, error) {
	status, err := client.WithNamespace("").Sys().SealStatusWithContext(ctx)
	if err = unexpected(err); err == nil && (status == nil || status.Type == "") {
		err = errUnexpected
	}
	return status, err
}

// get reads the data at a path into out. found is false if Vault has none; then out may
// hold what Vault says about deleted data.
func (v *Store) get(ctx context.Context, path string, out any) (found bool, err error) {
	return v.query(ctx, path, nil, out)
}

// list returns the names at a path; those of folders end in a slash.
func (v *Store) list(ctx context.Context, path string) ([]string, error) {
	var out struct {
		Keys []string `json:"keys"`
	}
	_, err := v.query(ctx, path, map[string][]string{"list": {"true"}}, &out)
	return out.Keys, err
}

func (v *Store) query(ctx context.Context, path string, query map[string][]string, out any) (found bool, err error) {
	client, err := v.actor.client(ctx, v)
	if err != nil {
		return false, err
	}
	ctx, cancel := v.limit(ctx)
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
		return !absent, unexpected(json.Unmarshal(body.Data, out))
	case absent && (body.Errors != nil || body.Warnings != nil):
		return false, nil
	}
	return false, errUnexpected
}

// put writes to a path and returns the data of the response, if there is any.
func (v *Store) put(ctx context.Context, path string, body map[string]any) (map[string]any, error) {
	client, err := v.actor.client(ctx, v)
	if err != nil {
		return nil, err
	}
	ctx, cancel := v.limit(ctx)
	defer cancel()
	// The raw variant loses the body when a standby redirects to the active node.
	answer, err := client.Logical().WriteWithContext(ctx, path, body)
	if err != nil || answer == nil {
		return nil, unexpected(err)
	}
	return answer.Data, nil
}

// unexpected returns errUnexpected for an error of the decoder, which quotes what it read.
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
