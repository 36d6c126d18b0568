package sandboxtest

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azsecrets"

	"github.com/secretctl/secretctl/internal/sandbox/keyvault"
)

// KeyVault is a Key Vault with faults to inject.
type KeyVault struct {
	*keyvault.Server

	roleless string // a token
	settling int

	mu         sync.Mutex // guards all below
	throttled  int        // requests still to be answered with 429
	retryAfter time.Duration
	forbidden  int // requests still to be refused, with the code
	code       string
	changes    map[string]*change // under way, by the name of the secret
}

// change is a deletion or a recovery that is under way.
type change struct {
	requests int // that still find it so
	recovery bool
}

// NewKeyVault starts a Key Vault. settling is how many requests for a secret find
// its deletion still under way, and then how many its recovery. As in Azure, a
// secret that is being recovered can soon be read, but not set for some time: that
// takes as many requests again.
func NewKeyVault(o keyvault.Options, settling int) (*KeyVault, error) {
	v := &KeyVault{settling: settling, changes: map[string]*change{}}
	o.Wrap = v.wrap
	var err error
	if v.Server, err = keyvault.Start(o); err != nil {
		return nil, err
	}
	v.roleless = v.NewToken("")
	return v, nil
}

// Throttle answers the next requests with 429, and retryAfter in Retry-After; 0
// leaves the header out.
func (v *KeyVault) Throttle(requests int, retryAfter time.Duration) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.throttled, v.retryAfter = requests, retryAfter
}

// Forbid refuses the next requests whatever the role of their token, with that
// inner code, such as ForbiddenByFirewall.
func (v *KeyVault) Forbid(requests int, code string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.forbidden, v.code = requests, code
}

// DelayAccess refuses the next requests, as Azure does for some minutes after a
// role was assigned.
func (v *KeyVault) DelayAccess(requests int) { v.Forbid(requests, "ForbiddenByRbac") }

func (v *KeyVault) wrap(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		v.mu.Lock()
		defer v.mu.Unlock()
		switch {
		case r.Header.Get("Authorization") == "": // from a client that asks where to log in
			next(w, r)
		case v.throttled > 0:
			v.throttled--
			if v.retryAfter > 0 {
				w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(v.retryAfter.Seconds()))))
			}
			refuse(w, http.StatusTooManyRequests, "Throttled", "", "Request was not processed because too many requests were received. Reason: VaultRequestTypeLimitReached")
		case v.forbidden > 0 && v.code == "ForbiddenByFirewall":
			v.forbidden--
			refuse(w, http.StatusForbidden, "Forbidden", v.code, "Client address is not authorized and caller is not a trusted service.\r\nClient address: 192.0.2.1\r\nVault: "+v.Name+";location=sandbox\r\n")
		case v.forbidden > 0:
			v.forbidden--
			r.Header.Set("Authorization", "Bearer "+v.roleless)
			answer := httptest.NewRecorder()
			next(answer, r)
			w.WriteHeader(answer.Code)
			_, _ = w.Write(bytes.ReplaceAll(answer.Body.Bytes(), []byte("ForbiddenByRbac"), []byte(v.code)))
		default:
			v.settle(w, r, next)
		}
	}
}

// settle answers as Azure does while a deletion or a recovery is under way, and records
// new ones.
func (v *KeyVault) settle(w http.ResponseWriter, r *http.Request, next http.HandlerFunc) {
	kind, rest, _ := strings.Cut(strings.Trim(r.URL.Path, "/"), "/")
	name, below, _ := strings.Cut(rest, "/")
	c := v.changes[name]
	if c == nil || c.requests <= 0 {
		switch {
		case r.Method == http.MethodDelete:
			v.changes[name] = &change{requests: v.settling}
		case below == "recover":
			v.changes[name] = &change{requests: 2 * v.settling, recovery: true}
		}
		next(w, r)
		return
	}
	c.requests--
	state, doing := "ObjectIsBeingDeleted", "deleted"
	if c.recovery {
		state, doing = "ObjectIsBeingRecovered", "recovered"
	}
	switch {
	case r.Method == http.MethodPut || r.Method == http.MethodDelete || below == "recover":
		refuse(w, http.StatusConflict, "Conflict", state, fmt.Sprintf("Secret %s is currently being %s; retry later.", name, doing))
	case c.recovery && c.requests >= v.settling || kind == "deletedsecrets":
		refuse(w, http.StatusNotFound, "SecretNotFound", "", "A secret with (name/id) "+name+" was not found in this key vault.")
	default:
		next(w, r)
	}
}

// refuse answers with an error as Azure does; inner is "" for none.
func refuse(w http.ResponseWriter, status int, code, inner, message string) {
	more := ""
	if inner != "" {
		more = fmt.Sprintf(`, "innererror": {"code": %q}`, inner)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = fmt.Fprintf(w, `{"error": {"code": %q, "message": %q%s}}`, code, message, more)
}

// StartKeyVault starts a Key Vault without a fault.
func StartKeyVault(t *testing.T, o keyvault.Options) *KeyVault {
	t.Helper()
	v, err := NewKeyVault(o, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(v.Close)
	return v
}

// KeyVaultLogin is a credential that has a token already, and keeps what it is asked for.
type KeyVaultLogin struct {
	Token string
	Asked policy.TokenRequestOptions
}

// GetToken implements [azcore.TokenCredential].
func (l *KeyVaultLogin) GetToken(_ context.Context, o policy.TokenRequestOptions) (azcore.AccessToken, error) {
	l.Asked = o
	return azcore.AccessToken{Token: l.Token, ExpiresOn: time.Now().Add(time.Hour)}, nil
}

// KeyVaultClient is the client of the SDK, but that it waits a millisecond before
// another try, unless it is told to wait longer.
func KeyVaultClient(t *testing.T, v *KeyVault, token string) *azsecrets.Client {
	t.Helper()
	client, err := azsecrets.NewClient(v.URL, &KeyVaultLogin{Token: token}, &azsecrets.ClientOptions{
		ClientOptions: azcore.ClientOptions{
			Transport: v.Client,
			Retry:     policy.RetryOptions{RetryDelay: time.Millisecond},
		},
		DisableChallengeResourceVerification: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// SetSecret makes a version of a secret.
func SetSecret(t *testing.T, client *azsecrets.Client, name, value string) azsecrets.SetSecretResponse {
	t.Helper()
	set, err := client.SetSecret(t.Context(), name, azsecrets.SetSecretParameters{Value: &value}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return set
}
