package keyvault

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azsecrets"

	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/hint"
	"github.com/secretctl/secretctl/internal/store/keyvault/azure"
)

// How far the expiry of a version may be from what it should be: the clocks of
// this machine and of Azure differ.
const expirySlack = 10 * time.Minute

// otherOwner says whose a secret is, in words; "" where it is the delivery's.
func (v *Store) otherOwner(is held) string {
	by, delivery := azure.Deref(is.tags[managerTag]), azure.Deref(is.tags[deliveryTag])
	switch {
	case by == "":
		return "has no tag " + managerTag + ": it has another owner"
	case by != manager:
		return fmt.Sprintf("is managed by %q, as its tag %s says", v.azure.Text(by), managerTag)
	case delivery != "" && delivery != v.d.Owner():
		return fmt.Sprintf("is of delivery %q, as its tag %s says", v.azure.Text(delivery), deliveryTag)
	}
	return ""
}

// mayOverwrite refuses to overwrite what is not the delivery's.
func (v *Store) mayOverwrite(s config.Secret, is held) error {
	if is.ofCertificate {
		return hint.Wrap(v.about(s, errors.New("is part of a certificate, and Key Vault alone writes it")), "give the secret another objectName")
	}
	if otherOwner := v.otherOwner(is); otherOwner != "" && !v.o.Adopt {
		return hint.Wrap(v.about(s, fmt.Errorf("has another value and %s; not overwritten", otherOwner)),
			"run: secretctl provision --adopt, which overwrites it and makes it the delivery's")
	}
	return nil
}

// errDeleted says that a secret is deleted, and nothing but that.
var errDeleted = errors.New("is deleted, and its name is kept until it is recovered or purged")

// recoverable is the error about a deleted secret, whose name cannot be used.
func (v *Store) recoverable(s config.Secret) error {
	return hint.Wrap(v.about(s, errDeleted),
		"run: secretctl provision --recover; secretctl never purges")
}

// tags returns those of a version to be: ours over what is there.
func (v *Store) tags(is held) map[string]*string {
	tags := map[string]*string{}
	maps.Copy(tags, is.tags)
	tags[managerTag], tags[deliveryTag] = to.Ptr(manager), to.Ptr(v.d.Owner())
	return tags
}

// misdescribed says what about a version is not as it should be, apart from its
// value; "" for nothing.
func (v *Store) misdescribed(s config.Secret, is held) string {
	expires := is.created.Add(s.Lifetime())
	switch {
	case azure.Deref(is.tags[managerTag]) != manager || azure.Deref(is.tags[deliveryTag]) != v.d.Owner():
		return "tags"
	case is.contentType != contentType:
		return "content type"
	case s.Lifetime() > 0 && is.expires.Sub(expires).Abs() > expirySlack:
		return "expiry " + expires.UTC().Format(time.DateOnly)
	}
	return ""
}

// describe fixes what misdescribed finds. The version stays, so that this is no
// rotation.
func (v *Store) describe(ctx context.Context, s config.Secret, is held) error {
	parameters := azsecrets.UpdateSecretPropertiesParameters{ContentType: to.Ptr(contentType), Tags: v.tags(is)}
	if lifetime := s.Lifetime(); lifetime > 0 {
		parameters.SecretAttributes = &azsecrets.SecretAttributes{Expires: to.Ptr(is.created.Add(lifetime))}
	}
	return v.retryWhilePropagating(ctx, s, officerRole, func() error {
		if err := pace(ctx, v.writes); err != nil {
			return err
		}
		_, err := v.client(s).UpdateSecretProperties(ctx, s.ObjectName, is.version, parameters, nil)
		return err
	})
}
