package vault

import (
	"cmp"
	"net/http"
	"slices"
	"strings"
)

const (
	kvKeptVersions = 10 // where neither the secret nor the engine says
	kvPathWarning  = "Invalid path for a versioned K/V secrets engine. See the API docs for the appropriate API endpoints to use. If using the Vault CLI, use 'vault kv OPERATION' for this operation."
	kvRootWarning  = "Non-listing operations on the root of a K/V v2 mount are not supported."
)

// kv2 is a KV engine of version 2.
type kv2 struct {
	secrets     map[string]*kvSecret
	maxVersions int
	casRequired bool
}

// answer handles a request; path is what follows the mount.
func (kv *kv2) answer(req *vaultRequest, path string) *vaultReply {
	api, name, _ := strings.Cut(path, "/")
	folder := name == "" || strings.HasSuffix(name, "/")
	switch {
	case path == "config":
		return kv.config(req)
	case api == "metadata" && req.op == opList:
		return listing(kv.secrets, name)
	case api == "metadata" && !folder:
		return kv.metadata(req, name)
	case api == "data" && folder && req.op == opUpdate:
		return refuse(http.StatusBadRequest, "cannot write to a path ending in '/'")
	case path == "data" || path == "metadata":
		return &vaultReply{status: http.StatusNotFound, warnings: []string{kvRootWarning}}
	case api == "data" && !folder && req.op != opList:
		return kv.data(req, name)
	case slices.Contains([]string{"delete", "undelete", "destroy"}, api) && !folder:
		return kv.mark(req, api, name)
	}
	command := map[operation]string{opRead: "get", opUpdate: "put", opDelete: "delete", opList: "list"}[req.op]
	return &vaultReply{status: http.StatusNotFound, warnings: []string{strings.Replace(kvPathWarning, "OPERATION", command, 1)}}
}

// exists says whether a write to path changes something that is there, which
// decides between the capabilities create and update.
func (kv *kv2) exists(path string) bool {
	api, name, _ := strings.Cut(path, "/")
	return (api != "data" && api != "metadata") || kv.secrets[name] != nil
}

func (kv *kv2) data(req *vaultRequest, name string) *vaultReply {
	s := kv.secrets[name]
	if req.op == opUpdate {
		return kv.write(req, name)
	}
	if req.op == opDelete {
		if s != nil {
			s.remove([]int{s.current}, req.author())
		}
		return done()
	}
	number, err := integer(req.query.Get("version"))
	if err != nil {
		return refuse(http.StatusBadRequest, "Field validation failed: error converting input for field \"version\": %v", err)
	}
	if s == nil || s.versions[cmp.Or(number, s.current)] == nil {
		return notFound()
	}
	number = cmp.Or(number, s.current)
	if v := s.versions[number]; v.destroyed || !v.deleted.IsZero() {
		return &vaultReply{status: http.StatusNotFound, data: kvContent{Metadata: s.describe(number)}}
	}
	return replyWith(kvContent{Data: s.versions[number].data, Metadata: s.describe(number)})
}

// kvContent is a version as it is read. Its data is null where it was deleted.
type kvContent struct {
	Data     map[string]any `json:"data"`
	Metadata kvDescription  `json:"metadata"`
}

func (kv *kv2) write(req *vaultRequest, name string) *vaultReply {
	given, present := req.body["data"]
	if !present {
		return refuse(http.StatusBadRequest, "no data provided")
	}
	data, isMap := given.(map[string]any)
	if !isMap && given != nil {
		return refuse(http.StatusBadRequest, "error converting input for field \"data\": '' expected a map, got '%T'", given)
	}
	s := kv.secrets[name]
	author := req.author()
	if s == nil {
		s, author.Operation = newKVSecret(), "create"
	}
	options, _ := req.body["options"].(map[string]any)
	cas, checked := options["cas"]
	want, err := integer(cas)
	switch {
	case !checked && (kv.casRequired || s.casRequired):
		return refuse(http.StatusBadRequest, "check-and-set parameter required for this call")
	case checked && err != nil:
		return refuse(http.StatusBadRequest, "error parsing check-and-set parameter")
	case checked && want != s.current:
		return refuse(http.StatusBadRequest, "check-and-set parameter did not match the current version")
	}
	s.add(data, author, cmp.Or(s.maxVersions, kv.maxVersions, kvKeptVersions))
	if kv.secrets[name] == nil {
		s.created = s.updated
	}
	kv.secrets[name] = s
	return replyWith(s.describe(s.current))
}

// mark deletes, restores or destroys the versions that the request names.
func (kv *kv2) mark(req *vaultRequest, how, name string) *vaultReply {
	if req.op != opUpdate {
		return unsupportedOperation()
	}
	given, _ := req.body["versions"].([]any)
	if len(given) == 0 {
		return refuse(http.StatusBadRequest, "No version number provided")
	}
	var numbers []int
	for _, g := range given {
		n, err := integer(g)
		if err != nil {
			return refuse(http.StatusBadRequest, "error converting input for field \"versions\": %v", err)
		}
		numbers = append(numbers, n)
	}
	s := kv.secrets[name]
	switch {
	case s == nil:
	case how == "delete":
		s.remove(numbers, req.author())
	case how == "undelete":
		s.restore(numbers, req.author())
	default:
		s.destroy(numbers, req.author())
	}
	return done()
}

func (kv *kv2) metadata(req *vaultRequest, name string) *vaultReply {
	s := kv.secrets[name]
	switch {
	case req.op == opDelete:
		delete(kv.secrets, name)
		return done()
	case req.op == opRead && s == nil:
		return notFound()
	case req.op == opRead:
		return replyWith(s.metadata())
	}
	custom, isMap := req.body["custom_metadata"].(map[string]any)
	if given := req.body["custom_metadata"]; given != nil && !isMap {
		return refuse(http.StatusBadRequest, "error converting input for field \"custom_metadata\": '' expected a map, got '%T'", given)
	}
	settings, reply := kvSettingsOf(req)
	if reply != nil || (custom == nil && settings == kvSettings{}) { // an empty write creates nothing
		return cmp.Or(reply, done())
	}
	if s == nil {
		s = newKVSecret()
		kv.secrets[name] = s
	}
	settings.apply(&s.maxVersions, &s.casRequired)
	if custom != nil {
		s.custom = customMetadata(custom)
	}
	return done()
}

func (kv *kv2) config(req *vaultRequest) *vaultReply {
	switch req.op {
	case opRead:
		return replyWith(map[string]any{
			"cas_required": kv.casRequired, "delete_version_after": "0s", "max_versions": kv.maxVersions,
		})
	case opUpdate:
		settings, reply := kvSettingsOf(req)
		if reply != nil {
			return reply
		}
		settings.apply(&kv.maxVersions, &kv.casRequired)
		return done()
	}
	return unsupportedOperation()
}
