package keyvault

import (
	"net/http"
	"strings"
	"time"
)

// The states of a secret in which it cannot be set, as the inner error names them.
const (
	beingDeleted   = "ObjectIsBeingDeleted"
	onlyDeleted    = "ObjectIsDeletedButRecoverable"
	beingRecovered = "ObjectIsBeingRecovered"
)

// state is "" where a secret can be set; one that does not exist yet can.
func (s *keyVaultSecret) state() string {
	switch {
	case s == nil || s.deleted.IsZero() && s.settling == 0:
		return ""
	case s.deleted.IsZero():
		return beingRecovered
	case s.settling > 0:
		return beingDeleted
	}
	return onlyDeleted
}

// notSettable is the message for a name in that state.
func notSettable(state string) string {
	switch state {
	case beingDeleted:
		return "Secret %s is currently being deleted and cannot be re-created; retry later."
	case beingRecovered:
		return "Secret %s is currently being recovered and cannot be re-created; retry later."
	}
	return "Secret %s is currently in a deleted but recoverable state, and its name cannot be reused; " +
		"in this state, the secret can only be recovered or purged."
}

// visible tells whether a secret can be read. One that is being recovered can be
// when half of its recovery is over.
func (v *Server) visible(s *keyVaultSecret) bool {
	return s != nil && s.deleted.IsZero() && s.settling <= v.settle
}

// delete deletes a secret so that it can be recovered.
func (v *Server) delete(req *keyVaultRequest) *keyVaultReply {
	version, refused := v.versionOf(req)
	if refused != nil {
		return refused
	}
	if refused := underWay(req.secret); refused != nil {
		return refused
	}
	req.secret.deleted, req.secret.settling = time.Now(), v.settle
	return &keyVaultReply{body: v.describe(req, req.secret, version)}
}

// undelete undoes delete. It does not tell the value.
func (v *Server) undelete(req *keyVaultRequest) *keyVaultReply {
	if refused := v.notDeleted(req); refused != nil {
		return refused
	}
	req.secret.deleted, req.secret.settling = time.Time{}, 2*v.settle
	return &keyVaultReply{body: v.describe(req, req.secret, req.secret.last())}
}

// purge forgets a deleted secret.
func (v *Server) purge(req *keyVaultRequest) *keyVaultReply {
	if !v.purges {
		return keyVaultRefusal(http.StatusForbidden, "Forbidden", "", "Operation \"purge\" is not allowed because purge protection "+
			"is enabled for this vault. Key Vault service will automatically purge it after the retention period has passed.\r\n"+
			"Vault: %s;location=sandbox", v.Name)
	}
	if refused := v.notDeleted(req); refused != nil {
		return refused
	}
	delete(v.secrets, strings.ToUpper(req.name))
	return &keyVaultReply{status: http.StatusNoContent}
}

// getDeleted tells of a secret once its deletion is over.
func (v *Server) getDeleted(req *keyVaultRequest) *keyVaultReply {
	if req.secret.state() != onlyDeleted {
		return deletedNotFound(req)
	}
	return &keyVaultReply{body: v.describe(req, req.secret, req.secret.last())}
}

// notDeleted refuses what can only be done with a deleted secret; nil where it is one.
func (v *Server) notDeleted(req *keyVaultRequest) *keyVaultReply {
	if refused := underWay(req.secret); refused != nil {
		return refused
	}
	if req.secret.state() != onlyDeleted {
		return deletedNotFound(req)
	}
	return nil
}

func deletedNotFound(req *keyVaultRequest) *keyVaultReply {
	return keyVaultRefusal(http.StatusNotFound, "SecretNotFound", "", "Deleted Secret not found: %s", req.name)
}

// underWay refuses what cannot be done while a secret is deleted or recovered; nil
// where neither is going on.
func underWay(s *keyVaultSecret) *keyVaultReply {
	switch s.state() {
	case beingDeleted:
		return keyVaultRefusal(http.StatusConflict, "Conflict", beingDeleted, "Secret is currently being deleted.")
	case beingRecovered:
		return keyVaultRefusal(http.StatusConflict, "Conflict", beingRecovered, "Secret is currently being recovered.")
	}
	return nil
}
