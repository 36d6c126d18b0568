package keyvault

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/secretctl/secretctl/internal/sandbox/loopback"
)

const (
	retentionDays = 90 // for which a deleted secret can be recovered
	pageSize      = 25
)

// keptSecret is one name, with its versions.
type keptSecret struct {
	name     string // as it was first written
	versions []*keptVersion
	deleted  time.Time // zero where it is not
}

type keptVersion struct {
	id    string
	given parameters // without the value
	value string
}

// attributes are as in the REST API; the times are Unix seconds.
type attributes struct {
	Enabled         *bool  `json:"enabled,omitempty"`
	NotBefore       *int64 `json:"nbf,omitempty"`
	Expires         *int64 `json:"exp,omitempty"`
	Created         int64  `json:"created"`
	Updated         int64  `json:"updated"`
	RecoveryLevel   string `json:"recoveryLevel"`
	RecoverableDays int    `json:"recoverableDays"`
}

// item is what the REST API says of a version.
type item struct {
	Value              *string           `json:"value,omitempty"`
	ContentType        *string           `json:"contentType,omitempty"`
	ID                 string            `json:"id"`
	RecoveryID         string            `json:"recoveryId,omitempty"`
	DeletedDate        int64             `json:"deletedDate,omitempty"`
	ScheduledPurgeDate int64             `json:"scheduledPurgeDate,omitempty"`
	Attributes         attributes        `json:"attributes"`
	Tags               map[string]string `json:"tags,omitempty"`
}

// set makes a new version, whatever the value of the last one.
func (v *Server) set(req *request) *reply {
	s := req.secret
	switch {
	case req.given.Value == nil:
		return refuse(http.StatusBadRequest, "BadParameter", "Property  has invalid value\r\n")
	case s == nil:
		s = &keptSecret{name: req.name}
		v.secrets[strings.ToUpper(req.name)] = s
	case !s.deleted.IsZero():
		return refuse(http.StatusConflict, "Conflict/ObjectIsDeletedButRecoverable", "Secret %s is currently in a deleted but recoverable state, "+
			"and its name cannot be reused; in this state, the secret can only be recovered or purged.", s.name)
	}
	enabled, now := true, time.Now().Unix()
	version := &keptVersion{id: strings.ReplaceAll(loopback.UUID(), "-", ""), value: *req.given.Value}
	version.given.Attributes = attributes{
		Enabled: &enabled, Created: now, Updated: now, RecoveryLevel: "Recoverable", RecoverableDays: retentionDays,
	}
	version.change(req.given)
	s.versions = append(s.versions, version)
	return withValue(req, s, version)
}

// get reads a version, the last one by default. That it has expired, or is not yet
// valid, does not matter: Key Vault leaves this to the reader.
func (v *Server) get(req *request) *reply {
	version, refused := req.find()
	switch {
	case refused != nil:
		return refused
	case !*version.given.Attributes.Enabled:
		return refuse(http.StatusForbidden, "Forbidden/SecretDisabled", "Operation get is not allowed on a disabled secret.")
	}
	return withValue(req, req.secret, version)
}

// update changes what describes a version.
func (v *Server) update(req *request) *reply {
	version, refused := req.find()
	if refused != nil {
		return refused
	}
	version.change(req.given)
	return answer(req.describe(req.secret, version))
}

// versions lists the versions of a secret in pages, by their ids and not by their
// age.
func (v *Server) versions(req *request) *reply {
	var list struct {
		Value    []item  `json:"value"`
		NextLink *string `json:"nextLink"`
	}
	list.Value = []item{}
	if req.secret != nil && req.secret.deleted.IsZero() {
		for _, version := range req.secret.versions {
			list.Value = append(list.Value, req.describe(req.secret, version))
		}
	}
	slices.SortFunc(list.Value, func(a, b item) int { return strings.Compare(a.ID, b.ID) })
	start, _ := strconv.Atoi(req.query.Get("$skiptoken"))
	list.Value = list.Value[min(start, len(list.Value)):]
	if len(list.Value) > pageSize {
		list.Value = list.Value[:pageSize]
		next := req.base + "/secrets/" + req.name + "/versions?api-version=" + req.query.Get("api-version") + "&$skiptoken=" + strconv.Itoa(start+pageSize)
		list.NextLink = &next
	}
	return answer(list)
}

// delete deletes a secret so that it can be recovered.
func (v *Server) delete(req *request) *reply {
	version, refused := req.find()
	if refused != nil {
		return refused
	}
	req.secret.deleted = time.Now()
	return answer(req.describe(req.secret, version))
}

func (v *Server) getDeleted(req *request) *reply {
	if req.secret == nil || req.secret.deleted.IsZero() {
		return refuse(http.StatusNotFound, "SecretNotFound", "Deleted Secret not found: %s", req.name)
	}
	return answer(req.describe(req.secret, req.secret.last()))
}

// undelete undoes delete. It does not tell the value.
func (v *Server) undelete(req *request) *reply {
	found := v.getDeleted(req)
	if found.status == http.StatusOK {
		req.secret.deleted = time.Time{}
	}
	return found
}

// find returns the version that is asked for, the last one by default.
func (req *request) find() (*keptVersion, *reply) {
	if req.secret != nil && req.secret.deleted.IsZero() {
		for _, version := range slices.Backward(req.secret.versions) {
			if req.version == "" || req.version == version.id {
				return version, nil
			}
		}
	}
	asked := strings.TrimSuffix(req.name+"/"+req.version, "/")
	return nil, refuse(http.StatusNotFound, "SecretNotFound", "A secret with (name/id) %s was not found in this key vault.", asked)
}

func (s *keptSecret) last() *keptVersion { return s.versions[len(s.versions)-1] }

// change takes over what is given; the rest stays as it is.
func (version *keptVersion) change(given parameters) {
	is := &version.given
	if given.ContentType != nil {
		is.ContentType = given.ContentType
	}
	if given.Tags != nil {
		is.Tags = given.Tags
	}
	if given.Attributes.Enabled != nil {
		is.Attributes.Enabled = given.Attributes.Enabled
	}
	if given.Attributes.NotBefore != nil {
		is.Attributes.NotBefore = given.Attributes.NotBefore
	}
	if given.Attributes.Expires != nil {
		is.Attributes.Expires = given.Attributes.Expires
	}
}

func withValue(req *request, s *keptSecret, version *keptVersion) *reply {
	shown := req.describe(s, version)
	shown.Value = &version.value
	return answer(shown)
}

// describe says of a version all but its value.
func (req *request) describe(s *keptSecret, version *keptVersion) item {
	shown := item{
		ID: req.base + "/secrets/" + s.name + "/" + version.id, ContentType: version.given.ContentType,
		Attributes: version.given.Attributes, Tags: version.given.Tags,
	}
	if !s.deleted.IsZero() {
		shown.RecoveryID, shown.DeletedDate = req.base+"/deletedsecrets/"+s.name, s.deleted.Unix()
		shown.ScheduledPurgeDate = s.deleted.AddDate(0, 0, retentionDays).Unix()
	}
	return shown
}
