// Package azure owns what all clients of Azure have in common: which cloud they
// speak to, as whom, what is worth another try, and how a refusal is restated in
// one line that is safe to show. It knows no resource of Azure, and hands on nothing
// that a server says but codes, and short texts after a look for private values.
package azure

import (
	"cmp"
	"context"
	"io"
	"net/http"
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
	creationTimeout = time.Minute // the resource manager takes long to answer for what it creates
)

// Access says as whom and how Azure is reached. The zero value is whoever is
// logged in, over the network.
type Access struct {
	Credential azcore.TokenCredential // default: azidentity's DefaultAzureCredential
	Transport  policy.Transporter     // default: over the network
	Timeout    time.Duration          // of a request, without the tries after it; default: [transport.RequestTimeout]
	Log        io.Writer              // gets a line for each request; nil for none
	Sanitizer  *secret.Sanitizer      // learns tokens, and cleans what Azure says
}

// Session is one login at one cloud. It can be used by several clients at the same
// time, and makes no request by itself.
type Session struct {
	cloud      cloudNames
	credential *login
	client     *http.Client
	sanitizer  *secret.Sanitizer
	timeout    time.Duration
	limited    atomic.Bool // the last answer was that there are too many requests
}

// NewSession prepares a login at the cloud of that name, and looks for nobody who
// is logged in before that is needed. tenantID may be empty: then it is the default
// one of whoever that is.
func NewSession(cloudName, tenantID string, a Access) *Session {
	s := &Session{cloud: namesOf(cloudName), sanitizer: cmp.Or(a.Sanitizer, &secret.Sanitizer{}), timeout: cmp.Or(a.Timeout, transport.RequestTimeout)}
	s.client = &http.Client{
		Transport:     transport.Wrap(&checked{s, roundTripper(a.Transport)}, a.Log),
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }, // a secret goes nowhere else
	}
	s.credential = &login{next: a.Credential, learn: s.sanitizer.Learn, tokens: map[string]azcore.AccessToken{}}
	if a.Credential == nil {
		s.credential.find = func() (azcore.TokenCredential, error) {
			found, err := azidentity.NewDefaultAzureCredential(&azidentity.DefaultAzureCredentialOptions{
				ClientOptions: policy.ClientOptions{Cloud: s.cloud.configuration, Transport: s.client},
				TenantID:      tenantID,
			})
			if err != nil { // the one setting that it reads
				return nil, &LoginError{text: "AZURE_TOKEN_CREDENTIALS has no value that is known", hint: "unset it, or set it to dev or prod"}
			}
			return found, nil
		}
	}
	return s
}

// Federated returns the same cloud as a pod with workload identity is logged in
// there: as a managed identity, for a token of the pod's ServiceAccount.
func (s *Session) Federated(tenantID, clientID string, jwt secret.Value) *Session {
	s.sanitizer.Learn(jwt)
	f := &Session{cloud: s.cloud, client: s.client, sanitizer: s.sanitizer, timeout: s.timeout}
	f.credential = &login{learn: s.sanitizer.Learn, tokens: map[string]azcore.AccessToken{}}
	f.credential.find = func() (azcore.TokenCredential, error) {
		assertion := func(context.Context) (string, error) { return string(jwt.Reveal()), nil }
		return azidentity.NewClientAssertionCredential(tenantID, clientID, assertion, &azidentity.ClientAssertionCredentialOptions{
			ClientOptions: policy.ClientOptions{Cloud: s.cloud.configuration, Transport: s.client},
		})
	}
	return f
}

// Credential returns the login. What goes wrong with it is a [*LoginError].
func (s *Session) Credential() azcore.TokenCredential { return s.credential }

// Options returns what a client of a data plane is made with.
func (s *Session) Options() azcore.ClientOptions {
	return azcore.ClientOptions{
		Cloud:     s.cloud.configuration,
		Transport: s.client,
		Telemetry: policy.TelemetryOptions{ApplicationID: "secretctl"},
		Retry: policy.RetryOptions{
			MaxRetries:    transport.MaxRetries,
			RetryDelay:    transport.MinRetryWait,
			MaxRetryDelay: -1, // Retry-After is kept to, however long it is
			TryTimeout:    s.timeout,
			ShouldRetry:   transport.Transient,
		},
	}
}

// Close closes the connections that no request uses. It may be used afterwards.
func (s *Session) Close() { s.client.CloseIdleConnections() }

// ARM returns what a client of the resource manager is made with.
func (s *Session) ARM() *arm.ClientOptions {
	o := s.Options()
	o.Retry.TryTimeout = max(s.timeout, creationTimeout)
	return &arm.ClientOptions{ClientOptions: o, DisableRPRegistration: true}
}

// VaultURL returns the address of the Key Vault of that name.
func (s *Session) VaultURL(name string) string { return "https://" + name + "." + s.cloud.vaultDomain }

// VaultScope returns what a token for any Key Vault is asked for.
func (s *Session) VaultScope() string { return "https://" + s.cloud.vaultDomain + "/.default" }

// roundTripper makes of the SDK's transport what net/http wants; nil is the network.
func roundTripper(t policy.Transporter) http.RoundTripper {
	if t != nil {
		return transporter{t}
	}
	network, isPlain := http.DefaultTransport.(*http.Transport)
	if !isPlain {
		return http.DefaultTransport
	}
	network = network.Clone()
	transport.Proxied(network, network.Proxy)
	network.MaxIdleConns, network.MaxIdleConnsPerHost = idleConnections, idleConnections
	return network
}

// checked takes away a challenge that the SDK would panic over: it takes the part
// behind the third slash of the authority for the tenant, without looking whether
// there is one. And it keeps in mind for what the SDK waits without a word.
type checked struct {
	session *Session
	next    http.RoundTripper
}

// CloseIdleConnections is what [http.Client] calls.
func (c *checked) CloseIdleConnections() { transport.CloseIdle(c.next) }

func (c *checked) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := c.next.RoundTrip(req)
	if err == nil {
		c.session.limited.Store(resp.StatusCode == http.StatusTooManyRequests)
	}
	if err == nil && resp.StatusCode == http.StatusUnauthorized {
		_, authority, found := strings.Cut(resp.Header.Get("WWW-Authenticate"), "authorization=")
		authority, _, _ = strings.Cut(authority, " ")
		if found && strings.Count(authority, "/") < 3 {
			resp.Header.Del("WWW-Authenticate")
		}
	}
	return resp, err
}

type transporter struct{ policy.Transporter }

func (t transporter) RoundTrip(req *http.Request) (*http.Response, error) { return t.Do(req) }

// Deref returns what p points to, the zero value for nil: the SDK has a pointer for
// every field.
func Deref[T any](p *T) (t T) {
	if p != nil {
		t = *p
	}
	return t
}
