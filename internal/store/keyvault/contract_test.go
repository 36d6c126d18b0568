package keyvault_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/secret"
	"github.com/secretctl/secretctl/internal/store"
	"github.com/secretctl/secretctl/internal/store/storetest"
)

// What a Key Vault has to be like. The sandbox and the SDK's own fake pass the same
// suite.
var keyVaultContract = []struct {
	name string
	test func(*testing.T, *keyVault)
}{
	{"creates then leaves alone", kvCreatesThenLeavesAlone},
	{"updates what differs and keeps other tags", kvUpdatesAndKeepsTags},
	{"generates once", kvGeneratesOnce},
	{"keeps a generated value that another writer created first", kvYieldsToEarlierValue},
	{"never writes a secret without a source", kvReportsAbsent},
	{"warns of a trailing line break", kvWarnsOfLineBreak},
	{"reads all sources before the first write", kvReadsSourcesFirst},
	{"leaves an equal value of somebody else alone", kvLeavesEqualOfOthers},
	{"does not overwrite what is somebody else's", kvRefusesOthers},
	{"adopts", kvAdopts},
	{"takes an equal value by somebody else for its own", kvAcceptsEqualConcurrentWrite},
	{"does not overwrite a change by somebody else", kvRefusesConflict},
	{"names a disabled secret", kvNamesDisabled},
	{"offers to recover a deleted secret", kvOffersRecovery},
	{"recovers", kvRecovers},
	{"recovers and updates", kvRecoversAndUpdates},
	{"recovers somebody else's only when it adopts", kvRecoversOthersWhenItAdopts},
	{"sets the expiry and mends it without a new version", kvSetsExpiry},
	{"writes nothing in a dry run", kvDryRunWritesNothing},
	{"gets a value and its version", kvGetsValue},
	{"puts a value", kvPutsValue},
	{"tells the newest version without the value", kvTellsNewest},
	{"compares without refusing", kvComparesAll},
	{"keeps to the limit of requests at once", kvKeepsConcurrency},
	{"stops after the first error", kvStopsAfterError},
}

func TestSandboxKeepsTheKeyVaultContract(t *testing.T) { testKeyVaultContract(t, sandboxKeyVault) }

func TestFakeKeepsTheKeyVaultContract(t *testing.T) { testKeyVaultContract(t, fakeKeyVault) }

func testKeyVaultContract(t *testing.T, start func(*testing.T) *keyVault) {
	for _, c := range keyVaultContract {
		t.Run(c.name, func(t *testing.T) { c.test(t, start(t)) })
	}
}

// wantKept compares what is in the Key Vault.
func (b *keyVault) wantKept(t *testing.T, name string, wanted kept) {
	t.Helper()
	if diff := cmp.Diff(wanted, b.kept(t, name)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", name, diff)
	}
}

func kvCreatesThenLeavesAlone(t *testing.T, b *keyVault) {
	got, err := b.run(t, password(), passwordEnv, store.Options{})
	storetest.Want(t, got, err, "store create contoso/password")
	version := b.read(t, "password").ID.Version()
	if got[0].Detail != "version "+version {
		t.Errorf("detail %q, want version %s", got[0].Detail, version)
	}
	got, err = b.run(t, password(), passwordEnv, store.Options{})
	storetest.Want(t, got, err, "store unchanged contoso/password")
	b.wantKept(t, "password", ours(storetest.Canary, 1))
}

func kvUpdatesAndKeepsTags(t *testing.T, b *keyVault) {
	b.store(t, "password", "old", "managed-by", "secretctl", "secretctl-delivery", "aidbox", "team", "a")
	got, err := b.run(t, password(), passwordEnv, store.Options{})
	storetest.Want(t, got, err, "store update contoso/password")
	wanted := ours(storetest.Canary, 2)
	wanted.Tags["team"] = "a"
	b.wantKept(t, "password", wanted)
}

func kvGeneratesOnce(t *testing.T, b *keyVault) {
	d := azureDelivery(config.Secret{Name: "password", Value: secret.Source{Generate: &secret.Generate{Length: 40}}})
	got, err := b.run(t, d, nil, store.Options{})
	storetest.Want(t, got, err, "store create contoso/password")
	first := b.kept(t, "password")
	if len(first.Value) != 40 {
		t.Errorf("generated %d characters, want 40", len(first.Value))
	}
	got, err = b.run(t, d, nil, store.Options{})
	storetest.Want(t, got, err, "store unchanged contoso/password")
	b.wantKept(t, "password", first)
}

// secondRead is the read right before the write: that of a secret which is not
// there takes two requests, one for the secret and one for a deleted one.
const (
	secondReadOfAbsent  = 3
	secondReadOfPresent = 2
)

func kvYieldsToEarlierValue(t *testing.T, b *keyVault) {
	b.onNth(http.MethodGet, secondReadOfAbsent, func() { b.store(t, "password", "theirs") })
	got, err := b.run(t, azureDelivery(config.Secret{Name: "password", Value: storetest.Generated()}), nil, store.Options{})
	storetest.Want(t, got, err, "store unchanged contoso/password")
	b.wantKept(t, "password", kept{Value: "theirs", Tags: map[string]string{}, Versions: 1})
}

func kvReportsAbsent(t *testing.T, b *keyVault) {
	b.store(t, "there", "x")
	b.store(t, "deleted", "x")
	b.remove(t, "deleted")
	d := azureDelivery(config.Secret{Name: "absent"}, config.Secret{Name: "there"}, config.Secret{Name: "deleted"})
	got, err := b.run(t, d, nil, store.Options{})
	storetest.Want(t, got, err, "store absent contoso/absent", "store unchanged contoso/there", "store absent contoso/deleted")
	if got[0].Warning == "" || got[1].Warning != "" || !strings.Contains(got[2].Warning, "--recover") {
		t.Errorf("warnings %q, %q and %q", got[0].Warning, got[1].Warning, got[2].Warning)
	}
}

func kvWarnsOfLineBreak(t *testing.T, b *keyVault) {
	for range 2 { // also when it is there already
		got, err := b.run(t, password(), map[string]string{"P": storetest.Canary + "\n"}, store.Options{})
		if err != nil || !strings.Contains(got[0].Warning, "line break") {
			t.Errorf("changes %v, error %v, want a warning of the line break", got, err)
		}
	}
}

func kvReadsSourcesFirst(t *testing.T, b *keyVault) {
	b.intercept(func(r *http.Request) *http.Response {
		t.Errorf("%s %s", r.Method, r.URL.Path)
		return nil
	})
	d := azureDelivery(config.Secret{Name: "a", Value: storetest.FromEnv("P")}, config.Secret{Name: "b", Value: storetest.FromEnv("UNSET")})
	_, err := b.run(t, d, passwordEnv, store.Options{})
	storetest.WantError(t, err, `secret "b"`, "UNSET")
}

func kvLeavesEqualOfOthers(t *testing.T, b *keyVault) {
	for i, tags := range [][]string{nil, {"managed-by", "terraform"}, {"managed-by", "secretctl", "secretctl-delivery", "other"}} {
		name := fmt.Sprintf("s%d", i)
		b.store(t, name, storetest.Canary, tags...)
		before := b.kept(t, name)
		got, err := b.run(t, azureDelivery(config.Secret{Name: name, Value: storetest.FromEnv("P")}), passwordEnv, store.Options{})
		storetest.Want(t, got, err, "store unchanged contoso/"+name)
		b.wantKept(t, name, before)
	}
}

func kvRefusesOthers(t *testing.T, b *keyVault) {
	for i, c := range []struct {
		tags []string
		says string
	}{
		{nil, "has no tag managed-by"},
		{[]string{"file-encoding", "utf-8"}, "has no tag managed-by"}, // as az leaves it
		{[]string{"managed-by", "terraform"}, `is managed by "terraform"`},
		{[]string{"managed-by", "secretctl", "secretctl-delivery", "other"}, `is of delivery "other"`},
	} {
		name := fmt.Sprintf("s%d", i)
		b.store(t, name, "theirs", c.tags...)
		before := b.kept(t, name)
		d := azureDelivery(config.Secret{Name: name, Value: storetest.FromEnv("P")})
		_, err := b.run(t, d, passwordEnv, store.Options{})
		storetest.WantError(t, err, `key vault "contoso": secret "`+name+`": has another value`, c.says, "not overwritten")
		storetest.WantHint(t, err, "provision --adopt")
		_, err = b.connect(t, d, store.Options{}).Put(t.Context(), d.Secrets[0], secret.New([]byte(storetest.Canary)))
		storetest.WantError(t, err, c.says)
		b.wantKept(t, name, before)
	}
}

func kvAdopts(t *testing.T, b *keyVault) {
	b.store(t, "equal", storetest.Canary, "managed-by", "terraform", "team", "a")
	b.store(t, "differs", "theirs")
	d := azureDelivery(config.Secret{Name: "equal", Value: storetest.FromEnv("P")}, config.Secret{Name: "differs", Value: storetest.FromEnv("P")})
	got, err := b.run(t, d, passwordEnv, store.Options{Adopt: true})
	storetest.Want(t, got, err, "store update contoso/equal", "store update contoso/differs")
	adopted := ours(storetest.Canary, 1) // an equal value makes no version
	adopted.Tags["team"] = "a"
	b.wantKept(t, "equal", adopted)
	b.wantKept(t, "differs", ours(storetest.Canary, 2))
	got, err = b.run(t, d, passwordEnv, store.Options{})
	storetest.Want(t, got, err, "store unchanged contoso/equal", "store unchanged contoso/differs")
}

func kvAcceptsEqualConcurrentWrite(t *testing.T, b *keyVault) {
	b.onNth(http.MethodGet, secondReadOfAbsent, func() { b.storeOurs(t, "password", storetest.Canary) })
	got, err := b.run(t, password(), passwordEnv, store.Options{})
	storetest.Want(t, got, err, "store unchanged contoso/password")
	if n := b.kept(t, "password").Versions; n != 1 {
		t.Errorf("%d versions, want 1", n)
	}
}

func kvRefusesConflict(t *testing.T, b *keyVault) {
	b.storeOurs(t, "password", "old")
	b.onNth(http.MethodGet, secondReadOfPresent, func() { b.storeOurs(t, "password", "theirs") })
	_, err := b.run(t, password(), passwordEnv, store.Options{})
	storetest.WantError(t, err, `secret "password": changed since it was read (version `, "not overwritten")
	storetest.WantHint(t, err, "run again")
	if value := b.kept(t, "password").Value; value != "theirs" {
		t.Error("the other writer's value was replaced")
	}
}
