package vault

import (
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// kvSecret is one path of a KV v2 engine, with its versions.
type kvSecret struct {
	created, updated time.Time
	current, oldest  int
	versions         map[int]*kvVersion
	maxVersions      int
	casRequired      bool
	custom           map[string]string
	changed          *kvAuthor // nil before the first version
}

type kvVersion struct {
	created   time.Time
	author    kvAuthor
	deleted   time.Time // zero where it is not
	remover   *kvAuthor
	destroyed bool
	data      map[string]any
}

// kvAuthor says by which request something was changed.
type kvAuthor struct {
	Actor     string `json:"actor"`
	Operation string `json:"operation"`
	ClientID  string `json:"client_id"`
}

// kvDescription is what accompanies a version.
type kvDescription struct {
	CreatedTime    string            `json:"created_time"`
	CustomMetadata map[string]string `json:"custom_metadata"`
	DeletionTime   string            `json:"deletion_time"`
	Destroyed      bool              `json:"destroyed"`
	Version        int               `json:"version"`
}

// kvMetadata is what the metadata path tells of a secret.
type kvMetadata struct {
	CASRequired        bool                         `json:"cas_required"`
	CreatedTime        string                       `json:"created_time"`
	CurrentVersion     int                          `json:"current_version"`
	CustomMetadata     map[string]string            `json:"custom_metadata"`
	DeleteVersionAfter string                       `json:"delete_version_after"`
	LastUpdatedBy      *kvAuthor                    `json:"last_updated_by"`
	MaxVersions        int                          `json:"max_versions"`
	OldestVersion      int                          `json:"oldest_version"`
	UpdatedTime        string                       `json:"updated_time"`
	Versions           map[string]kvVersionMetadata `json:"versions"`
}

type kvVersionMetadata struct {
	CreatedBy    kvAuthor  `json:"created_by"`
	CreatedTime  string    `json:"created_time"`
	DeletedBy    *kvAuthor `json:"deleted_by"`
	DeletionTime string    `json:"deletion_time"`
	Destroyed    bool      `json:"destroyed"`
}

func newKVSecret() *kvSecret {
	now := time.Now()
	return &kvSecret{created: now, updated: now, versions: map[int]*kvVersion{}}
}

// add makes a new current version and drops those that are too old to keep.
func (s *kvSecret) add(data map[string]any, by kvAuthor, keep int) {
	s.updated, s.changed = time.Now(), &by
	s.current++
	s.versions[s.current] = &kvVersion{created: s.updated, author: by, data: data}
	for n := range s.versions {
		if n <= s.current-keep {
			delete(s.versions, n)
			s.oldest = max(s.oldest, n+1)
		}
	}
}

func (s *kvSecret) remove(numbers []int, by kvAuthor) {
	s.changed = &by
	for _, n := range numbers {
		if v := s.versions[n]; v != nil && !v.destroyed && v.deleted.IsZero() {
			v.deleted, v.remover = time.Now(), &by
		}
	}
}

func (s *kvSecret) restore(numbers []int, by kvAuthor) {
	by.Operation = "undelete"
	s.changed = &by
	for _, n := range numbers {
		if v := s.versions[n]; v != nil && !v.destroyed {
			v.deleted, v.remover = time.Time{}, nil
		}
	}
}

func (s *kvSecret) destroy(numbers []int, by kvAuthor) {
	s.changed = &by
	for _, n := range numbers {
		if v := s.versions[n]; v != nil {
			v.destroyed, v.data = true, nil
		}
	}
}

func (s *kvSecret) describe(n int) kvDescription {
	v := s.versions[n]
	return kvDescription{
		CreatedTime: stamp(v.created), CustomMetadata: s.custom, DeletionTime: stamp(v.deleted),
		Destroyed: v.destroyed, Version: n,
	}
}

func (s *kvSecret) metadata() kvMetadata {
	versions := map[string]kvVersionMetadata{}
	for n, v := range s.versions {
		versions[strconv.Itoa(n)] = kvVersionMetadata{
			CreatedBy: v.author, CreatedTime: stamp(v.created), DeletedBy: v.remover,
			DeletionTime: stamp(v.deleted), Destroyed: v.destroyed,
		}
	}
	return kvMetadata{
		CASRequired: s.casRequired, CreatedTime: stamp(s.created), CurrentVersion: s.current, CustomMetadata: s.custom,
		DeleteVersionAfter: "0s", LastUpdatedBy: s.changed, MaxVersions: s.maxVersions, OldestVersion: s.oldest,
		UpdatedTime: stamp(s.updated), Versions: versions,
	}
}

// stamp words a time as Vault does; no time is "".
func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339Nano)
}

// kvSettings are the settings that an engine and each of its secrets share; nil
// where a request leaves one out.
type kvSettings struct {
	maxVersions *int
	casRequired *bool
}

func kvSettingsOf(req *vaultRequest) (s kvSettings, refused *vaultReply) {
	if given, present := req.body["max_versions"]; present {
		n, err := integer(given)
		if err != nil {
			return s, refuse(http.StatusBadRequest, "error converting input for field \"max_versions\": %v", err)
		}
		s.maxVersions = &n
	}
	if given, present := req.body["cas_required"].(bool); present {
		s.casRequired = &given
	}
	if after, err := seconds(req.body["delete_version_after"]); err != nil || after != 0 {
		return s, refuse(http.StatusBadRequest, "delete_version_after: this stand-in deletes nothing by itself")
	}
	return s, nil
}

func (s kvSettings) apply(maxVersions *int, casRequired *bool) {
	if s.maxVersions != nil {
		*maxVersions = *s.maxVersions
	}
	if s.casRequired != nil {
		*casRequired = *s.casRequired
	}
}

func customMetadata(given map[string]any) map[string]string {
	custom := map[string]string{}
	for key, value := range given {
		custom[key] = fmt.Sprint(value)
	}
	return custom
}
