package vault

import (
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// engine is a secrets engine. Only KV version 2 has secrets.
type engine struct {
	Path    string            `json:"path"`
	Type    string            `json:"type"`
	Options map[string]string `json:"options"`

	secrets map[string]*entry
}

func newEngine(version string) *engine {
	e := &engine{Type: "kv", Options: map[string]string{"version": version}}
	if version == "2" {
		e.secrets = map[string]*entry{}
	}
	return e
}

// entry is a version at a path.
type entry struct {
	version          int
	data             any
	created, deleted time.Time // deleted is zero where it is not
	former           *entry    // the version before it; nil for the first one
}

// answer handles a request to a KV engine; path is what follows its mount.
func (e *engine) answer(req *request, path string) *reply {
	api, name, _ := strings.Cut(path, "/")
	s := e.secrets[name]
	switch {
	case e.secrets == nil:
		return notFound()
	case api == "metadata" && req.op == opList:
		return e.list(name)
	case api == "metadata" && req.op == opDelete:
		delete(e.secrets, name)
		return done()
	case api == "data" && req.op == opUpdate:
		return e.write(req, name)
	case s == nil:
		return notFound()
	case api == "metadata" && req.op == opRead:
		versions := map[string]any{}
		for former := s; former != nil; former = former.former {
			versions[strconv.Itoa(former.version)] = former.metadata()
		}
		return replyWith(map[string]any{"current_version": s.version, "versions": versions})
	case api == "data" && req.op == opDelete:
		s.data, s.deleted = nil, time.Now()
		return done()
	case api == "data" && req.op == opRead:
		return s.read(req.version)
	}
	return notFound()
}

// read answers with a version, which "" or "0" makes the current one.
func (s *entry) read(version string) *reply {
	for wanted, _ := strconv.Atoi(version); s != nil && wanted > 0 && s.version != wanted; {
		s = s.former
	}
	switch {
	case s == nil:
		return notFound()
	case !s.deleted.IsZero():
		return &reply{status: http.StatusNotFound, data: map[string]any{"data": nil, "metadata": s.metadata()}}
	}
	return replyWith(map[string]any{"data": s.data, "metadata": s.metadata()})
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

// write makes a new version, if the version that cas names is the current one.
func (e *engine) write(req *request, name string) *reply {
	data, isMap := req.body["data"].(map[string]any)
	if !isMap {
		return refuse(http.StatusBadRequest, "no data provided")
	}
	var s entry
	if s.former = e.secrets[name]; s.former != nil {
		s.version = s.former.version
	}
	options, _ := req.body["options"].(map[string]any)
	if cas, given := options["cas"].(float64); given && int(cas) != s.version {
		return refuse(http.StatusBadRequest, "check-and-set parameter did not match the current version")
	}
	s.version, s.data, s.created = s.version+1, data, time.Now()
	e.secrets[name] = &s
	return replyWith(s.metadata())
}

func (s *entry) metadata() map[string]any {
	m := map[string]any{
		"created_time": s.created.UTC().Format(time.RFC3339Nano), "custom_metadata": nil, "deletion_time": "",
		"destroyed": false, "version": s.version,
	}
	if !s.deleted.IsZero() {
		m["deletion_time"] = s.deleted.UTC().Format(time.RFC3339Nano)
	}
	return m
}
