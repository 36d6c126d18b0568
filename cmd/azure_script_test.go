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
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azsecrets"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/secretctl/secretctl/cmd"
	"github.com/secretctl/secretctl/internal/azure"
	"github.com/secretctl/secretctl/internal/sandbox"
)

// standInVariable tells a secretctl of a script where the stand-ins for Azure are.
const standInVariable = "SANDBOX_AZURE"

// standIns is where they are, and as whom they are reached. Token is empty for
// nobody.
type standIns struct {
	KeyVault, ARM string // host:port
	CA            []byte
	Token         string
}

// runHere runs secretctl as its own process: against the real world, or with the
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
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
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
		to := s.KeyVault
		if strings.HasPrefix(address, "management.azure.com:") {
			to = s.ARM
		}
		return new(net.Dialer).DialContext(ctx, network, to)
	}
	client := &http.Client{Transport: &http.Transport{DialContext: dial, TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}}}
	return azure.Access{Credential: token(s.Token), Transport: client}
}

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
			s := &azureStage{}
			testscript.Run(t, testscript.Params{
				Files: []string{file},
				Setup: func(env *testscript.Env) error {
					env.Setenv("NO_PROXY", "127.0.0.1")
					return nil
				},
				Cmds: map[string]func(*testscript.TestScript, bool, []string){
					"azure": s.start, "keyvault": s.change, "apply": s.apply, "exits": exits, "passes": hasStatus("pass"),
				},
			})
		})
	}
}

// azureStage is what a script plays on.
type azureStage struct {
	keyVault *sandbox.KeyVault
	azure    *sandbox.Azure
	mount    *sandbox.Mount
}

// start [SETTLING] starts the Key Vault contoso-aidbox and the resource manager, and
// tells the configs where they are.
func (s *azureStage) start(ts *testscript.TestScript, _ bool, args []string) {
	settling := 0
	if len(args) > 0 {
		settling, _ = strconv.Atoi(args[0])
	}
	var err error
	s.keyVault, err = sandbox.StartKeyVault(sandbox.KeyVaultOptions{Name: "contoso-aidbox", Settling: settling})
	ts.Check(err)
	ts.Defer(s.keyVault.Close)
	s.azure, err = sandbox.StartAzure(sandbox.AzureOptions{KeyVault: s.keyVault})
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
func (s *azureStage) as(ts *testscript.TestScript, token string) {
	text, err := json.Marshal(standIns{
		KeyVault: strings.TrimPrefix(s.keyVault.URL, "https://"), ARM: strings.TrimPrefix(s.azure.URL, "https://"),
		CA: append(s.keyVault.CA, s.azure.CA...), Token: token,
	})
	ts.Check(err)
	ts.Setenv(standInVariable, string(text))
}

// change does something to the Key Vault that secretctl does not do.
func (s *azureStage) change(ts *testscript.TestScript, _ bool, args []string) {
	ctx := context.Background()
	client, err := azsecrets.NewClient("https://contoso-aidbox.vault.azure.net", token(s.keyVault.Token), &azsecrets.ClientOptions{
		ClientOptions: policy.ClientOptions{Transport: s.keyVault.Client},
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
		s.keyVault.Throttle(number(), time.Second)
	case "delay-access":
		s.keyVault.DelayAccess(number())
	case "as":
		switch args[1] {
		case "officer":
			s.as(ts, s.azure.Token)
		case "roleless":
			s.as(ts, s.keyVault.NewToken(""))
		case "nobody":
			s.as(ts, "")
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
func (s *azureStage) apply(ts *testscript.TestScript, _ bool, args []string) {
	root := ts.MkAbs("root")
	var err error
	s.mount, err = sandbox.StartMount(context.Background(), sandbox.MountOptions{
		Manifests: []byte(ts.ReadFile(args[0])), Root: root, Interval: 50 * time.Millisecond,
		KeyVault: s.keyVault, KeyVaultToken: s.azure.PodToken(s.azure.KubeletClientID),
	})
	ts.Check(err)
	ts.Defer(s.mount.Close)
	aidbox, err := sandbox.StartAidbox(sandbox.AidboxOptions{VaultConfig: "/etc/aidbox/vault-config.json", Root: root, CacheTTL: 20 * time.Millisecond})
	ts.Check(err)
	ts.Defer(aidbox.Close)
	ts.Setenv("SECRETCTL_AIDBOX_URL", aidbox.URL)
	ts.Setenv("AIDBOX_CLIENT_SECRET", aidbox.RootSecret)
	ts.Setenv("SECRETCTL_MOUNT_PATH", filepath.Join(root, "run/azure-secrets"))
	ts.Setenv("SECRETCTL_VAULT_CONFIG", filepath.Join(root, "etc/aidbox/vault-config.json"))
}
