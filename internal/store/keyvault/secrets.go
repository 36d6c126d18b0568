package keyvault

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azsecrets"

	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/hint"
	"github.com/secretctl/secretctl/internal/secret"
	"github.com/secretctl/secretctl/internal/store"
	"github.com/secretctl/secretctl/internal/store/keyvault/azure"
)

const contentType = "text/plain"

// entry is what a Key Vault has under a name.
type entry struct {
	version       string // "" where there is none
	value         secret.Value
	contentType   string
	tags          map[string]*string
	created       time.Time
	from, expires time.Time // zero for none
	ofCertificate bool      // Key Vault itself writes it
	deleted       bool      // it can only be recovered
}

func (e entry) expired() bool { return !e.expires.IsZero() && e.expires.Before(time.Now()) }

// Get implements [store.Store]. The version is the id that the driver's status shows too.
func (v *Store) Get(ctx context.Context, s config.Secret) (secret.Value, string, error) {
	if s.KeyVaultType() == config.ObjectKey { // not a secret
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
	case is.ofCertificate || s.KeyVaultType() == config.ObjectCert:
		return secret.Value{}, is.version, v.about(s, store.ErrPEM)
	}
	return is.value, is.version, nil
}

// GetVersion implements [store.Store].
func (v *Store) GetVersion(ctx context.Context, s config.Secret, id string) (secret.Value, error) {
	is, err := v.read(ctx, s, id)
	if err == nil && is.version == "" {
		err = v.absent(s)
	}
	return is.value, err
}

// Versions implements [store.Store].
func (v *Store) Versions(ctx context.Context, s config.Secret) ([]store.Version, error) {
	if s.KeyVaultType() == config.ObjectKey {
		return nil, v.about(s, store.ErrPEM)
	}
	var versions []store.Version
	err := v.retryWhilePropagating(ctx, s, readerRole, func() error {
		all, err := azure.All(ctx, v.client(s).NewListSecretPropertiesVersionsPager(s.ObjectName, nil),
			func(p azsecrets.ListSecretPropertiesVersionsResponse) []*azsecrets.SecretProperties { return p.Value })
		if err != nil && !v.azure.RefusalOf(err).Has(secretNotFound) {
			return err
		}
		versions = nil
		for _, is := range all {
			a := is.Attributes
			if versionID(is.ID) == "" || a == nil || a.Created == nil {
				return azure.ErrUnexpected
			}
			versions = append(versions, store.Version{ID: is.ID.Version(), Created: *a.Created, Expires: azure.Deref(a.Expires), Gone: a.Enabled != nil && !*a.Enabled})
		}
		return nil
	})
	switch {
	case err != nil:
		return nil, err
	case versions == nil:
		return nil, v.absent(s)
	}
	slices.SortStableFunc(versions, func(a, b store.Version) int { return b.Created.Compare(a.Created) })
	return versions, nil
}

// StatusVersions implements [store.Store]. It needs the role Key Vault Reader. Key Vault
// dates versions to the second, so several ids may be the newest.
func (v *Store) StatusVersions(ctx context.Context, s config.Secret) (ids []string, err error) {
	if s.KeyVaultType() == config.ObjectKey {
		return nil, store.ErrNoStatusVersion
	}
	versions, err := v.Versions(ctx, s)
	if err != nil {
		return nil, err
	}
	for _, is := range versions {
		if is.Created.Equal(versions[0].Created) && !is.Gone {
			ids = append(ids, is.ID)
		}
	}
	if ids == nil { // a request without an id does not get older versions
		return nil, v.disabled(s)
	}
	return ids, nil
}

// Validity implements [store.Dated].
func (v *Store) Validity(ctx context.Context, s config.Secret) (from, until time.Time, err error) {
	is, err := v.find(ctx, s)
	return is.from, is.expires, err
}

// Put implements [store.Store]. It does not overwrite a secret with another owner.
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
	return v.write(ctx, s, is, value)
}

func (v *Store) client(s config.Secret) *azsecrets.Client {
	return v.secrets[strings.ToLower(s.KeyVault)]
}

func (v *Store) object(s config.Secret) string { return s.KeyVault + "/" + s.ObjectName }

// find reads the newest version of a secret, and looks among the deleted secrets too.
func (v *Store) find(ctx context.Context, s config.Secret) (entry, error) {
	is, err := v.read(ctx, s, "")
	if err != nil || is.version != "" {
		return is, err
	}
	gone, err := v.client(s).GetDeletedSecret(ctx, s.ObjectName, nil)
	switch {
	case err == nil:
		return entry{deleted: true, tags: gone.Tags}, nil
	case v.azure.RefusalOf(err) == nil:
		return entry{}, v.fail(ctx, s, v.readRole, err)
	}
	return entry{}, nil // it is not deleted, or not visible: then writing it fails
}

// read reads a version of a secret, the newest where id is "".
func (v *Store) read(ctx context.Context, s config.Secret, id string) (is entry, err error) {
	err = v.retryWhilePropagating(ctx, s, v.readRole, func() error {
		is = entry{}
		got, err := v.client(s).GetSecret(ctx, s.ObjectName, id, nil)
		switch {
		case v.azure.RefusalOf(err).Has(secretNotFound):
			return nil
		case err != nil:
			return err
		case versionID(got.ID) == "" || got.Value == nil:
			return azure.ErrUnexpected
		}
		is = entry{
			version: got.ID.Version(), value: secret.New([]byte(*got.Value)), tags: got.Tags,
			contentType: azure.Deref(got.ContentType), ofCertificate: azure.Deref(got.Managed),
		}
		if a := got.Attributes; a != nil {
			is.created, is.from, is.expires = azure.Deref(a.Created), azure.Deref(a.NotBefore), azure.Deref(a.Expires)
		}
		v.azure.Learn(is.value)
		return nil
	})
	return is, err
}

// write makes a new version, and keeps the tags of others.
func (v *Store) write(ctx context.Context, s config.Secret, is entry, value secret.Value) (version string, err error) {
	parameters := azsecrets.SetSecretParameters{
		Value: to.Ptr(string(value.Reveal())), ContentType: to.Ptr(contentType), Tags: v.tags(is),
	}
	if lifetime := s.Lifetime(); lifetime > 0 {
		parameters.SecretAttributes = &azsecrets.SecretAttributes{Expires: to.Ptr(time.Now().Add(lifetime))}
	}
	err = v.retryWhilePropagating(ctx, s, officerRole, func() error {
		got, err := v.client(s).SetSecret(ctx, s.ObjectName, parameters, nil)
		if version = versionID(got.ID); err == nil && version == "" {
			return azure.ErrUnexpected
		}
		return err
	})
	return version, err
}

// versionID returns the version in a secret's id, or "".
func versionID(id *azsecrets.ID) string {
	if id == nil {
		return ""
	}
	return id.Version()
}
