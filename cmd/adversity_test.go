package cmd_test

import (
	"context"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/secretctl/secretctl/cmd"
	"github.com/secretctl/secretctl/internal/sandbox/aidbox"
	"github.com/secretctl/secretctl/internal/sandbox/keyvault"
	"github.com/secretctl/secretctl/internal/sandbox/kubernetes"
	"github.com/secretctl/secretctl/internal/sandbox/vault"
	"github.com/secretctl/secretctl/internal/store/keyvault/azure"
	"github.com/secretctl/secretctl/test/entra"
)

// fixture has stand-ins for all servers, which a command reaches by way of two
// addresses: one for all of Azure, and one for all others. trouble breaks both.
type fixture struct {
	t        *testing.T
	dir      string
	env      map[string]string
	azure    azure.Access
	standIns string // the same for another process
	requests atomic.Int64
	trouble  atomic.Pointer[trouble]
	front    []*httptest.Server
	underWay sync.RWMutex // is held by each request
	written  sync.Map     // how often, by path
	victim   atomic.Pointer[victim]
}

const fixtureConfig = `apiVersion: secretctl.dev/v1
provider: %s
%[1]s: %s
aidbox: {url: "%s"}
resources: [{type: Client, id: basic, secrets: {secret: client-secret}, body: {grant_types: [basic]}, accessPolicy: allow}]
secrets: [{name: client-secret, scope: [Client/basic], value: {generate: {}}}]
`

const fixtureKubeconfig = `current-context: x
contexts: [{name: x, context: {cluster: x, user: x}}]
clusters: [{name: x, cluster: {server: "%s", insecure-skip-tls-verify: true}}]
users: [{name: x, user: {token: kubernetes-t0ken}}]
`

func newFixture(t *testing.T) *fixture {
	t.Helper()
	s := &fixture{t: t, dir: t.TempDir()}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	vault, err := vault.Start()
	must(err)
	t.Cleanup(vault.Close)
	kubernetes, err := kubernetes.Start()
	must(err)
	t.Cleanup(kubernetes.Close)
	aidbox, err := aidbox.Start(aidbox.Options{})
	must(err)
	t.Cleanup(aidbox.Close)
	keyVault, err := keyvault.Start(keyvault.Options{Name: "contoso-aidbox"})
	must(err)
	t.Cleanup(keyVault.Close)
	manager, err := keyvault.StartAzure(keyvault.AzureOptions{KeyVaults: []*keyvault.Server{keyVault}, Wrap: entra.New().Wrap})
	must(err)
	t.Cleanup(manager.Close)

	plain := quiet(s.between(func(r *http.Request) (string, http.RoundTripper) {
		if strings.HasPrefix(r.URL.Path, "/v1/") {
			return vault.URL, nil
		}
		return aidbox.URL, nil
	}))
	overTLS := quiet(s.between(func(r *http.Request) (string, http.RoundTripper) {
		if strings.HasPrefix(r.URL.Path, "/api") {
			return kubernetes.URL, nil
		}
		return "https://" + r.Host, manager.Client.Transport
	}))
	plain.Start()
	overTLS.StartTLS()
	t.Cleanup(plain.Close)
	t.Cleanup(overTLS.Close)
	s.front = []*httptest.Server{plain, overTLS}
	s.findAzure(overTLS, manager.Token)
	s.env = map[string]string{"VAULT_TOKEN": vault.RootToken, "AIDBOX_CLIENT_SECRET": aidbox.RootSecret}
	for name, text := range map[string]string{
		"vault.yaml": fmt.Sprintf(fixtureConfig, "vault", fmt.Sprintf("{address: %q, csiAddress: \"http://vault.default:8200\", kubernetesHost: %q}", plain.URL, kubernetes.URL), plain.URL),
		"azure.yaml": fmt.Sprintf(fixtureConfig, "azure", fmt.Sprintf("{keyVault: contoso-aidbox, subscriptionID: %s, resourceGroup: aidbox-rg, cluster: aidbox-aks}", manager.Subscription), plain.URL),
		"infra.yaml": fmt.Sprintf(fixtureConfig, "azure", fmt.Sprintf("{keyVault: contoso-aidbox, subscriptionID: %s, resourceGroup: aidbox-rg, tenantID: %s, location: eastus}", manager.Subscription, manager.TenantID), plain.URL),
		"kubeconfig": fmt.Sprintf(fixtureKubeconfig, overTLS.URL),
	} {
		must(os.WriteFile(filepath.Join(s.dir, name), []byte(text), 0o600))
	}
	return s
}

// quiet makes a server that does not tell what clients do to it.
func quiet(handler http.Handler) *httptest.Server {
	server := httptest.NewUnstartedServer(handler)
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	return server
}

// findAzure has the commands take a server for all of Azure.
func (s *fixture) findAzure(server *httptest.Server, token string) {
	where := standIns{
		Host: "example.com", Token: token, Addresses: map[string]string{},
		CA: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}),
	}
	for _, host := range []string{"management.azure.com", "contoso-aidbox.vault.azure.net"} {
		where.Addresses[host] = server.Listener.Addr().String()
	}
	text, err := json.Marshal(where)
	if err != nil {
		s.t.Fatal(err)
	}
	s.azure, s.standIns = where.access(), string(text)
}

// between spoils what goes to the servers, or hands it on.
func (s *fixture) between(server func(*http.Request) (string, http.RoundTripper)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		first := s.requests.Add(1) == 1
		switch f := s.trouble.Load(); {
		case f == nil:
		case f.delay > 0:
			<-time.After(f.delay)
		case (first || !f.passes) && (!f.writes || r.Method != http.MethodGet):
			f.spoil(w, r)
			return
		}
		address, transport := server(r)
		s.underWay.RLock()
		defer s.underWay.RUnlock()
		proxy := httputil.ReverseProxy{ModifyResponse: s.note, Transport: transport, ErrorLog: log.New(io.Discard, "", 0), Rewrite: func(r *httputil.ProxyRequest) {
			r.Out.URL.Scheme, r.Out.URL.Host, _ = strings.Cut(address, "://")
		}}
		proxy.ServeHTTP(w, r)
	})
}

// run runs secretctl and looks for what is secret in what it printed.
func (s *fixture) run(args ...string) (code int, out, narration string) {
	s.t.Helper()
	var stdout, stderr lockedBuffer
	streams := cmd.IO{
		In: strings.NewReader(""), Out: &stdout, Err: &stderr, Azure: s.azure,
		LookupEnv: func(name string) (string, bool) { v, ok := s.env[name]; return v, ok },
	}
	code = cmd.Run(s.t.Context(), args, streams)
	for name, value := range s.env {
		if strings.Contains(stdout.String()+stderr.String(), value) {
			s.t.Errorf("%v shows %s:\n%s%s", args, name, stdout.String(), stderr.String())
		}
	}
	return code, stdout.String(), stderr.String()
}

// talkers are the commands that ask servers; the first word says which config.
var talkers = []string{
	"vault provision",
	"vault rotate client-secret --no-verify",
	"vault diff --only store",
	"vault client apply",
	"vault client get",
	"vault client delete --all --yes",
	"vault diff --only aidbox",
	"vault verify client",
	"azure provision",
	"azure rotate client-secret --no-verify",
	"azure diff --only store",
	"azure render",
}

// others ask a server too, for which there is no stand-in that does it all.
var others = []string{
	"infra infra --phase group,vault",
	"vault diff --only cluster --kubeconfig DIR/kubeconfig",
	"vault verify auth",
	"vault verify scope",
	"vault verify workload --kubeconfig DIR/kubeconfig",
	"vault doctor --kubeconfig DIR/kubeconfig",
	"azure doctor --kubeconfig DIR/kubeconfig",
}

// at runs one of the talkers.
func (s *fixture) at(talker, timeout string) (code int, out, narration string) {
	s.t.Helper()
	words := strings.Fields(strings.ReplaceAll(talker, "DIR", s.dir))
	return s.run(append(words[1:], "-c", filepath.Join(s.dir, words[0]+".yaml"), "--timeout", timeout)...)
}

func TestCommandsGetOverAFault(t *testing.T) {
	t.Parallel()
	var all errgroup.Group
	all.SetLimit(16)
	for name, f := range troubles("") {
		for _, talker := range talkers {
			if !f.passes {
				continue
			}
			all.Go(func() error {
				s := newFixture(t)
				for _, before := range []string{"vault provision", "azure provision", "vault client apply"} {
					if code, _, narration := s.at(before, "1m"); code != 0 {
						t.Errorf("%s: exit code %d: %s", before, code, narration)
						return nil
					}
				}
				s.requests.Store(0)
				s.trouble.Store(&f)
				if code, out, narration := s.at(talker, "1m"); code != 0 || f.spoil != nil && s.requests.Load() < 2 {
					t.Errorf("%s, %s: exit code %d after %d requests:\n%s%s", name, talker, code, s.requests.Load(), out, narration)
				}
				return nil
			})
		}
	}
	_ = all.Wait()
}

func TestCommandsSayThatAServerIsOfNoUse(t *testing.T) {
	t.Parallel()
	elsewhere := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "" {
			t.Errorf("a redirect took the credentials of %s along", r.URL)
		}
	}))
	t.Cleanup(elsewhere.Close)
	var all sync.WaitGroup
	for name, f := range troubles(elsewhere.URL) {
		if f.passes || name == "huge" {
			continue
		}
		s := newFixture(t)
		s.trouble.Store(&f)
		for _, talker := range slices.Concat(talkers, others) {
			all.Go(func() {
				began := time.Now()
				code, out, narration := s.at(talker, "7s")
				took := time.Since(began)
				said := strings.Contains("\n"+narration, "\nerror: ") || strings.Contains(out, "  ? ")
				said = said && strings.Contains(narration+out, "hint: ")
				if code != 3 && code != 124 || !said || took > 20*time.Second {
					t.Errorf("%s, %s: exit code %d after %s:\n%s%s", name, talker, code, took, out, narration)
				}
			})
		}
	}
	all.Wait()
}

// What is allocated in all is an upper bound of what is held at a time. The whole
// answer would be 256 MiB.
func TestAHugeAnswerTakesLittleMemory(t *testing.T) {
	s := newFixture(t)
	s.trouble.Store(&trouble{spoil: huge})
	for _, talker := range []string{"vault provision", "vault client get", "azure rotate client-secret --no-verify"} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		code, out, narration := s.at(talker, "1m")
		runtime.ReadMemStats(&after)
		if allocated := (after.TotalAlloc - before.TotalAlloc) >> 20; code != 3 || allocated > 200 {
			t.Errorf("%s: exit code %d, %d MiB allocated:\n%s%s", talker, code, allocated, out, narration)
		}
	}
}

// process is one of the talkers that is still to be started.
func (s *fixture) process(ctx context.Context, talker string) *exec.Cmd {
	words := strings.Fields(strings.ReplaceAll(talker, "DIR", s.dir))
	c := exec.CommandContext(ctx, "secretctl", append(words[1:], "-c", filepath.Join(s.dir, words[0]+".yaml"))...)
	c.Env = []string{"GORACE=atexit_sleep_ms=0", standInVariable + "=" + s.standIns}
	for name, value := range s.env {
		c.Env = append(c.Env, name+"="+value)
	}
	return c
}
