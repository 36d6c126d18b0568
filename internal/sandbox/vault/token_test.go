package vault

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"
)

func TestVaultTokenEndsWithItsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := newVault()
		create := &vaultRequest{op: opUpdate, path: "auth/token/create", tokenID: v.RootToken, body: map[string]any{"ttl": "1h", "policies": "default"}}
		created := v.answer(t.Context(), create)
		if created.auth == nil {
			t.Fatalf("%+v", created)
		}
		lookup := &vaultRequest{op: opRead, path: "auth/token/lookup-self", tokenID: created.auth.ClientToken}
		<-time.After(time.Hour - time.Second)
		if reply := v.answer(t.Context(), lookup); reply.status != 0 {
			t.Errorf("a second before: %+v", reply)
		}
		<-time.After(time.Second)
		if reply := v.answer(t.Context(), lookup); reply.status != http.StatusForbidden {
			t.Errorf("after an hour: %+v", reply)
		}
	})
}
