package vault

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"

	"github.com/hashicorp/vault/api"

	"github.com/secretctl/secretctl/internal/hint"
	"github.com/secretctl/secretctl/internal/store"
	"github.com/secretctl/secretctl/internal/transport"
)

// difference is how a session's login differs from the one that the CSI provider makes.
type difference struct{ what, next string }

// Difference implements [store.Differing].
func (d difference) Difference() (what, next string) { return d.what, d.next }

// asPod returns the store as the CSI provider reaches it: with the address, the server
// name and the CA of the SecretProviderClass. If this machine cannot do that, it returns
// the store as secretctl reaches it, and the difference.
func (v *Store) asPod(ctx context.Context) (pod *Store, differs difference, err error) {
	pod = &Store{d: v.d, o: v.o, client: v.client, timeout: v.timeout, own: v}
	s := v.d.Vault
	address := strings.TrimRight(s.PodAddress(), "/")
	elsewhere := address != "" && address != strings.TrimRight(s.Address, "/")
	switch {
	case s.ByAgent():
		return pod, difference{what: "tried at vault.address: the provider goes through its agent, whose settings are not known here"}, nil
	case !elsewhere && !strings.HasPrefix(address, "https://"):
		return pod, differs, nil
	}
	if err := transport.CheckAddress("vault.csiAddress", address, v.o.AllowHTTP); err != nil {
		return pod, difference{what: "tried at vault.address: " + err.Error()}, nil //nolint:nilerr // the difference says it
	}

	hasCA := s.CSICACertPath+s.CSICADirectory != ""
	asProvider, err := pod.reach(ctx, address, func(t *tls.Config) {
		t.ServerName, t.InsecureSkipVerify = s.CSITLSServerName, false
		if !hasCA { // the system's CAs, whatever VAULT_CACERT is here
			t.RootCAs = nil
		}
	})
	_, unknownCA := errors.AsType[x509.UnknownAuthorityError](err)
	otherName, isOtherName := errors.AsType[x509.HostnameError](err)
	switch {
	case unknownCA: // secretctl checks the certificate with its own CA
		asProvider, err = pod.reach(ctx, address, func(t *tls.Config) { t.ServerName = s.CSITLSServerName })
		if err == nil && !hasCA && !s.CSISkipTLSVerify {
			differs.what = "but the CA of Vault's certificate is known on this machine only: the SecretProviderClass names none, so the provider refuses the certificate"
			differs.next = "set vault.csiCACertPath to where the provider's pod has the CA, unless the provider's own flags name it"
		}
	case isOtherName && !s.CSISkipTLSVerify:
		err := store.Refused(fmt.Sprintf("vault: %s: the CSI provider refuses Vault's certificate: it is not for %s", address, v.o.Sanitizer.Line(otherName.Host)))
		return nil, differs, hint.Wrap(err, "set vault.csiTLSServerName to a name that the certificate has")
	}
	switch {
	case err != nil && elsewhere:
		differs.what = fmt.Sprintf("tried at vault.address, since vault.csiAddress %s cannot be tried from here: %s", address, transport.Explain(ctx, err))
		return pod, differs, nil
	case err != nil:
		return pod, differs, nil //nolint:nilerr // the login itself says it
	case hasCA:
		differs.what = fmt.Sprintf("whether %s in the provider's pod is the CA of Vault's certificate is not known here", s.CSICACertPath+s.CSICADirectory)
	}
	pod.client = asProvider
	return pod, differs, nil
}

// reach returns a client for an address if Vault answers there at the first, short try.
func (v *Store) reach(ctx context.Context, address string, adjust func(*tls.Config)) (*api.Client, error) {
	client, err := v.newClient(address, adjust)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, questionTimeout)
	defer cancel()
	client.SetMaxRetries(0)
	defer client.SetMaxRetries(transport.MaxRetries)
	_, err = sealStatus(ctx, client)
	return client, err
}
