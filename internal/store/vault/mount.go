package vault

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/secretctl/secretctl/internal/hint"
	"github.com/secretctl/secretctl/internal/secret"
)

// unseenError says that Vault does not show the KV mount to this token.
type unseenError struct{ mount string }

func (e *unseenError) Error() string { return "no KV mount " + e.mount + " that this token can see" }

type mount struct {
	Type    string            `json:"type"`
	Path    string            `json:"path"`
	Options map[string]string `json:"options"`
}

// checkMount refuses a mount that is not a KV engine of version 2: in one of version 1
// the same requests would write to a path that nobody reads. The error is an
// [*unseenError] if the mount does not exist or the token may not see it, which Vault
// does not tell apart.
func (v *Store) checkMount(ctx context.Context) error {
	path := v.d.Vault.KVMount + "/"
	a := access{object: "KV mount " + path, path: "sys/internal/ui/mounts/" + v.d.Vault.KVMount, needs: []string{"read"}}
	var m mount
	var why, next string
	_, err := v.get(ctx, a.path, &m)
	switch {
	case isStatus(err, http.StatusForbidden):
		return v.unseenMount(ctx, a)
	case err != nil:
		return v.fail(ctx, a, err)
	case m.Path != path:
		why = "is a folder in the mount " + m.Path + ", not a mount"
		next = secret.Shellf("set vault.kvMount to %s and start the paths with the rest", strings.TrimSuffix(m.Path, "/"))
	case m.Type != "kv" && m.Type != "generic":
		why, next = "is an engine of type "+m.Type+", not kv", "set vault.kvMount to a KV engine of version 2"
	case m.Options["version"] != "2":
		why = "is a KV engine of version 1"
		next = v.shellf("set vault.kvMount to another mount, made with: vault secrets enable -path=NAME kv-v2. vault kv enable-versioning %s would change "+
			"every path for everybody who reads this one, and cannot be undone", path)
	default:
		return nil
	}
	return hint.Wrap(fmt.Errorf("vault: %s: %s", a.object, why), "%s", next)
}

func (v *Store) unseenMount(ctx context.Context, a access) error {
	seen, err := v.visibleMounts(ctx)
	if err != nil {
		return v.fail(ctx, a, err)
	}
	maps.DeleteFunc(seen, func(_ string, m mount) bool { return m.Type != "kv" })
	next := v.shellf("run: vault secrets enable -path=%s kv-v2, or let the token's policy grant something below %[1]s/", v.d.Vault.KVMount)
	if len(seen) > 0 {
		next = "it sees " + secret.ShellWords(slices.Sorted(maps.Keys(seen)), ", ") + "; if one of them is meant, set vault.kvMount, otherwise " + next
	}
	return hint.Wrap(fmt.Errorf("vault: %w", &unseenError{v.d.Vault.KVMount + "/" + v.inNamespace()}), "%s", next)
}

// visibleMounts returns the secret engines that the token has any right in. Every valid
// token may ask: 403 means that the token is not valid.
func (v *Store) visibleMounts(ctx context.Context) (map[string]mount, error) {
	var out struct {
		Secret map[string]mount `json:"secret"`
	}
	_, err := v.get(ctx, "sys/internal/ui/mounts", &out)
	return out.Secret, err
}
