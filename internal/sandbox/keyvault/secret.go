package keyvault

import (
	"crypto/rand"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

const maxKeyVaultValue = 25 << 10 // bytes

// keyVaultSecret is one name in a KeyVault, with its versions.
type keyVaultSecret struct {
	name     string // as it was first written
	versions []*keyVaultVersion
	deleted  time.Time // zero where it is not
	settling int       // requests that still find the last deletion or recovery under way
}

type keyVaultVersion struct {
	id          string
	value       string
	contentType *string
	attributes  keyVaultAttributes
	tags        map[string]string
}

// keyVaultAttributes are as in the REST API; the times are Unix seconds.
type keyVaultAttributes struct {
	Enabled         *bool  `json:"enabled,omitempty"`
	NotBefore       *int64 `json:"nbf,omitempty"`
	Expires         *int64 `json:"exp,omitempty"`
	Created         int64  `json:"created"`
	Updated         int64  `json:"updated"`
	RecoveryLevel   string `json:"recoveryLevel"`
	RecoverableDays int    `json:"recoverableDays"`
}

// keyVaultItem is what the REST API tells of a secret or of one of its versions.
type keyVaultItem struct {
	Value              *string            `json:"value,omitempty"`
	ContentType        *string            `json:"contentType,omitempty"`
	ID                 string             `json:"id"`
	RecoveryID         string             `json:"recoveryId,omitempty"`
	DeletedDate        int64              `json:"deletedDate,omitempty"`
	ScheduledPurgeDate int64              `json:"scheduledPurgeDate,omitempty"`
	Attributes         keyVaultAttributes `json:"attributes"`
	Tags               map[string]string  `json:"tags,omitempty"`
}

// set makes a new version, whatever the value of the last one.
func (v *Server) set(req *keyVaultRequest) *keyVaultReply {
	given := req.given
	if given.Value == nil || len(*given.Value) > maxKeyVaultValue || !given.fits() {
		return badParameter("Property  has invalid value\r\n")
	}
	if state := req.secret.state(); state != "" {
		return keyVaultRefusal(http.StatusConflict, "Conflict", state, notSettable(state), req.secret.name)
	}
	if req.secret == nil {
		req.secret = &keyVaultSecret{name: req.name}
		v.secrets[strings.ToUpper(req.name)] = req.secret
	}
	enabled, now := true, time.Now().Unix()
	version := &keyVaultVersion{
		id:         newVersionID(),
		value:      *given.Value,
		attributes: keyVaultAttributes{Enabled: &enabled, Created: now, Updated: now},
	}
	version.change(given)
	req.secret.versions = append(req.secret.versions, version)
	return v.bundle(req, version)
}

// get reads a version, the last one by default. That it has expired, or is not
// yet valid, does not matter: Key Vault leaves this to the reader.
func (v *Server) get(req *keyVaultRequest) *keyVaultReply {
	version, refused := v.versionOf(req)
	switch {
	case refused != nil:
		return refused
	case !*version.attributes.Enabled:
		return keyVaultRefusal(http.StatusForbidden, "Forbidden", "SecretDisabled", "Operation get is not allowed on a disabled secret.")
	}
	return v.bundle(req, version)
}

// update changes what describes a version. It does not tell the value.
func (v *Server) update(req *keyVaultRequest) *keyVaultReply {
	version, refused := v.versionOf(req)
	switch {
	case refused != nil:
		return refused
	case !req.given.fits():
		return badParameter("Property  has invalid value\r\n")
	}
	version.change(req.given)
	version.attributes.Updated = time.Now().Unix()
	return &keyVaultReply{body: v.describe(req, req.secret, version)}
}

// versionOf finds the version that is asked for, the last one by default.
func (v *Server) versionOf(req *keyVaultRequest) (*keyVaultVersion, *keyVaultReply) {
	if v.visible(req.secret) {
		if req.version == "" {
			return req.secret.last(), nil
		}
		isAsked := func(version *keyVaultVersion) bool { return version.id == req.version }
		if i := slices.IndexFunc(req.secret.versions, isAsked); i >= 0 {
			return req.secret.versions[i], nil
		}
	}
	asked := strings.TrimSuffix(req.name+"/"+req.version, "/")
	return nil, keyVaultRefusal(http.StatusNotFound, "SecretNotFound", "", "A secret with (name/id) %s was not found in this key vault. "+
		"If you recently deleted this secret you may be able to recover it using the correct recovery command. "+
		"For help resolving this issue, please see https://go.microsoft.com/fwlink/?linkid=2125182", asked)
}

func (s *keyVaultSecret) last() *keyVaultVersion { return s.versions[len(s.versions)-1] }

// change takes over what is given; the rest stays as it is.
func (version *keyVaultVersion) change(given keyVaultParameters) {
	if given.ContentType != nil {
		version.contentType = given.ContentType
	}
	if given.Tags != nil {
		version.tags = given.Tags
	}
	if given.Attributes.Enabled != nil {
		version.attributes.Enabled = given.Attributes.Enabled
	}
	if given.Attributes.NotBefore != nil {
		version.attributes.NotBefore = given.Attributes.NotBefore
	}
	if given.Attributes.Expires != nil {
		version.attributes.Expires = given.Attributes.Expires
	}
}

// fits tells whether the description keeps to the limits of Key Vault.
func (p keyVaultParameters) fits() bool {
	for name, value := range p.Tags {
		if len(name) > 256 || len(value) > 256 {
			return false
		}
	}
	return len(p.Tags) <= 15 && (p.ContentType == nil || len(*p.ContentType) <= 255)
}

// bundle answers with a version and its value.
func (v *Server) bundle(req *keyVaultRequest, version *keyVaultVersion) *keyVaultReply {
	item := v.describe(req, req.secret, version)
	item.Value = &version.value
	return &keyVaultReply{body: item}
}

// describe tells of a version all but its value.
func (v *Server) describe(req *keyVaultRequest, s *keyVaultSecret, version *keyVaultVersion) keyVaultItem {
	item := keyVaultItem{
		ContentType: version.contentType,
		ID:          req.base + "/secrets/" + s.name + "/" + version.id,
		Attributes:  version.attributes,
		Tags:        version.tags,
	}
	item.Attributes.RecoverableDays = keyVaultRetention
	item.Attributes.RecoveryLevel = "Recoverable"
	if v.purges {
		item.Attributes.RecoveryLevel = "Recoverable+Purgeable"
	}
	if !s.deleted.IsZero() {
		item.RecoveryID = req.base + "/deletedsecrets/" + s.name
		item.DeletedDate = s.deleted.Unix()
		item.ScheduledPurgeDate = s.deleted.AddDate(0, 0, keyVaultRetention).Unix()
	}
	return item
}

func newVersionID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails, by its documentation
	return fmt.Sprintf("%x", b)
}
