package vault

import (
	"maps"
	"net/http"
	"slices"
	"strings"
)

// kv1 is a KV engine of version 1: no versions, no metadata.
type kv1 struct {
	secrets map[string]map[string]any
}

func (kv *kv1) answer(req *vaultRequest, name string) *vaultReply {
	if req.op == opList {
		return listing(kv.secrets, name)
	}
	switch req.op {
	case opUpdate:
		if len(req.body) == 0 {
			return refuse(http.StatusBadRequest, "missing data fields")
		}
		kv.secrets[name] = req.body
		return done()
	case opDelete:
		delete(kv.secrets, name)
		return done()
	}
	data, found := kv.secrets[name]
	if !found {
		return notFound()
	}
	reply := replyWith(data)
	reply.lease = int(defaultLease.Seconds())
	return reply
}

// listing names what is directly below a folder; subfolders end in a slash.
func listing[T any](secrets map[string]T, folder string) *vaultReply {
	names := map[string]bool{}
	for path := range secrets {
		if rest, found := strings.CutPrefix(path, folder); found && rest != "" {
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
