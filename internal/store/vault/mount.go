package vault

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/secretctl/secretctl/internal/hint"
)

// unseenError says that Vault does not show the KV mount to this token.
type unseenError struct{ mount string }

func (e *unseenError) Error() string { return "no KV mount " + e.mount + " that this token can see" }

type mount struct {
	Type    string            `json:"type"`
	Path    string            `json:"path"`
	Options map[string]string `json:"options"`
}

// checkMount refuses what is not a KV engine of version 2: in one of version 1 the
// same requests would write, to a path that nobody reads. The error is an
// [*unseenError] where the token may not see the mount, or there is none: Vault
// does not say which.
func (v *Store) checkMount(ctx context.Context) error {
	path := v.d.Vault.KVMount + "/"
	var m mount
	a := access{object: "KV mount " + path, path: "sys/internal/ui/mounts/" + v.d.Vault.KVMount, needs: []string{"read"}}
	_, err := v.get(ctx, a.path, &m)
	switch {
	case isStatus(err, http.StatusForbidden):
		return v.unseenMount(ctx, a)
	case err != nil:
		return v.fail(ctx, a, err)
	case m.Path != path:
		err = hint.Wrap(fmt.Errorf("is a folder in the mount %s, no mount", m.Path),
			"set vault.kvMount to %s and begin the paths with the rest", strings.TrimSuffix(m.Path, "/"))
	case m.Type != "kv" && m.Type != "generic":
		err = hint.Wrap(fmt.Errorf("is an engine of type %s, not kv", m.Type), "set vault.kvMount to a KV engine of version 2")
	case m.Options["version"] != "2":
		err = hint.Wrap(errors.New("is a KV engine of version 1"),
			"set vault.kvMount to another mount, made with: vault secrets enable -path=NAME kv-v2. vault kv enable-versioning %s would change "+
				"every path for everybody who reads this one, and cannot be undone", path)
	}
	if err != nil {
		return fmt.Errorf("vault: %s: %w", a.object, err)
	}
	return nil
}

func (v *Store) unseenMount(ctx context.Context, a access) error {
	seen, err := v.visibleMounts(ctx)
	if err != nil {
		return v.fail(ctx, a, err)
	}
	maps.DeleteFunc(seen, func(_ string, m mount) bool { return m.Type != "kv" })
	err = fmt.Errorf("vault: %w", &unseenError{v.d.Vault.KVMount + "/" + v.inNamespace()})
	next := fmt.Sprintf("run: vault secrets enable -path=%s kv-v2, or let the token's policy grant something below %[1]s/", v.d.Vault.KVMount)
	if len(seen) > 0 {
		next = "it sees " + strings.Join(slices.Sorted(maps.Keys(seen)), ", ") + "; if one of them is meant, set vault.kvMount, otherwise " + next
	}
	return hint.Wrap(err, "%s", next)
}

// visibleMounts returns the engines that the token has anything to do with. Any
// valid token may ask; 403 means that it is not valid.
func (v *Store) visibleMounts(ctx context.Context) (map[string]mount, error) {
	var out struct {
		Secret map[string]mount `json:"secret"`
	}
	_, err := v.get(ctx, "sys/internal/ui/mounts", &out)
	return out.Secret, err
}
