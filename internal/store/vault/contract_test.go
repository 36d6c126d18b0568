package vault_test

import (
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/hint"
	"github.com/secretctl/secretctl/internal/secret"
	"github.com/secretctl/secretctl/internal/store"
	"github.com/secretctl/secretctl/internal/store/storetest"
	"github.com/secretctl/secretctl/internal/store/vault"
)

// What Vault has to be like, besides what holds for every store. The stand-in and the real
// server pass the same tests, so that what the stand-in proves elsewhere holds.
var contract = []struct {
	name string
	test func(*testing.T, *backend)
}{
	{"updates what differs and keeps other keys", updatesAndKeepsOtherKeys},
	{"writes secrets that share a path in one version", sharesOneVersion},
	{"writes after a soft delete", writesAfterSoftDelete},
	{"warns of a deleted value that it replaces", warnsOfDeletedValue},
	{"refuses to guess at a value that is no text", refusesOtherJSON},
	{"merges the write of another key", mergesOtherKeys},
	{"finds its own write when the answer was lost", survivesLostAnswer},
	{"agrees with 63 others that provision the same", agreesInParallel},
	{"merges the writes of many to one path", mergesParallelWriters},
	{"names what a token may not do", namesMissingRight},
	{"recognizes an invalid token", recognizesInvalidToken},
	{"skips folders it may not list", worksWithoutListing},
	{"skips reading what a folder does not have", skipsReadsOfNewPaths},
	{"refuses a mount that does not exist", refusesWrongMount},
	{"stops at once when sealed in the middle", stopsWhenSealed},
	{"converges after Vault was gone half-way", convergesAfterOutage},
	{"gets a value and its version", getsValue},
	{"puts a value with its neighbours", putsValue},
	{"provisions everything, then nothing", provisionsEverything},
	{"writes nothing in a dry run", dryRunWritesNothing},
	{"updates the policy and says how", updatesPolicy},
	{"repairs the role and keeps its other fields", repairsRole},
	{"refuses another kind of auth method", refusesOtherAuthMethod},
	{"changes kubernetes_host and keeps the config", changesKubernetesHost},
	{"does not lose a token_reviewer_jwt", keepsReviewerToken},
	{"leaves an auth method as others have set it", leavesSharedAuthMethod},
	{"leaves a policy of somebody else that grants enough", leavesOtherPolicyThatGrants},
	{"refuses to change a policy of somebody else", refusesOtherPolicy},
	{"refuses to change the policy of another cluster", refusesPolicyOfAnotherCluster},
	{"leaves a role that admits the pod and others", leavesRoleThatAdmits},
	{"keeps what the config does not say of its role", keepsSettingsOfRole},
	{"refuses to take a role from others", refusesOtherRole},
	{"keeps further policies of its role", keepsFurtherPolicies},
	{"keeps apart two deliveries with default names", keepsDeliveriesApart},
	{"wants the auth method before the role", wantsAuthBeforeRole},
	{"lets the rotate job write its secrets and no others", letsRotateJobWrite},
	{"logs in as the pod", logsInAsThePod},
	{"logs in once, when that is first needed", logsInWhenNeeded},
	{"names what refuses the pod", namesWhatRefusesThePod},
	{"says what answers at its address", reachesVault},
}

func TestStandInKeepsTheContract(t *testing.T) { testContract(t, startStandIn(t)) }

// The stand-in has neither KV version 1 nor the older names of a role's fields.
func TestRealVaultKeepsTheContract(t *testing.T) {
	b := startReal(t)
	testContract(t, b)
	t.Run("refuses KV version 1", func(t *testing.T) { refusesVersion1(t, b) })
	t.Run("accepts a role in the older style", func(t *testing.T) { acceptsOldRole(t, b) })
}

func testContract(t *testing.T, b *backend) {
	storetest.Run(t, func(t *testing.T) storetest.Harness { return newHarness(t, b) })
	for _, c := range contract {
		t.Run(c.name, func(t *testing.T) { c.test(t, b) })
	}
}

func newHarness(t *testing.T, b *backend) storetest.Harness {
	p := newProxy(t, b)
	return storetest.Harness{
		Provider: vault.Provider, Options: store.Options{Token: secret.New([]byte(b.token))},
		Delivery: func(t *testing.T, secrets ...config.Secret) *config.Delivery {
			for i := range secrets {
				secrets[i].Path = storetest.Place(t) + "/" + secrets[i].Name
			}
			return p.delivery(t, secrets...)
		},
		Write: func(t *testing.T, s config.Secret, value string) { b.store(t, s.Path, map[string]any{s.Key: value}) },
		Versions: func(t *testing.T, s config.Secret) (newest string, versions int) {
			values, versions := b.data(t, s.Path)
			newest, _ = values[s.Key].(string)
			return newest, versions
		},
		BeforeWrite: func(_ bool, f func()) { p.onWrite(1, f) },
	}
}

func updatesAndKeepsOtherKeys(t *testing.T, b *backend) {
	others := map[string]any{"user": "aidbox", "port": float64(5432), "tags": []any{"a<b", nil}}
	b.store(t, storetest.Place(t), map[string]any{"user": "aidbox", "port": 5432, "tags": []any{"a<b", nil}, "password": "old"})
	d := b.delivery(t, config.Secret{Name: "password", Value: storetest.FromEnv("P")})

	got, err := b.run(t, d, map[string]string{"P": storetest.Canary}, "store")
	storetest.Want(t, got, err, "store update secret/"+storetest.Place(t)+"#password")
	values, version := b.data(t, storetest.Place(t))
	others["password"] = storetest.Canary
	if diff := cmp.Diff(others, values); diff != "" || version != 2 {
		t.Errorf("version %d, want 2; values (-want +got):\n%s", version, diff)
	}
}

func sharesOneVersion(t *testing.T, b *backend) {
	d := b.delivery(t,
		config.Secret{Name: "a", Value: storetest.FromEnv("P")},
		config.Secret{Name: "b", Value: storetest.Generated()},
		config.Secret{Name: "c", Value: storetest.FromEnv("P")})
	got, err := b.run(t, d, map[string]string{"P": storetest.Canary}, "store")
	object := "store create secret/" + storetest.Place(t) + "#"
	storetest.Want(t, got, err, object+"a", object+"b", object+"c")
	if values, version := b.data(t, storetest.Place(t)); len(values) != 3 || version != 1 {
		t.Errorf("%d keys in version %d, want 3 in version 1", len(values), version)
	}
}

func writesAfterSoftDelete(t *testing.T, b *backend) {
	b.store(t, storetest.Place(t), map[string]any{"password": "old", "user": "gone"})
	b.call(t, http.MethodDelete, "secret/data/"+storetest.Place(t), nil)
	d := b.delivery(t, config.Secret{Name: "password", Value: storetest.FromEnv("P")})

	if _, _, err := b.vault(t, b.token, d).Get(t.Context(), d.Secrets[0]); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Get of a deleted version: %v, want fs.ErrNotExist", err)
	}
	got, err := b.run(t, d, map[string]string{"P": storetest.Canary}, "store")
	storetest.Want(t, got, err, "store create secret/"+storetest.Place(t)+"#password")
	values, version := b.data(t, storetest.Place(t))
	if diff := cmp.Diff(map[string]any{"password": storetest.Canary}, values); diff != "" || version != 2 {
		t.Errorf("version %d, want 2; values (-want +got):\n%s", version, diff)
	}
}

func warnsOfDeletedValue(t *testing.T, b *backend) {
	path := storetest.Place(t)
	b.store(t, path, map[string]any{"password": storetest.Canary})
	b.call(t, http.MethodDelete, "secret/data/"+path, nil)
	d := b.delivery(t, config.Secret{Name: "password", Value: secret.Source{Generate: &secret.Generate{Length: 32}}})
	got, err := b.run(t, d, nil, "store")
	storetest.Want(t, got, err, "store create secret/"+path+"#password")
	if err == nil && !strings.Contains(got[0].Warning, "version 1, which is deleted and can be recovered instead of a new value (run: vault kv undelete -mount=secret -versions=1 "+path+")") {
		t.Errorf("warning %q", got[0].Warning)
	}
}

func refusesOtherJSON(t *testing.T, b *backend) {
	b.store(t, storetest.Place(t), map[string]any{"number": 42, "null": nil})
	d := b.delivery(t, config.Secret{Name: "number"}, config.Secret{Name: "null"})
	for _, s := range d.Secrets {
		_, _, err := b.vault(t, b.token, d).Get(t.Context(), s)
		storetest.WantError(t, err, "#"+s.Name, "not text")
	}
	_, err := b.run(t, d, nil, "store")
	storetest.WantError(t, err, "#number", "not text")

	d.Secrets[0].Value = storetest.FromEnv("P") // which says what the value has to be
	d.Secrets = d.Secrets[:1]
	got, err := b.run(t, d, map[string]string{"P": "42"}, "store")
	storetest.Want(t, got, err, "store update secret/"+storetest.Place(t)+"#number")
}

func mergesOtherKeys(t *testing.T, b *backend) {
	p := newProxy(t, b)
	d := p.delivery(t, config.Secret{Name: "password", Value: storetest.FromEnv("P")})
	p.onWrite(1, func() { b.store(t, storetest.Place(t), map[string]any{"user": "theirs"}) })

	got, err := p.run(t, d, map[string]string{"P": storetest.Canary}, "store")
	storetest.Want(t, got, err, "store create secret/"+storetest.Place(t)+"#password")
	values, version := b.data(t, storetest.Place(t))
	if diff := cmp.Diff(map[string]any{"user": "theirs", "password": storetest.Canary}, values); diff != "" || version != 2 {
		t.Errorf("version %d, want 2; values (-want +got):\n%s", version, diff)
	}
}

func survivesLostAnswer(t *testing.T, b *backend) {
	p := newProxy(t, b)
	d := p.delivery(t, config.Secret{Name: "password", Value: storetest.FromEnv("P")})
	var lost atomic.Bool
	p.intercept(func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodPut || lost.Swap(true) {
			return false
		}
		b.store(t, storetest.Place(t), map[string]any{"password": storetest.Canary}) // what the request asks for
		hangUp(w)
		return true
	})
	got, err := p.run(t, d, map[string]string{"P": storetest.Canary}, "store")
	storetest.Want(t, got, err, "store unchanged secret/"+storetest.Place(t)+"#password")
}

func namesMissingRight(t *testing.T, b *backend) {
	name := storetest.Place(t)
	d := b.delivery(t, config.Secret{Name: "password", Value: storetest.FromEnv("P")})
	token := b.tokenWith(t, fmt.Sprintf(`path "secret/data/%s" { capabilities = ["read"] }`, name))
	env := map[string]string{"P": storetest.Canary}

	_, err := b.runAs(t, token, d, env, false, "store")
	storetest.WantError(t, err, "secret/"+name, "permission denied", "create secret/data/"+name)
	if h := hint.Of(err); !strings.Contains(h, `capabilities = ["create"]`) || !strings.Contains(h, "--phase auth,policy,role") {
		t.Errorf("hint %q names neither the capability nor the other phases", h)
	}
	_, err = b.vault(t, token, d).Put(t.Context(), d.Secrets[0], secret.New([]byte(storetest.Canary)))
	if h := hint.Of(err); err == nil || h == "" || strings.Contains(h, "--phase") {
		t.Errorf("error %v with hint %q, which is to name no phases outside of a run", err, h)
	}
	for phase, path := range map[string]string{"auth": "sys/auth", "policy": "sys/policies/acl/" + name, "role": "auth/" + name + "/role/" + name} {
		_, err := b.runAs(t, token, d, env, false, phase)
		storetest.WantError(t, err, "permission denied", "read "+path)
	}
}

func recognizesInvalidToken(t *testing.T, b *backend) {
	d := b.delivery(t, config.Secret{Name: "password", Value: storetest.FromEnv("P")})
	for _, phase := range vault.Provider.Phases {
		_, err := b.runAs(t, "no-token-of-this-server", d, map[string]string{"P": storetest.Canary}, false, phase)
		storetest.WantError(t, err, "the token is not valid")
	}
}
