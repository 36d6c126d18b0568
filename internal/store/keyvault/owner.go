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

// The tags of what secretctl creates.
const (
	managerTag  = "managed-by"
	deliveryTag = "secretctl-delivery"
	manager     = "secretctl"
)

func ownerTags(d *config.Delivery) map[string]*string {
	return map[string]*string{managerTag: to.Ptr(manager), deliveryTag: to.Ptr(d.Owner())}
}

// otherOwner says who else owns a secret; "" if the delivery does.
func (v *Store) otherOwner(is entry) string {
	by, delivery := azure.Deref(is.tags[managerTag]), azure.Deref(is.tags[deliveryTag])
	switch {
	case by == "":
		return "has no tag " + managerTag + ": it has another owner"
	case by != manager:
		return fmt.Sprintf("is managed by %q, as its tag %s says", v.azure.Text(by), managerTag)
	case delivery != "" && delivery != v.d.Owner():
		return fmt.Sprintf("belongs to delivery %q, as its tag %s says", v.azure.Text(delivery), deliveryTag)
	}
	return ""
}

// mayOverwrite refuses to overwrite a secret that the delivery does not own.
func (v *Store) mayOverwrite(s config.Secret, is entry) error {
	if is.ofCertificate {
		return hint.Wrap(v.about(s, errors.New("is part of a certificate, and only Key Vault writes it")), "give the secret another objectName")
	}
	if otherOwner := v.otherOwner(is); otherOwner != "" && !v.o.Adopt {
		return hint.Wrap(v.about(s, fmt.Errorf("has another value and %s; not overwritten", otherOwner)),
			"run: secretctl provision --adopt, which overwrites it and makes the delivery its owner")
	}
	return nil
}

// tags returns the tags of the next version: ours, and those that others set.
func (v *Store) tags(is entry) map[string]*string {
	tags := map[string]*string{}
	maps.Copy(tags, is.tags)
	maps.Copy(tags, ownerTags(v.d))
	return tags
}

// expirySlack allows for a difference between the clocks of this machine and of Azure.
const expirySlack = 10 * time.Minute

// misdescribed says what about a version differs from the config, apart from its
// value; "" for nothing.
func (v *Store) misdescribed(s config.Secret, is entry) string {
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

// describe fixes what misdescribed finds, and makes no version.
func (v *Store) describe(ctx context.Context, s config.Secret, is entry) error {
	parameters := azsecrets.UpdateSecretPropertiesParameters{ContentType: to.Ptr(contentType), Tags: v.tags(is)}
	if lifetime := s.Lifetime(); lifetime > 0 {
		parameters.SecretAttributes = &azsecrets.SecretAttributes{Expires: to.Ptr(is.created.Add(lifetime))}
	}
	return v.retryWhilePropagating(ctx, s, officerRole, func() error {
		_, err := v.client(s).UpdateSecretProperties(ctx, s.ObjectName, is.version, parameters, nil)
		return err
	})
}
