// Package azure owns what all clients of Azure share: the cloud, the login, what is
// retried, and how an error response is restated in one line. Of what a server says it
// shows codes, and short texts without private values.
package azure

import (
	"cmp"
	"context"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/arm"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"

	"github.com/secretctl/secretctl/internal/secret"
	"github.com/secretctl/secretctl/internal/transport"
)

const (
	idleConnections = 256
	creationTimeout = time.Minute // the resource manager is slow to answer a creation
)

// Access says who logs in to Azure, and how it is reached. The zero value is whoever
// is logged in on this machine, over the network.
type Access struct {
	Credential azcore.TokenCredential // default: azidentity's DefaultAzureCredential
	Transport  policy.Transporter     // default: the network
	Timeout    time.Duration          // of a request without its retries; default: [transport.RequestTimeout]
	Log        io.Writer              // gets a line for each request; nil for none
	Sanitizer  *secret.Sanitizer      // learns tokens, and cleans what Azure says
}

// Session is one login at one cloud, for any number of clients.
type Session struct {
	cloud     cloudNames
	login     *login
	client    *http.Client
	sanitizer *secret.Sanitizer
	timeout   time.Duration
	throttled atomic.Bool // the last response was 429
}

// NewSession makes no request, and looks for a login when one is first needed. Without
// tenantID the login's default tenant is used.
func NewSession(cloudName, tenantID string, a Access) *Session {
	s := &Session{cloud: namesOf(cloudName), sanitizer: cmp.Or(a.Sanitizer, &secret.Sanitizer{}), timeout: cmp.Or(a.Timeout, transport.RequestTimeout)}
	s.client = &http.Client{
		Transport:     transport.Wrap(&monitor{s, roundTripper(a.Transport)}, a.Log),
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }, // no secret goes elsewhere
	}
	s.login = s.newLogin(func() (azcore.TokenCredential, error) {
		if a.Credential != nil {
			return a.Credential, nil
		}
		found, err := azidentity.NewDefaultAzureCredential(&azidentity.DefaultAzureCredentialOptions{ClientOptions: s.loginOptions(), TenantID: tenantID})
		if err != nil { // it reads no other setting
			return nil, &LoginError{text: "AZURE_TOKEN_CREDENTIALS has an unknown value", hint: "unset it, or set it to dev or prod"}
		}
		return found, nil
	})
	return s
}

// Federated returns a session in the same cloud, logged in as a pod with workload
// identity is: with a token of the pod's ServiceAccount, as a managed identity.
func (s *Session) Federated(tenantID, clientID string, jwt secret.Value) *Session {
	s.sanitizer.Learn(jwt)
	f := &Session{cloud: s.cloud, client: s.client, sanitizer: s.sanitizer, timeout: s.timeout}
	f.login = s.newLogin(func() (azcore.TokenCredential, error) {
		assertion := func(context.Context) (string, error) { return string(jwt.Reveal()), nil }
		return azidentity.NewClientAssertionCredential(tenantID, clientID, assertion, &azidentity.ClientAssertionCredentialOptions{ClientOptions: s.loginOptions()})
	})
	return f
}

func (s *Session) newLogin(find func() (azcore.TokenCredential, error)) *login {
	return &login{find: find, learn: s.sanitizer.Learn, tokens: map[string]azcore.AccessToken{}}
}

func (s *Session) loginOptions() policy.ClientOptions {
	return policy.ClientOptions{Cloud: s.cloud.configuration, Transport: s.client}
}

// Credential returns the login. Its errors are a [*LoginError].
func (s *Session) Credential() azcore.TokenCredential { return s.login }

// Options returns the options of a data plane client.
func (s *Session) Options() azcore.ClientOptions {
	return azcore.ClientOptions{
		Cloud:     s.cloud.configuration,
		Transport: ownHosts{s},
		Telemetry: policy.TelemetryOptions{ApplicationID: "secretctl"},
		Retry: policy.RetryOptions{
			MaxRetries:    transport.MaxRetries,
			RetryDelay:    transport.MinRetryWait,
			MaxRetryDelay: -1, // honors any Retry-After
			TryTimeout:    s.timeout,
			ShouldRetry:   transport.Transient,
		},
	}
}

// ARM returns the options of a resource manager client.
func (s *Session) ARM() *arm.ClientOptions {
	o := s.Options()
	o.Retry.TryTimeout = max(s.timeout, creationTimeout)
	return &arm.ClientOptions{ClientOptions: o, DisableRPRegistration: true}
}

// ownHosts sends requests only to the cloud's resource manager and Key Vaults. The SDK sends
// the token to whatever address a response names as the next page, or as the state of an
// operation.
type ownHosts struct{ session *Session }

func (o ownHosts) Do(req *http.Request) (*http.Response, error) {
	if !o.session.cloud.has(req.URL) {
		return nil, &transport.RedirectError{}
	}
	return o.session.client.Do(req)
}

// Close closes idle connections. The session can still be used.
func (s *Session) Close() { s.client.CloseIdleConnections() }

// VaultURL returns the address of a Key Vault.
func (s *Session) VaultURL(name string) string { return "https://" + name + "." + s.cloud.vaultDomain }

// VaultScope returns the scope of a token for any Key Vault.
func (s *Session) VaultScope() string { return "https://" + s.cloud.vaultDomain + "/.default" }

// Learn adds values that nothing from a server may repeat from now on.
func (s *Session) Learn(values ...secret.Value) { s.sanitizer.Learn(values...) }

// Text makes a server's text fit to be shown: on one line and without private values.
func (s *Session) Text(text string) string { return s.sanitizer.Line(text) }

func roundTripper(t policy.Transporter) http.RoundTripper {
	if t != nil {
		return transporter{t}
	}
	network, isPlain := http.DefaultTransport.(*http.Transport)
	if !isPlain {
		return http.DefaultTransport
	}
	network = network.Clone()
	transport.Proxied(network, besideMetadata(network.Proxy))
	network.MaxIdleConns, network.MaxIdleConnsPerHost = idleConnections, idleConnections
	return network
}

// besideMetadata is a proxy that gets no request over plain http: all of them are to the
// metadata service of this machine, with a credential or for a token. An answer of the proxy
// in its place would also end the search for a login before az is asked.
func besideMetadata(proxy func(*http.Request) (*url.URL, error)) func(*http.Request) (*url.URL, error) {
	return func(req *http.Request) (*url.URL, error) {
		if req.URL.Scheme == "http" {
			return nil, nil
		}
		return proxy(req)
	}
}

type transporter struct{ policy.Transporter }

func (t transporter) RoundTrip(req *http.Request) (*http.Response, error) { return t.Do(req) }

// monitor notes throttling, and removes challenges without a tenant, over which the
// SDK panics: it indexes the path of the authority without a check.
type monitor struct {
	session *Session
	next    http.RoundTripper
}

// CloseIdleConnections is what [http.Client] calls.
func (m *monitor) CloseIdleConnections() { transport.CloseIdle(m.next) }

func (m *monitor) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := m.next.RoundTrip(req)
	if err != nil {
		return resp, err
	}
	m.session.throttled.Store(resp.StatusCode == http.StatusTooManyRequests)
	if resp.StatusCode == http.StatusUnauthorized {
		_, authority, found := strings.Cut(resp.Header.Get("WWW-Authenticate"), "authorization=")
		authority, _, _ = strings.Cut(authority, " ")
		if found && strings.Count(authority, "/") < 3 {
			resp.Header.Del("WWW-Authenticate")
		}
	}
	return resp, nil
}

// Deref returns what p points to, or the zero value for nil: every field of the SDK
// is a pointer.
func Deref[T any](p *T) (t T) {
	if p != nil {
		t = *p
	}
	return t
}
