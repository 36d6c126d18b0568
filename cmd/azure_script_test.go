package cmd_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azsecrets"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/secretctl/secretctl/cmd"
	"github.com/secretctl/secretctl/internal/sandbox/aidbox"
	"github.com/secretctl/secretctl/internal/sandbox/keyvault"
	"github.com/secretctl/secretctl/internal/sandbox/mount"
	"github.com/secretctl/secretctl/internal/store/keyvault/azure"
	"github.com/secretctl/secretctl/test/entra"
	"github.com/secretctl/secretctl/test/sandboxtest"
)

// standInVariable tells a secretctl of a script where the stand-ins for Azure are.
const standInVariable = "SANDBOX_AZURE"

// standIns is where they are, and as whom they are reached. Token is empty for
// nobody, and "own" for whoever the environment says.
type standIns struct {
	Addresses map[string]string // host:port by the name of the real one; no other is found
	CA        []byte
	Host      string // that the certificate is for; "" where it is for the real ones
	Token     string
}

// runHere runs secretctl as its own process: against real servers, or with the
// stand-ins in the place of Azure.
func runHere(main func() int) int {
	text := os.Getenv(standInVariable)
	if text == "" {
		return main()
	}
	var s standIns
	if err := json.Unmarshal([]byte(text), &s); err != nil {
		return 1
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	return cmd.Run(ctx, os.Args[1:], cmd.IO{
		In: os.Stdin, Out: os.Stdout, Err: os.Stderr, LookupEnv: os.LookupEnv, Azure: s.access(),
	})
}

// access reaches the stand-ins under the names of the real ones.
func (s standIns) access() azure.Access {
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(s.CA)
	dial := func(ctx context.Context, network, address string) (net.Conn, error) {
		host, _, _ := net.SplitHostPort(address)
		if s.Addresses[host] == "" {
			return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
		}
		return new(net.Dialer).DialContext(ctx, network, s.Addresses[host])
	}
	client := &http.Client{
		Transport:     &http.Transport{DialContext: dial, TLSClientConfig: &tls.Config{RootCAs: roots, ServerName: s.Host, MinVersion: tls.VersionTLS12}},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	if s.Token == ownLogin {
		return azure.Access{Transport: client}
	}
	return azure.Access{Credential: token(s.Token), Transport: client}
}

const ownLogin = "own"

// token is a credential that needs no login.
type token string

func (t token) GetToken(context.Context, policy.TokenRequestOptions) (azcore.AccessToken, error) {
	if t == "" {
		return azcore.AccessToken{}, azidentity.NewCredentialUnavailableError("nobody is logged in")
	}
	return azcore.AccessToken{Token: string(t), ExpiresOn: time.Now().Add(time.Hour)}, nil
}

func TestAzureScripts(t *testing.T) {
	files, err := filepath.Glob("testdata/azure/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			t.Parallel()
			s := &azureScriptEnv{}
			testscript.Run(t, testscript.Params{
				Files: []string{file},
				Setup: func(env *testscript.Env) error {
					env.Setenv("NO_PROXY", "127.0.0.1")
					env.Setenv("GORACE", "atexit_sleep_ms=0") // else each process ends a second after its work
					return nil
				},
				Cmds: map[string]func(*testscript.TestScript, bool, []string){
					"azure": s.start, "keyvault": s.change, "apply": s.apply, "cluster": s.cluster, "job": s.job, "on-node": s.onNode, "exits": exits,
					"pause-mount": func(*testscript.TestScript, bool, []string) { s.mount.Close() },
					"passes":      hasStatus("pass"), "failed": hasStatus("fail"), "unknown": hasStatus("unknown"), "skipped": hasStatus("skip"),
				},
			})
		})
	}
}

// azureScriptEnv is the servers of a script, and who it acts as.
type azureScriptEnv struct {
	keyVaults []*sandboxtest.KeyVault
	azure     *keyvault.Azure
	mount     *mount.Mount
	metadata  string // host:port of a node's metadata service, or ""
}

// The Key Vaults of a script: the first is meant where none is named.
var scriptVaults = []string{"contoso-aidbox", "fabrikam"}

// start [SETTLING] starts the Key Vaults and the resource manager, and tells the
// configs where they are.
func (s *azureScriptEnv) start(ts *testscript.TestScript, _ bool, args []string) {
	o := keyvault.Options{TenantID: "1e7d0000-0000-4000-8000-000000000001"}
	settling := 0
	if len(args) > 0 {
		settling, _ = strconv.Atoi(args[0])
	}
	var servers []*keyvault.Server
	for _, o.Name = range scriptVaults {
		v, err := sandboxtest.NewKeyVault(o, settling)
		ts.Check(err)
		ts.Defer(v.Close)
		s.keyVaults, servers = append(s.keyVaults, v), append(servers, v.Server)
	}
	var err error
	s.azure, err = keyvault.StartAzure(keyvault.AzureOptions{KeyVaults: servers, Wrap: entra.New().Wrap})
	ts.Check(err)
	ts.Defer(s.azure.Close)
	s.as(ts, s.azure.Token)
	configs, err := filepath.Glob(ts.MkAbs("*.yaml"))
	ts.Check(err)
	for _, path := range configs {
		text, err := os.ReadFile(path)
		ts.Check(err)
		text = []byte(strings.NewReplacer("SUBSCRIPTION", s.azure.Subscription, "TENANT", s.azure.TenantID, "CLIENT_ID", s.azure.KubeletClientID).Replace(string(text)))
		ts.Check(os.WriteFile(path, text, 0o600))
	}
}

// as lets secretctl act as the owner of a token.
func (s *azureScriptEnv) as(ts *testscript.TestScript, token string) {
	in := standIns{Addresses: map[string]string{}, CA: s.azure.CA, Token: token}
	in.Addresses["169.254.169.254"] = s.metadata
	for _, host := range []string{"management.azure.com", "login.microsoftonline.com"} {
		in.Addresses[host] = strings.TrimPrefix(s.azure.URL, "https://")
	}
	for i, v := range s.keyVaults {
		in.Addresses[scriptVaults[i]+".vault.azure.net"] = strings.TrimPrefix(v.URL, "https://")
		in.CA = append(in.CA, v.CA...)
	}
	text, err := json.Marshal(in)
	ts.Check(err)
	ts.Setenv(standInVariable, string(text))
}

// change does something to a Key Vault that secretctl does not do. NAME is that of
// a secret in the first one, or KEYVAULT/NAME.
func (s *azureScriptEnv) change(ts *testscript.TestScript, _ bool, args []string) {
	ctx, at := context.Background(), 0
	if vault, name, ok := strings.Cut(args[1], "/"); ok {
		at, args[1] = slices.Index(scriptVaults, vault), name
	}
	client, err := azsecrets.NewClient("https://"+scriptVaults[at]+".vault.azure.net", token(s.azure.Token), &azsecrets.ClientOptions{
		ClientOptions: policy.ClientOptions{Transport: s.azure.Client},
	})
	ts.Check(err)
	number := func() int {
		n, err := strconv.Atoi(args[1])
		ts.Check(err)
		return n
	}
	switch args[0] {
	case "store": // NAME VALUE [TAG VALUE]...
		tags := map[string]*string{}
		for i := 3; i+1 < len(args); i += 2 {
			tags[args[i]] = &args[i+1]
		}
		_, err = client.SetSecret(ctx, args[1], azsecrets.SetSecretParameters{Value: &args[2], Tags: tags}, nil)
	case "delete":
		_, err = client.DeleteSecret(ctx, args[1], nil)
	case "disable", "enable":
		on := &azsecrets.SecretAttributes{Enabled: to.Ptr(args[0] == "enable")}
		_, err = client.UpdateSecretProperties(ctx, args[1], "", azsecrets.UpdateSecretPropertiesParameters{SecretAttributes: on}, nil)
	case "throttle":
		s.keyVaults[at].Throttle(number(), time.Second)
	case "forbid": // REQUESTS CODE
		s.keyVaults[at].Forbid(number(), args[2])
	case "delay-access":
		s.keyVaults[at].DelayAccess(number())
	case "as":
		switch args[1] {
		case "officer":
			s.as(ts, s.azure.Token)
		case "roleless":
			s.as(ts, s.keyVaults[0].NewToken(""))
		case "reader":
			s.as(ts, s.keyVaults[0].NewToken(keyvault.Reader))
		case "nobody":
			s.as(ts, "")
		case ownLogin:
			s.as(ts, ownLogin)
		}
	case "versions": // NAME N
		found := 0
		for pages := client.NewListSecretPropertiesVersionsPager(args[1], nil); pages.More(); {
			page, err := pages.NextPage(ctx)
			ts.Check(err)
			found += len(page.Value)
		}
		if strconv.Itoa(found) != args[2] {
			ts.Fatalf("%s has %d versions, not %s", args[1], found, args[2])
		}
	default:
		ts.Fatalf("keyvault %s is not known", args[0])
	}
	ts.Check(err)
}

// apply mounts what a file of manifests describes, as the identity that it names,
// and starts Aidbox on it.
func (s *azureScriptEnv) apply(ts *testscript.TestScript, _ bool, args []string) {
	root := ts.MkAbs("root")
	var err error
	s.mount, err = mount.Start(context.Background(), mount.Options{
		Manifests: []byte(ts.ReadFile(args[0])), Root: root, Interval: 50 * time.Millisecond, Azure: s.azure,
	})
	ts.Check(err)
	ts.Defer(s.mount.Close)
	aidbox, err := aidbox.Start(aidbox.Options{VaultConfig: "/etc/aidbox/vault-config.json", Root: root, CacheTTL: 20 * time.Millisecond})
	ts.Check(err)
	ts.Defer(aidbox.Close)
	ts.Setenv("SECRETCTL_AIDBOX_URL", aidbox.URL)
	ts.Setenv("AIDBOX_CLIENT_SECRET", aidbox.RootSecret)
	ts.Setenv(mountVariable, filepath.Join(root, "run/azure-secrets"))
	ts.Setenv(vaultConfigVariable, filepath.Join(root, "etc/aidbox/vault-config.json"))
}
