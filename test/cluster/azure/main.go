// Command azure is Azure for a cluster of the tests: two Key Vaults, the login, the
// resource manager and the metadata service of the nodes, under their real names and
// ports, in the network namespace that it is started in. Nothing of it ships.
//
//	azure -address IP -issuer URL -keys FILE -dir DIR
//
// It leaves in DIR the certificate to trust (ca.pem), a resolv.conf that leads to its
// names, and the owner's login as shell variables (env). A file in DIR/faults breaks
// something: see faults.go.
package main

import (
	"crypto/tls"
	"encoding/json"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/secretctl/secretctl/internal/sandbox/keyvault"
	"github.com/secretctl/secretctl/internal/sandbox/loopback"
	"github.com/secretctl/secretctl/test/entra"
)

// names are all hosts that there are.
var names = []string{"contoso-aidbox.vault.azure.net", "fabrikam.vault.azure.net", "login.microsoftonline.com", "management.azure.com"}

const metadataAddress = "169.254.169.254:80"

func main() {
	address := flag.String("address", "", "IP address of everything but the metadata service")
	issuer := flag.String("issuer", "", "issuer of the cluster's ServiceAccount tokens")
	keys := flag.String("keys", "", "file with the cluster's public keys, a JSON Web Key Set")
	dir := flag.String("dir", "", "folder for what clients need")
	flag.Parse()
	if err := serve(*address, *issuer, *keys, *dir); err != nil {
		slog.Error("azure", "error", err)
		os.Exit(1)
	}
}

func serve(address, issuer, keysFile, dir string) error {
	verify, err := verifier(keysFile)
	if err != nil {
		return err
	}
	c := &cloud{faults: filepath.Join(dir, "faults")}
	for _, name := range []string{"contoso-aidbox", "fabrikam"} {
		o := keyvault.Options{Name: name, Wrap: c.breakable}
		if len(c.vaults) > 0 {
			o.TenantID = c.vaults[0].TenantID
		}
		v, err := keyvault.Start(o)
		if err != nil {
			return err
		}
		c.vaults = append(c.vaults, v)
	}
	c.directory = entra.New()
	c.directory.Verify = verify
	c.azure, err = keyvault.StartAzure(keyvault.AzureOptions{KeyVaults: c.vaults, SystemIdentity: true, Issuer: issuer, Wrap: c.directory.Wrap})
	if err != nil {
		return err
	}
	identity, err := loopback.NewIdentity(names...)
	if err != nil {
		return err
	}
	front, err := tls.Listen("tcp", address+":443", identity.TLS())
	if err != nil {
		return err
	}
	metadata, err := net.Listen("tcp", metadataAddress)
	if err != nil {
		return err
	}
	resolver, err := net.ListenPacket("udp", address+":53")
	if err != nil {
		return err
	}
	ended := make(chan error)
	go func() { ended <- server(c.front).Serve(front) }()
	go func() { ended <- server(c.metadata).Serve(metadata) }()
	go func() { ended <- resolve(resolver, net.ParseIP(address)) }()
	if err := c.write(dir, address, identity.PEM); err != nil {
		return err
	}
	return <-ended
}

// verifier returns what says whether the cluster signed a token.
func verifier(file string) (func(token string) error, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var keys jose.JSONWebKeySet
	if err := json.Unmarshal(text, &keys); err != nil {
		return nil, err
	}
	return func(token string) error {
		signed, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{jose.RS256, jose.ES256})
		if err != nil {
			return err
		}
		_, err = signed.Verify(keys)
		return err
	}, nil
}

// write leaves what clients need; env comes last, so that who sees it finds the rest.
func (c *cloud) write(dir, address string, ca []byte) error {
	a := c.azure
	env := fmt.Sprintf("export AZURE_TOKEN_CREDENTIALS=EnvironmentCredential SSL_CERT_FILE='%s'\n"+
		"export AZURE_TENANT_ID=%s AZURE_CLIENT_ID=%s AZURE_CLIENT_SECRET=%s\n"+
		"export AZURE_ADDRESS=%s AZURE_TOKEN=%s AZURE_SUBSCRIPTION=%s AZURE_RESOURCE_GROUP=%s AZURE_CLUSTER=%s AZURE_NODE_CLIENT_ID=%s\n",
		filepath.Join(dir, "ca.pem"), a.TenantID, c.directory.ClientID, c.directory.ClientSecret, address, a.Token, a.Subscription, a.ResourceGroup, a.Cluster, a.NodeClientID)
	for _, f := range []struct{ name, text string }{
		{"ca.pem", string(ca)}, {"resolv.conf", "nameserver " + address + "\n"}, {"env", env},
	} {
		if err := os.WriteFile(filepath.Join(dir, f.name), []byte(f.text), 0o600); err != nil {
			return err
		}
	}
	return nil
}

func server(h http.HandlerFunc) *http.Server {
	return &http.Server{Handler: logged(h), ReadHeaderTimeout: 10 * time.Second}
}

// logged notes each request, without what is in its query, its headers and its body.
func logged(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		noted := &status{ResponseWriter: w, code: http.StatusOK}
		next.ServeHTTP(noted, r)
		slog.Info("request", "from", r.RemoteAddr, "method", r.Method, "host", r.Host, "path", r.URL.Path, "status", noted.code, "client", r.UserAgent())
	})
}

type status struct {
	http.ResponseWriter
	code int
}

func (s *status) WriteHeader(code int) {
	s.code = code
	s.ResponseWriter.WriteHeader(code)
}
