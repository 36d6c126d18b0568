package keyvault_test

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azsecrets"
	"github.com/google/go-cmp/cmp"

	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/secret"
	"github.com/secretctl/secretctl/internal/store"
	"github.com/secretctl/secretctl/internal/store/storetest"
)

// What a Key Vault has to be like beside what every store has. The sandbox and the
// SDK's own fake pass the same tests.
var keyVaultContract = []struct {
	name string
	test func(*testing.T, *keyVault)
}{
	{"updates what differs and keeps other tags", kvUpdatesAndKeepsTags},
	{"leaves an equal value of another owner alone", kvLeavesEqualOfOthers},
	{"does not overwrite what has another owner", kvRefusesOthers},
	{"adopts", kvAdopts},
	{"names a disabled secret", kvNamesDisabled},
	{"offers to recover a deleted secret", kvOffersRecovery},
	{"recovers", kvRecovers},
	{"recovers and updates", kvRecoversAndUpdates},
	{"recovers what has another owner only when it adopts", kvRecoversOthersWhenItAdopts},
	{"sets the expiry and fixes it without a new version", kvSetsExpiry},
	{"writes nothing in a dry run", kvDryRunWritesNothing},
	{"puts a value", kvPutsValue},
	{"reports the newest version without the value", kvTellsNewest},
	{"compares without refusing", kvComparesAll},
	{"keeps to the limit of requests at once", kvKeepsConcurrency},
	{"stops after the first error", kvStopsAfterError},
}

func TestSandboxKeepsTheKeyVaultContract(t *testing.T) { testKeyVaultContract(t, sandboxKeyVault) }

func TestFakeKeepsTheKeyVaultContract(t *testing.T) { testKeyVaultContract(t, fakeKeyVault) }

func testKeyVaultContract(t *testing.T, start func(*testing.T) *keyVault) {
	storetest.Run(t, func(t *testing.T) storetest.Harness { return start(t).harness() })
	for _, c := range keyVaultContract {
		t.Run(c.name, func(t *testing.T) { c.test(t, start(t)) })
	}
}

// The second read of a secret is the one right before the write. The first of one that
// is absent takes two requests: one for the secret, one for a deleted one.
const (
	secondReadOfAbsent  = 3
	secondReadOfPresent = 2
)

func (b *keyVault) harness() storetest.Harness {
	return storetest.Harness{
		Provider: b.provider(),
		Delivery: func(_ *testing.T, secrets ...config.Secret) *config.Delivery { return azureDelivery(secrets...) },
		Write: func(t *testing.T, s config.Secret, value string) {
			parameters := azsecrets.SetSecretParameters{Value: &value, ContentType: to.Ptr("text/plain"), Tags: map[string]*string{}}
			for name, tag := range ours("", 0).Tags {
				parameters.Tags[name] = &tag
			}
			if _, err := b.client(t).SetSecret(t.Context(), s.ObjectName, parameters, nil); err != nil {
				t.Fatal(err)
			}
		},
		Versions: func(t *testing.T, s config.Secret) (newest string, versions int) {
			is := b.kept(t, s.ObjectName)
			return is.Value, is.Versions
		},
		BeforeWrite: func(exists bool, f func()) {
			if exists {
				b.onNth(http.MethodGet, secondReadOfPresent, f)
			} else {
				b.onNth(http.MethodGet, secondReadOfAbsent, f)
			}
		},
	}
}

// wantKept compares what is in the Key Vault.
func (b *keyVault) wantKept(t *testing.T, name string, wanted kept) {
	t.Helper()
	if diff := cmp.Diff(wanted, b.kept(t, name)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", name, diff)
	}
}

func kvUpdatesAndKeepsTags(t *testing.T, b *keyVault) {
	b.store(t, "password", "old", "managed-by", "secretctl", "secretctl-delivery", "default/aidbox", "team", "a")
	got, err := b.run(t, password(), passwordEnv, store.Options{})
	storetest.Want(t, got, err, "store update contoso/password")
	wanted := ours(storetest.Canary, 2)
	wanted.Tags["team"] = "a"
	b.wantKept(t, "password", wanted)
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
		{[]string{"managed-by", "secretctl", "secretctl-delivery", "other"}, `belongs to delivery "other"`},
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
