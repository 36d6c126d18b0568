package vault

import (
	"fmt"
	"strings"

	"github.com/secretctl/secretctl/internal/hint"
	"github.com/secretctl/secretctl/internal/store"
)

// refuseOther is the error about an object with another owner. setting is the config key
// that names an object of the delivery's own.
func (v *Store) refuseOther(object, why, setting string) error {
	err := store.Refused(fmt.Sprintf("vault: %s: %s; not changed", object, why))
	return hint.Wrap(err, "set %s to a name of the delivery's own, such as %s, or take this one over: secretctl provision --adopt", setting, v.ownName())
}

// ownName is a name for a policy or a role that no other delivery has by default, not even
// one of another cluster, which has another auth method.
func (v *Store) ownName() string {
	name := v.d.Name + "-" + v.d.Namespace
	if v.d.Vault.AuthMount != "kubernetes" {
		name += "-" + strings.ReplaceAll(v.d.Vault.AuthMount, "/", "-")
	}
	return name
}
