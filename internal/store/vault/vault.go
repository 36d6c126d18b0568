// Package vault is everything about HashiCorp Vault as a store: the KV values, what
// lets the pod read them, its login, and how errors of Vault read.
package vault

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/vault/api"

	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/secret"
	"github.com/secretctl/secretctl/internal/transport"
)

// The library keeps as few idle connections as there are processors, and would
// open a new one for nearly every request of a run.
const idleConnections = 256

// requestTimeout is for one request with its retries, where VAULT_CLIENT_TIMEOUT
// says nothing: the library's minute is long for somebody who watches.
const requestTimeout = 15 * time.Second

// errForeign is an answer that no Vault gives.
var errForeign = errors.New("not an answer of Vault")

// Options is what the delivery does not say.
type Options struct {
	Token     secret.Value // default: VAULT_TOKEN, else what the last "vault login" left
	Anonymous bool         // no token, and none is looked for: good for [Store.Reach] and [Store.LoginAs]
	AllowHTTP bool         // plain http to another host is fine
	Log       io.Writer    // gets a line for each request; nil for none
}

// Store is the HashiCorp Vault of one delivery. Its methods can be called at the
// same time. Its errors are one line that names the object, without anything
// that was sent.
type Store struct {
	d       *config.Delivery
	client  *api.Client
	timeout time.Duration // of one request with its retries

	mu      sync.Mutex
	private []secret.Value // what no error may repeat
}

// New returns the Vault at d.Vault.Address, and makes no request. TLS, proxy
// and timeout come from the VAULT_ variables that the vault command reads, as
// does the namespace where d names none. Without a token the error is [store.ErrNoToken].
func New(d *config.Delivery, o Options) (*Store, error) {
	if err := transport.CheckAddress("vault.address", d.Vault.Address, o.AllowHTTP); err != nil {
		return nil, err
	}
	var token secret.Value
	if !o.Anonymous {
		var err error
		if token, err = findToken(d, o.Token); err != nil {
			return nil, err
		}
	}
	settings := api.DefaultConfig()
	if settings.Error != nil {
		return nil, fmt.Errorf("vault: settings in the environment: %w", settings.Error)
	}
	v := &Store{d: d, timeout: settings.Timeout, private: []secret.Value{token}}
	if os.Getenv(api.EnvVaultClientTimeout) == "" { //nolint:forbidigo // as the vault library does
		v.timeout = requestTimeout
	}

	settings.Address, settings.AgentAddress = d.Vault.Address, ""
	settings.Timeout = 0 // the library would end a request before its answer is read; see call
	settings.MaxRetries = transport.MaxRetries
	settings.MinRetryWait, settings.MaxRetryWait = transport.MinRetryWait, transport.MaxRetryWait
	settings.CheckRetry, settings.Backoff = v.checkRetry, transport.Backoff
	tcp := settings.HttpClient.Transport.(*http.Transport) //nolint:forcetypeassert // DefaultConfig makes it so
	tcp.MaxIdleConns, tcp.MaxIdleConnsPerHost = idleConnections, idleConnections
	settings.HttpClient.Transport = transport.Wrap(guard{tcp, o.AllowHTTP}, o.Log)

	client, err := api.NewClient(settings)
	if err != nil {
		return nil, fmt.Errorf("vault: settings in the environment: %w", err)
	}
	client.SetToken(string(token.Reveal()))
	client.SetWrappingLookupFunc(func(string, string) string { return "" }) // VAULT_WRAP_TTL would hide every answer
	if d.Vault.Namespace != "" {
		client.SetNamespace(d.Vault.Namespace)
	}
	v.client = client
	return v, nil
}

// guard refuses to follow a redirect to where the token may not go.
type guard struct {
	next      http.RoundTripper
	allowHTTP bool
}

func (g guard) RoundTrip(req *http.Request) (*http.Response, error) {
	if err := transport.CheckAddress("redirect", req.URL.Scheme+"://"+req.URL.Host, g.allowHTTP); err != nil {
		return nil, errors.New(err.Error()) // it is the server's mistake, not the user's
	}
	return g.next.RoundTrip(req)
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
	ctx, cancel := v.call(ctx)
	defer cancel()
	resp, err := v.client.Logical().ReadRawWithDataWithContext(ctx, path, query)
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
		return false, foreign(err)
	}
	switch {
	case len(body.Data) > 0 && string(body.Data) != "null":
		if err := json.Unmarshal(body.Data, out); err != nil {
			return false, foreign(err)
		}
		return !absent, nil
	case absent && (body.Errors != nil || body.Warnings != nil):
		return false, nil
	}
	return false, errForeign
}

// put writes to a path and returns the data of the answer, if there is any.
func (v *Store) put(ctx context.Context, path string, body map[string]any) (map[string]any, error) {
	ctx, cancel := v.call(ctx)
	defer cancel()
	// The raw variant loses the body when a standby redirects to the active node.
	answer, err := v.client.Logical().WriteWithContext(ctx, path, body)
	if err != nil || answer == nil {
		return nil, foreign(err)
	}
	return answer.Data, nil
}

// foreign tells an answer that cannot be decoded from one that did not come. The
// decoder's own errors quote what it has read.
func foreign(err error) error {
	_, unsent := errors.AsType[*url.Error](err)
	_, syntax := errors.AsType[*json.SyntaxError](err)
	_, mistyped := errors.AsType[*json.UnmarshalTypeError](err)
	cut := errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
	if !unsent && (syntax || mistyped || cut) {
		return errForeign
	}
	return err
}

// keepPrivate adds values that no error may repeat from now on.
func (v *Store) keepPrivate(values ...secret.Value) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.private = append(v.private, values...)
}
