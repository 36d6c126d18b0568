package azure_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"github.com/secretctl/secretctl/internal/hint"
	"github.com/secretctl/secretctl/internal/secret"
	"github.com/secretctl/secretctl/internal/store/keyvault/azure"
)

type credential func() (string, time.Duration, error)

func (c credential) GetToken(context.Context, policy.TokenRequestOptions) (azcore.AccessToken, error) {
	token, lifetime, err := c()
	return azcore.AccessToken{Token: token, ExpiresOn: time.Now().Add(lifetime)}, err
}

func TestTokenIsAskedForOnceWhileItIsFresh(t *testing.T) {
	lifetime, asked := time.Hour, 0
	s := azure.NewSession("", "", azure.Access{Credential: credential(func() (string, time.Duration, error) { asked++; return "t0ken", lifetime, nil })})
	get := func(scope string) {
		t.Helper()
		if _, err := s.Credential().GetToken(t.Context(), policy.TokenRequestOptions{Scopes: []string{scope}}); err != nil {
			t.Fatal(err)
		}
	}
	get("a")
	get("a")
	get("b")
	if asked != 2 {
		t.Errorf("asked %d times for two scopes", asked)
	}
	lifetime = time.Minute
	get("c")
	get("c")
	if asked != 4 {
		t.Errorf("asked %d times: a token that ends soon was given out again", asked)
	}
	if got := s.Text("it says t0ken"); strings.Contains(got, "t0ken") {
		t.Errorf("the token is shown: %s", got)
	}
}

func TestNobodyIsLookedForBeforeItIsNeeded(t *testing.T) {
	t.Setenv("AZURE_TOKEN_CREDENTIALS", "no such one")
	s := azure.NewSession("AzureChinaCloud", "", azure.Access{})
	for range 2 {
		_, err := s.Credential().GetToken(t.Context(), policy.TokenRequestOptions{})
		login, ok := errors.AsType[*azure.LoginError](err)
		if !ok || login.Propagating() || !strings.Contains(err.Error(), "AZURE_TOKEN_CREDENTIALS") || hint.Of(err) == "" {
			t.Errorf("error %v, hint %q", err, hint.Of(err))
		}
	}
}

func TestLoginEndsWithTheContext(t *testing.T) {
	s := azure.NewSession("", "", azure.Access{Credential: credential(func() (string, time.Duration, error) { return "", 0, errors.New("cut") })})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Credential().GetToken(ctx, policy.TokenRequestOptions{}); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	if _, err := s.Credential().GetToken(t.Context(), policy.TokenRequestOptions{}); errors.Is(err, context.Canceled) {
		t.Errorf("a later request gets %v", err)
	}
}

func TestTextIsShortAndOnOneLine(t *testing.T) {
	s := azure.NewSession("", "", azure.Access{})
	s.Learn(secret.New([]byte("hunter2")))
	for text, want := range map[string]string{
		"terraform":               "terraform",
		"two\r\nlines\x1b[31m":    "two lines",
		"has hunter2":             "(message withheld: it repeats a secret value)",
		strings.Repeat("x", 1000): strings.Repeat("x", 199) + "…",
	} {
		if got := s.Text(text); got != want {
			t.Errorf("%.20q: %q", text, got)
		}
	}
}

func TestWhatGotNoAnswerIsExplained(t *testing.T) {
	s := azure.NewSession("", "", azure.Access{})
	for want, err := range map[string]error{
		"contoso.vault.azure.net: no answer in time":  &url.Error{Op: "Get", URL: "https://contoso.vault.azure.net/secrets", Err: context.DeadlineExceeded},
		"no answer in time":                           context.DeadlineExceeded,
		"contoso.vault.azure.net: malformed response": &url.Error{Op: "Get", URL: "https://contoso.vault.azure.net/secrets", Err: errors.New("broke")},
		azure.ErrUnexpected.Error():                   errors.New("unmarshalling: hunter2"),
	} {
		if got := s.Explain(t.Context(), err).Error(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Explain(ctx, errors.New("x")); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}

func TestThrottlingIsTheReasonOfATimeout(t *testing.T) {
	transport := answers{StatusCode: http.StatusTooManyRequests}
	s := azure.NewSession("", "", azure.Access{Transport: &transport})
	ask := func() {
		resp, err := s.Client().Get(s.VaultURL("contoso"))
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	ask()
	if err := s.Explain(ctx, context.Canceled); err.Error() != "limits how many requests it takes: context canceled" || !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	transport.StatusCode = http.StatusOK
	ask()
	if err := s.Explain(ctx, context.Canceled); err.Error() != "context canceled" {
		t.Errorf("error %v", err)
	}
}

type answers http.Response

func (a *answers) Do(req *http.Request) (*http.Response, error) {
	resp := http.Response(*a)
	resp.Header, resp.Request, resp.Body = a.Header.Clone(), req, http.NoBody
	return &resp, nil
}

func TestChallengeWithoutTenantDoesNotReachTheSDK(t *testing.T) {
	for challenge, kept := range map[string]bool{
		`Bearer authorization="https://login.microsoftonline.com/x", resource="y"`: true,
		`Bearer authorization="https://login.microsoftonline.com", resource="y"`:   false,
		`Bearer authorization="" resource="https://a/b/c/d"`:                       false,
		`Bearer resource="y"`: true,
	} {
		transport := answers{StatusCode: http.StatusUnauthorized, Header: http.Header{"Www-Authenticate": {challenge}}}
		s := azure.NewSession("", "", azure.Access{Transport: &transport})
		resp, err := s.Client().Get(s.VaultURL("contoso"))
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if got := resp.Header.Get("WWW-Authenticate") != ""; got != kept {
			t.Errorf("%s: kept %v", challenge, got)
		}
	}
}

func TestNoTokenGoesToTheNextPageOnAnotherHost(t *testing.T) {
	for next, sent := range map[string]bool{
		"https://contoso.vault.azure.net/secrets":       true,
		"https://CONTOSO.vault.azure.net:443/secrets":   true,
		"https://management.azure.com/subscriptions":    true,
		"https://elsewhere.invalid/secrets":             false,
		"https://vault.azure.net.elsewhere.invalid":     false,
		"https://contosovault.azure.net":                false,
		"https://management.azure.com.elsewhere":        false,
		"https://management.azure.com@elsewhere":        false,
		"http://contoso.vault.azure.net/secrets":        false,
		"https://contoso.vault.azure.cn/other-cloud":    false,
		"https://elsewhere.invalid/.vault.azure.net":    false,
		"https://elsewhere.invalid?x=y.vault.azure.net": false,
	} {
		asked := false
		s := azure.NewSession("", "", azure.Access{Transport: &answers{StatusCode: http.StatusOK}, Log: writes(func() { asked = true })})
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, next, nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := s.Options().Transport.Do(req)
		if err == nil {
			_ = resp.Body.Close()
		}
		if (err == nil) != sent || asked != sent {
			t.Errorf("%s: sent %v, error %v", next, asked, err)
		} else if text := s.Explain(t.Context(), err); !sent && !strings.Contains(text.Error(), "another host") {
			t.Errorf("%s: %v", next, text)
		}
	}
}

// writes calls a func for each line of a log.
type writes func()

func (w writes) Write(line []byte) (int, error) { w(); return len(line), nil }

func TestRedirectIsNotFollowed(t *testing.T) {
	transport := answers{StatusCode: http.StatusTemporaryRedirect, Header: http.Header{"Location": {"https://elsewhere.invalid"}}}
	s := azure.NewSession("", "", azure.Access{Transport: &transport})
	resp, err := s.Client().Get(s.VaultURL("contoso"))
	if err != nil || resp.StatusCode != http.StatusTemporaryRedirect {
		t.Fatalf("%v, error %v", resp, err)
	}
	_ = resp.Body.Close()
}

func TestNoProxyGetsWhatIsForTheMetadataService(t *testing.T) {
	before := http.DefaultTransport
	defer func() { http.DefaultTransport = before }()
	var dialed string
	http.DefaultTransport = &http.Transport{
		Proxy: func(*http.Request) (*url.URL, error) { return url.Parse("http://proxy.invalid:3128") },
		DialContext: func(_ context.Context, _, address string) (net.Conn, error) {
			dialed = address
			return nil, errors.New("not in a test")
		},
	}
	s := azure.NewSession("", "", azure.Access{})
	for address, want := range map[string]string{
		"http://169.254.169.254/metadata/identity/oauth2/token": "169.254.169.254:80",
		"http://169.254.129.3:8081/msi/token":                   "169.254.129.3:8081",
		s.VaultURL("contoso"):                                   "proxy.invalid:3128",
	} {
		if resp, err := s.Client().Get(address); err == nil {
			_ = resp.Body.Close()
		}
		if dialed != want {
			t.Errorf("%s: connects to %s, want %s", address, dialed, want)
		}
	}
}
