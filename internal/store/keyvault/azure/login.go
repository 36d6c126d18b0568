package azure

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"

	"github.com/secretctl/secretctl/internal/secret"
)

// Entra ID answers with these until it knows a new federated credential.
const (
	noFederatedCredential      = 70021
	noMatchingFederatedSubject = 700213
)

const (
	loginHint     = "run: az login, or set AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET"
	federatedHint = "the federated credential that secretctl logs in with must name exactly the token's issuer, subject and audience"
)

var refusalHints = map[int]string{
	50173:                      "the login has expired: run az login again",
	50076:                      "the tenant requires a second factor: run az login again",
	700016:                     "is AZURE_CLIENT_ID right, and AZURE_TENANT_ID its tenant?",
	700082:                     "the login has expired: run az login again",
	90002:                      "tenant not found: check azure.tenantID and AZURE_TENANT_ID",
	7000215:                    "AZURE_CLIENT_SECRET is not the client's secret",
	7000222:                    "AZURE_CLIENT_SECRET has expired",
	noFederatedCredential:      federatedHint,
	noMatchingFederatedSubject: federatedHint,
}

// LoginError says that no login was found, or that Entra ID refused one. Of the
// response it shows only the code.
type LoginError struct {
	text, hint string
	code       int // of Entra ID, without "AADSTS"; 0 for none
}

func (e *LoginError) Error() string { return "azure: " + e.text }

// Hint says what to do.
func (e *LoginError) Hint() string { return e.hint }

// NonRetriable keeps the SDK from retrying.
func (*LoginError) NonRetriable() {}

// Code returns Entra ID's code without "AADSTS", or 0.
func (e *LoginError) Code() int { return e.code }

// Propagating reports whether the login may work once Azure knows a new federated
// credential, which takes up to 10 minutes.
func (e *LoginError) Propagating() bool {
	return e.code == noFederatedCredential || e.code == noMatchingFederatedSubject
}

func newLoginError(err error) *LoginError {
	if known, ok := errors.AsType[*LoginError](err); ok {
		return known
	}
	failed, ok := errors.AsType[*azidentity.AuthenticationFailedError](err)
	if !ok || failed.RawResponse == nil {
		return &LoginError{text: "no login that works was found", hint: loginHint}
	}
	var answer struct {
		Codes []int `json:"error_codes"`
	}
	body, err := runtime.Payload(failed.RawResponse)
	if err != nil || json.Unmarshal(body, &answer) != nil || len(answer.Codes) == 0 {
		return &LoginError{text: fmt.Sprintf("the login was refused with %d", failed.RawResponse.StatusCode), hint: loginHint}
	}
	code := answer.Codes[0]
	return &LoginError{
		text: fmt.Sprintf("the login was refused (AADSTS%d)", code), code: code,
		hint: cmp.Or(refusalHints[code], fmt.Sprintf("https://login.microsoftonline.com/error?code=%d explains the code", code)),
	}
}

// login caches the tokens of another credential for all clients, and does not try
// again after a refusal: each try takes a second or more.
type login struct {
	find  func() (azcore.TokenCredential, error)
	learn func(...secret.Value)

	mu     sync.Mutex
	found  azcore.TokenCredential
	tokens map[string]azcore.AccessToken // by the options of the request
	failed *LoginError
}

// leastLifetime is how long a cached token stays valid at least.
const leastLifetime = 10 * time.Minute

// GetToken implements [azcore.TokenCredential].
func (l *login) GetToken(ctx context.Context, o policy.TokenRequestOptions) (azcore.AccessToken, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	request := fmt.Sprint(o.Scopes, o.TenantID, o.Claims)
	if token, known := l.tokens[request]; known && time.Until(token.ExpiresOn) > leastLifetime {
		return token, nil
	}
	if l.failed != nil {
		return azcore.AccessToken{}, l.failed
	}
	token, err := l.request(ctx, o)
	switch {
	case err == nil:
		l.learn(secret.New([]byte(token.Token)))
		l.tokens[request] = token
		return token, nil
	case ctx.Err() != nil:
		return azcore.AccessToken{}, ctx.Err()
	}
	failed := newLoginError(err)
	if !failed.Propagating() {
		l.failed = failed
	}
	return azcore.AccessToken{}, failed
}

func (l *login) request(ctx context.Context, o policy.TokenRequestOptions) (token azcore.AccessToken, err error) {
	if l.found == nil {
		if l.found, err = l.find(); err != nil {
			return token, err
		}
	}
	return l.found.GetToken(ctx, o)
}
