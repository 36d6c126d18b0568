package vault

import (
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// engine is a secrets engine. Only the one of type kv, version 2, has secrets.
type engine struct {
	Path    string            `json:"path"`
	Type    string            `json:"type"`
	Options map[string]string `json:"options"`

	secrets map[string][]*version // by path, the newest last
}

// version is one version at a path.
type version struct {
	number           int
	data             any
	created, deleted time.Time // deleted is zero for a version that is not deleted
}

// answer handles a request to the KV engine; path is what follows its mount.
func (e *engine) answer(req *request, path string) *reply {
	api, name, _ := strings.Cut(path, "/")
	versions := e.secrets[name]
	switch api + " " + req.op {
	case "metadata list":
		return e.list(name)
	case "metadata delete":
		delete(e.secrets, name)
		return done()
	case "data update":
		return e.write(req, name)
	}
	if len(versions) == 0 {
		return notFound()
	}
	current := versions[len(versions)-1]
	switch api + " " + req.op {
	case "metadata read":
		all := map[string]any{}
		for _, v := range versions {
			all[strconv.Itoa(v.number)] = v.metadata()
		}
		return replyWith(map[string]any{"current_version": current.number, "versions": all})
	case "data delete":
		current.data, current.deleted = nil, time.Now()
		return done()
	case "data read":
		number, _ := strconv.Atoi(req.version)
		if number > len(versions) {
			return notFound()
		}
		if number > 0 {
			current = versions[number-1]
		}
		answer := replyWith(map[string]any{"data": current.data, "metadata": current.metadata()})
		if !current.deleted.IsZero() {
			answer.status = http.StatusNotFound
		}
		return answer
	}
	return notFound()
}

// list names what is directly below a folder; a folder in it ends in a slash.
func (e *engine) list(folder string) *reply {
	names := map[string]bool{}
	for path := range e.secrets {
		if rest, found := strings.CutPrefix(path, folder); found {
			name, _, deeper := strings.Cut(rest, "/")
			if deeper {
				name += "/"
			}
			names[name] = true
		}
	}
	if len(names) == 0 {
		return notFound()
	}
	return replyWith(map[string]any{"keys": slices.Sorted(maps.Keys(names))})
}

// write makes a new version, unless cas names another version than the current one.
func (e *engine) write(req *request, name string) *reply {
	data, isMap := req.body["data"].(map[string]any)
	if !isMap {
		return refuse(http.StatusBadRequest, "no data provided")
	}
	number := len(e.secrets[name])
	options, _ := req.body["options"].(map[string]any)
	if cas, given := options["cas"].(float64); given && int(cas) != number {
		return refuse(http.StatusBadRequest, "check-and-set parameter did not match the current version")
	}
	v := &version{number: number + 1, data: data, created: time.Now()}
	e.secrets[name] = append(e.secrets[name], v)
	return replyWith(v.metadata())
}

func (v *version) metadata() map[string]any {
	deleted := ""
	if !v.deleted.IsZero() {
		deleted = v.deleted.UTC().Format(time.RFC3339Nano)
	}
	return map[string]any{"version": v.number, "created_time": v.created.UTC(), "deletion_time": deleted, "destroyed": false}
}
