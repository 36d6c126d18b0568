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

// difference is how the login of a session differs from the one of the provider's pod.
type difference struct{ what, next string }

// Difference implements [store.Differing].
func (d difference) Difference() (what, next string) { return d.what, d.next }

// asPod returns the store as the CSI provider reaches it: by the address, the server name
// and the CA of the SecretProviderClass. Where that cannot be done from here, it is the
// store as secretctl reaches it, and the difference is said.
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
	notTried := func(err error) difference {
		if !elsewhere {
			return difference{} // the login itself says it
		}
		return difference{what: fmt.Sprintf("tried at vault.address, since vault.csiAddress %s cannot be tried from here: %s", address, err)}
	}
	if err := transport.CheckAddress("vault.csiAddress", address, v.o.AllowHTTP); err != nil {
		return pod, difference{what: "tried at vault.address: " + err.Error()}, nil //nolint:nilerr // the difference says it
	}

	named := s.CSICACertPath+s.CSICADirectory != ""
	asProvider, err := pod.reach(ctx, address, func(t *tls.Config) {
		t.ServerName, t.InsecureSkipVerify = s.CSITLSServerName, false
		if !named { // by those that everyone has, whatever VAULT_CACERT says here
			t.RootCAs = nil
		}
	})
	var unknown x509.UnknownAuthorityError
	var otherName x509.HostnameError
	switch {
	case err == nil:
	case errors.As(err, &unknown): // secretctl checks it by its own CA, whatever the provider does
		if asProvider, err = pod.reach(ctx, address, func(t *tls.Config) { t.ServerName = s.CSITLSServerName }); err != nil {
			return pod, notTried(transport.Explain(ctx, err)), nil
		}
		if !named && !s.CSISkipTLSVerify {
			differs.what = "but the CA of Vault's certificate is known on this machine only: the SecretProviderClass names none, so the provider refuses the certificate"
			differs.next = "set vault.csiCACertPath to where the provider's pod has the CA, unless the provider's own flags name it"
		}
	case errors.As(err, &otherName) && !s.CSISkipTLSVerify:
		err := store.Refused(fmt.Sprintf("vault: %s: the CSI provider refuses Vault's certificate: it is not for %s", address, v.o.Sanitizer.Line(otherName.Host)))
		return nil, differs, hint.Wrap(err, "set vault.csiTLSServerName to a name that the certificate has")
	default:
		return pod, notTried(transport.Explain(ctx, err)), nil
	}
	pod.client = asProvider
	if named {
		differs.what = fmt.Sprintf("whether %s in the provider's pod is the CA of Vault's certificate is not known here", s.CSICACertPath+s.CSICADirectory)
	}
	return pod, differs, nil
}

// reach returns a client of that address if Vault answers there, to one short try.
func (v *Store) reach(ctx context.Context, address string, adjust func(*tls.Config)) (*api.Client, error) {
	client, err := v.newClient(address, adjust)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, askingLimit)
	defer cancel()
	client.SetMaxRetries(0)
	defer client.SetMaxRetries(transport.MaxRetries)
	status, err := client.WithNamespace("").Sys().SealStatusWithContext(ctx)
	if err = unexpected(err); err == nil && (status == nil || status.Type == "") {
		err = errUnexpected
	}
	return client, err
}
