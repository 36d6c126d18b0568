package azure

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"

	"github.com/secretctl/secretctl/internal/secret"
)

// The codes of a login by workload identity whose federated credential is not
// known yet, as for some minutes after it was made.
const (
	noFederatedCredential      = 70021
	noMatchingFederatedSubject = 700213
)

const (
	loginHint     = "run: az login, or set AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET"
	federatedHint = "the federated credential that secretctl logs in with has to name the token's issuer, subject and audience, exactly"
)

var refusalHints = map[int]string{
	50173:                      "the login has expired: run az login again",
	50076:                      "the tenant wants a second factor: run az login again",
	700016:                     "is AZURE_CLIENT_ID right, and AZURE_TENANT_ID its tenant?",
	700082:                     "the login has expired: run az login again",
	90002:                      "there is no such tenant: see azure.tenantID and AZURE_TENANT_ID",
	7000215:                    "AZURE_CLIENT_SECRET is not the client's secret",
	7000222:                    "AZURE_CLIENT_SECRET has expired",
	noFederatedCredential:      federatedHint,
	noMatchingFederatedSubject: federatedHint,
}

// LoginError says that nobody is logged in, or that a login was refused. It
// repeats nothing of what the server said but the codes.
type LoginError struct {
	text, hint string
	codes      []int // of Entra ID, without "AADSTS"
}

func (e *LoginError) Error() string { return "azure: " + e.text }

// Hint says what to do.
func (e *LoginError) Hint() string { return e.hint }

// NonRetriable tells the SDK that another try would end the same.
func (*LoginError) NonRetriable() {}

// Spreading says whether Azure may have to learn of a new federated credential
// first, which takes up to 10 minutes.
func (e *LoginError) Spreading() bool {
	return slices.Contains(e.codes, noFederatedCredential) || slices.Contains(e.codes, noMatchingFederatedSubject)
}

// Code returns the code of Entra ID's refusal, without "AADSTS"; 0 where there is none.
func (e *LoginError) Code() int {
	if len(e.codes) == 0 {
		return 0
	}
	return e.codes[0]
}

func newLoginError(err error) *LoginError {
	if known, ok := errors.AsType[*LoginError](err); ok {
		return known
	}
	if failed, ok := errors.AsType[*azidentity.AuthenticationFailedError](err); ok && failed.RawResponse != nil {
		return refusedLogin(failed.RawResponse)
	}
	return &LoginError{text: "no login that works was found", hint: loginHint}
}

func refusedLogin(resp *http.Response) *LoginError {
	e := &LoginError{text: fmt.Sprintf("the login was refused with %d", resp.StatusCode), hint: loginHint}
	var answer struct {
		Codes []int `json:"error_codes"`
	}
	body, err := runtime.Payload(resp)
	if err != nil || json.Unmarshal(body, &answer) != nil || len(answer.Codes) == 0 {
		return e
	}
	e.codes = answer.Codes
	e.text = fmt.Sprintf("the login was refused (AADSTS%d)", e.codes[0])
	e.hint = refusalHints[e.codes[0]]
	if e.hint == "" {
		e.hint = fmt.Sprintf("https://login.microsoftonline.com/error?code=%d says what the code means", e.codes[0])
	}
	return e
}

// login gives tokens of another credential, remembers them, and gives up for good
// where there is no login: a token takes a second or more, and there are many
// clients and many more requests.
type login struct {
	find  func() (azcore.TokenCredential, error) // where next is nil
	learn func(...secret.Value)

	mu     sync.Mutex
	next   azcore.TokenCredential
	tokens map[string]azcore.AccessToken // by what was asked for
	failed *LoginError
}

// fresh is how long a token that is given out is valid at least.
const fresh = 10 * time.Minute

// GetToken implements [azcore.TokenCredential].
func (l *login) GetToken(ctx context.Context, o policy.TokenRequestOptions) (azcore.AccessToken, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	asked := fmt.Sprint(o.Scopes, o.TenantID, o.Claims)
	if token, known := l.tokens[asked]; known && time.Until(token.ExpiresOn) > fresh {
		return token, nil
	}
	if l.failed != nil {
		return azcore.AccessToken{}, l.failed
	}
	if l.next == nil {
		next, err := l.find()
		if err != nil {
			l.failed = newLoginError(err)
			return azcore.AccessToken{}, l.failed
		}
		l.next = next
	}
	token, err := l.next.GetToken(ctx, o)
	switch {
	case err == nil:
		l.learn(secret.New([]byte(token.Token)))
		l.tokens[asked] = token
		return token, nil
	case ctx.Err() != nil:
		return azcore.AccessToken{}, ctx.Err()
	}
	failed := newLoginError(err)
	if !failed.Spreading() {
		l.failed = failed
	}
	return azcore.AccessToken{}, failed
}
