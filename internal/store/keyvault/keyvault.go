// Package keyvault is everything about Azure Key Vault as a store: the values, the
// identity and the role that let the pod read them, its login, and how errors of
// Azure read.
package keyvault

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azsecrets"
	"golang.org/x/time/rate"

	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/hint"
	"github.com/secretctl/secretctl/internal/secret"
	"github.com/secretctl/secretctl/internal/store"
	"github.com/secretctl/secretctl/internal/store/keyvault/azure"
)

// The tags of what secretctl has written, and the content type of the values.
const (
	managerTag  = "managed-by"
	deliveryTag = "secretctl-delivery"
	manager     = "secretctl"
	contentType = "text/plain"
)

// The roles that it takes in a Key Vault: to see versions, values, and to write.
const (
	readerRole  = "Key Vault Reader"
	userRole    = "Key Vault Secrets User"
	certRole    = "Key Vault Certificate User" // and what the one above may do
	officerRole = "Key Vault Secrets Officer"
)

// Store is the Azure Key Vault of one delivery, those of single secrets that name
// another, and what lets the pod read them. Of what is answered its errors show codes
// alone.
//
// Key Vault has no conditional write. So what changed since it was read is noticed
// by reading again right before the write, which leaves a gap of one request.
type Store struct {
	d             *config.Delivery
	o             store.Options
	azure         *azure.Session
	clients       map[string]*azsecrets.Client // by the name of the Key Vault in lower case
	reads, writes *rate.Limiter
	readRole      string // that whoever reads is told to get
}

// open returns the Key Vaults of a delivery.
func open(d *config.Delivery, o store.Options, access azure.Access) (*Store, error) {
	access.Timeout, access.Log, access.Sanitizer = o.Timeout, o.Log, o.Sanitizer
	return connect(d, o, azure.NewSession(d.Azure.Cloud, d.Azure.TenantID, access))
}

func connect(d *config.Delivery, o store.Options, session *azure.Session) (*Store, error) {
	v := &Store{
		d: d, o: o, azure: session, clients: map[string]*azsecrets.Client{}, readRole: userRole,
		// Key Vault allows 4,000 requests in 10 s, but only 300 that set a secret.
		reads: rate.NewLimiter(300, 500), writes: rate.NewLimiter(20, 100),
	}
	for _, name := range d.KeyVaults() {
		client, err := azsecrets.NewClient(session.VaultURL(name), session.Credential(), &azsecrets.ClientOptions{ClientOptions: session.Options()})
		if err != nil {
			return nil, fmt.Errorf("key vault %q: %w", name, err)
		}
		v.clients[strings.ToLower(name)] = client
	}
	return v, nil
}

// Close implements [store.Store]: tokens of Azure end by themselves.
func (v *Store) Close(context.Context) error {
	v.azure.Close()
	return nil
}

func (v *Store) client(s config.Secret) *azsecrets.Client {
	return v.clients[strings.ToLower(s.KeyVault)]
}

// object names a secret in reports.
func (v *Store) object(s config.Secret) string { return s.KeyVault + "/" + s.ObjectName }

// held is what a Key Vault has under a name.
type held struct {
	version       string // "" where there is none
	value         secret.Value
	contentType   string
	tags          map[string]*string
	created       time.Time
	from, expires time.Time // zero where there is no such end
	ofCertificate bool      // Key Vault itself writes it
	deleted       bool      // but for its recovery, nothing can be done with the name
}

func (h held) expired() bool { return !h.expires.IsZero() && h.expires.Before(time.Now()) }

// Get implements [store.Store]. The version is its id, which is also what the driver's
// status of a pod shows.
func (v *Store) Get(ctx context.Context, s config.Secret) (secret.Value, string, error) {
	if s.KeyVaultType() == config.ObjectKey { // which is no secret, and is not looked at
		return secret.Value{}, "", v.about(s, store.ErrPEM)
	}
	is, err := v.find(ctx, s)
	switch {
	case err != nil:
		return secret.Value{}, "", err
	case is.deleted:
		err := store.NotFound("is deleted, and can be recovered")
		return secret.Value{}, "", hint.Wrap(v.about(s, err), "run: secretctl provision --recover")
	case is.version == "":
		return secret.Value{}, "", v.absent(s)
	}
	if is.ofCertificate || s.KeyVaultType() == config.ObjectCert {
		return secret.Value{}, is.version, v.about(s, store.ErrPEM)
	}
	return is.value, is.version, nil
}

// Validity implements [store.Dated].
func (v *Store) Validity(ctx context.Context, s config.Secret) (from, until time.Time, err error) {
	is, err := v.find(ctx, s)
	return is.from, is.expires, err
}

// Put implements [store.Store]. A secret that has another owner is not overwritten.
func (v *Store) Put(ctx context.Context, s config.Secret, value secret.Value) (version string, err error) {
	v.azure.Learn(value)
	is, err := v.find(ctx, s)
	switch {
	case err != nil:
		return "", err
	case is.deleted:
		return "", v.recoverable(s)
	case is.version == "":
	case is.value.Equal(value):
		return is.version, nil
	default:
		if err := v.mayOverwrite(s, is); err != nil {
			return "", err
		}
	}
	return v.set(ctx, s, is, value)
}

// find reads a secret, also among the deleted ones.
func (v *Store) find(ctx context.Context, s config.Secret) (held, error) {
	is, err := v.read(ctx, s)
	if err != nil || is.version != "" {
		return is, err
	}
	if err := pace(ctx, v.reads); err != nil {
		return held{}, v.about(s, err)
	}
	gone, err := v.client(s).GetDeletedSecret(ctx, s.ObjectName, nil)
	if err == nil {
		return held{deleted: true, tags: gone.Tags}, nil
	}
	if v.azure.RefusalOf(err) == nil {
		return held{}, v.fail(ctx, s, v.readRole, err)
	}
	return held{}, nil // there is none, or it may not be seen: then setting the name tells
}

// read reads the last version of a secret.
func (v *Store) read(ctx context.Context, s config.Secret) (is held, err error) {
	return v.readVersion(ctx, s, "")
}

func (v *Store) readVersion(ctx context.Context, s config.Secret, id string) (is held, err error) {
	err = v.retryWhilePropagating(ctx, s, v.readRole, func() error {
		if err := pace(ctx, v.reads); err != nil {
			return err
		}
		got, err := v.client(s).GetSecret(ctx, s.ObjectName, id, nil)
		if r := v.azure.RefusalOf(err); r != nil && r.Status == http.StatusNotFound && r.Has("SecretNotFound") {
			is = held{}
			return nil
		}
		if err != nil {
			return err
		}
		is, err = v.holds(got.Secret)
		return err
	})
	return is, err
}

func (v *Store) holds(got azsecrets.Secret) (held, error) {
	version := versionID(got.ID)
	if version == "" || got.Value == nil {
		return held{}, azure.ErrUnexpected
	}
	is := held{
		version: version, value: secret.New([]byte(*got.Value)), tags: got.Tags,
		contentType: azure.Deref(got.ContentType), ofCertificate: azure.Deref(got.Managed),
	}
	if a := got.Attributes; a != nil {
		is.created, is.from, is.expires = azure.Deref(a.Created), azure.Deref(a.NotBefore), azure.Deref(a.Expires)
	}
	v.azure.Learn(is.value)
	return is, nil
}

// versionID returns the version in a secret's id, "" where there is none.
func versionID(id *azsecrets.ID) string {
	if id == nil {
		return ""
	}
	return id.Version()
}

// set makes a new version. Tags of others are kept.
func (v *Store) set(ctx context.Context, s config.Secret, is held, value secret.Value) (version string, err error) {
	parameters := azsecrets.SetSecretParameters{
		Value: to.Ptr(string(value.Reveal())), ContentType: to.Ptr(contentType), Tags: v.tags(is),
	}
	if lifetime := s.Lifetime(); lifetime > 0 {
		parameters.SecretAttributes = &azsecrets.SecretAttributes{Expires: to.Ptr(time.Now().Add(lifetime))}
	}
	err = v.retryWhilePropagating(ctx, s, officerRole, func() error {
		if err := pace(ctx, v.writes); err != nil {
			return err
		}
		got, err := v.client(s).SetSecret(ctx, s.ObjectName, parameters, nil)
		if version = versionID(got.ID); err == nil && version == "" {
			return azure.ErrUnexpected
		}
		return err
	})
	return version, err
}
