package keyvault

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azsecrets"

	"github.com/secretctl/secretctl/internal/sandbox/loopback"
)

const (
	retentionDays = 90 // for which a deleted secret can be recovered
	pageSize      = 25
)

// keptSecret is one name, with its versions.
type keptSecret struct {
	name     string         // as it was first written
	versions []*keptVersion // the newest last
	deleted  time.Time      // zero for a secret that is not deleted
}

type keptVersion struct {
	id string
	azsecrets.SetSecretParameters
}

// set creates a version, even for the value of the last one.
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
	now := time.Now()
	version := &keptVersion{id: strings.ReplaceAll(loopback.UUID(), "-", "")}
	version.Value, version.SecretAttributes = req.given.Value, &azsecrets.SecretAttributes{
		Enabled: to.Ptr(true), Created: &now, Updated: &now, RecoveryLevel: to.Ptr("Recoverable"), RecoverableDays: to.Ptr(int32(retentionDays)),
	}
	version.change(req.given)
	s.versions = append(s.versions, version)
	return withValue(req, s, version)
}

// get reads a version, by default the newest. Key Vault returns a version that has expired
// or is not valid yet like any other.
func (v *Server) get(req *request) *reply {
	version, refused := req.find()
	switch {
	case refused != nil:
		return refused
	case !*version.SecretAttributes.Enabled:
		return refuse(http.StatusForbidden, "Forbidden/SecretDisabled", "Operation get is not allowed on a disabled secret.")
	}
	return withValue(req, req.secret, version)
}

// update changes the properties of a version.
func (v *Server) update(req *request) *reply {
	version, refused := req.find()
	if refused != nil {
		return refused
	}
	version.change(req.given)
	return answer(req.describe(req.secret, version))
}

// versions lists the versions of a secret in pages, sorted by id and not by age.
func (v *Server) versions(req *request) *reply {
	all := []azsecrets.DeletedSecret{}
	if req.secret != nil && req.secret.deleted.IsZero() {
		for _, version := range req.secret.versions {
			all = append(all, req.describe(req.secret, version))
		}
	}
	slices.SortFunc(all, func(a, b azsecrets.DeletedSecret) int { return strings.Compare(string(*a.ID), string(*b.ID)) })
	start, _ := strconv.Atoi(req.query.Get("$skiptoken"))
	end := min(start+pageSize, len(all))
	page := map[string]any{"value": all[min(start, end):end]}
	if end < len(all) {
		page["nextLink"] = req.base + "/secrets/" + req.name + "/versions?api-version=" + req.query.Get("api-version") + "&$skiptoken=" + strconv.Itoa(end)
	}
	return answer(page)
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
	return answer(req.describe(req.secret, req.secret.versions[len(req.secret.versions)-1]))
}

// undelete recovers a deleted secret, and returns no value.
func (v *Server) undelete(req *request) *reply {
	found := v.getDeleted(req)
	if found.status == http.StatusOK {
		req.secret.deleted = time.Time{}
	}
	return found
}

// find returns the requested version, by default the newest.
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

// change takes over the properties that are given, and leaves the others.
func (version *keptVersion) change(given azsecrets.SetSecretParameters) {
	if given.ContentType != nil {
		version.ContentType = given.ContentType
	}
	if given.Tags != nil {
		version.Tags = given.Tags
	}
	if a := given.SecretAttributes; a != nil {
		is := version.SecretAttributes
		if a.Enabled != nil {
			is.Enabled = a.Enabled
		}
		if a.NotBefore != nil {
			is.NotBefore = a.NotBefore
		}
		if a.Expires != nil {
			is.Expires = a.Expires
		}
	}
}

func withValue(req *request, s *keptSecret, version *keptVersion) *reply {
	shown := req.describe(s, version)
	shown.Value = version.Value
	return answer(shown)
}

// describe returns all of a version but its value. Without the fields of a deleted secret,
// its JSON is that of a secret.
func (req *request) describe(s *keptSecret, version *keptVersion) azsecrets.DeletedSecret {
	shown := azsecrets.DeletedSecret{
		ID:          to.Ptr(azsecrets.ID(req.base + "/secrets/" + s.name + "/" + version.id)),
		ContentType: version.ContentType, Attributes: version.SecretAttributes, Tags: version.Tags,
	}
	if !s.deleted.IsZero() {
		shown.RecoveryID, shown.DeletedDate = to.Ptr(req.base+"/deletedsecrets/"+s.name), &s.deleted
		shown.ScheduledPurgeDate = to.Ptr(s.deleted.AddDate(0, 0, retentionDays))
	}
	return shown
}
