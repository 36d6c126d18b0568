package storetest

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	secretsstorev1 "sigs.k8s.io/secrets-store-csi-driver/apis/v1"

	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/store"
)

// Live returns a SecretProviderClass as the cluster has it.
func Live(c store.Class, dialect store.Dialect) secretsstorev1.SecretProviderClassSpec {
	spec := secretsstorev1.SecretProviderClassSpec{Provider: secretsstorev1.Provider(c.Provider), Parameters: store.Values(c.Parameters)}
	spec.Parameters["objects"] = dialect.Text(c.Objects)
	return spec
}

// ClassRows are live SecretProviderClasses that differ from the delivery's, and parts of
// what Compare says about each; "" for nothing.
type ClassRows = []struct {
	Name       string
	Parameters []string // names and values that change
	Wrong, Odd string
}

// CompareClasses compares each row with the delivery's only class.
func CompareClasses(t *testing.T, p store.Provider, dialect store.Dialect, d *config.Delivery, rows ClassRows) {
	t.Helper()
	for _, row := range rows {
		want := p.Classes(d)[0]
		live := Live(want, dialect)
		for i := 0; i < len(row.Parameters); i += 2 {
			live.Parameters[row.Parameters[i]] = row.Parameters[i+1]
		}
		wrong, odd := p.Compare(want, live)
		for _, said := range []struct{ got, want string }{{strings.Join(wrong, "; "), row.Wrong}, {strings.Join(odd, "; "), row.Odd}} {
			if !strings.Contains(said.got, said.want) || (said.got == "") != (said.want == "") {
				t.Errorf("%s: %q, want %q", row.Name, said.got, said.want)
			}
		}
	}
}

// ReadClassesBack checks that reading the classes of a delivery returns the delivery. kept
// removes from it what a class does not have.
func ReadClassesBack(t *testing.T, p store.Provider, dialect store.Dialect, d *config.Delivery, kept func(config.Delivery) config.Delivery) {
	t.Helper()
	var got config.Delivery
	for _, class := range p.Classes(d) {
		live := Live(class, dialect)
		if wrong, odd := p.Compare(class, live); len(wrong)+len(odd) > 0 {
			t.Errorf("a class differs from itself: %q %q", wrong, odd)
		}
		objects, err := dialect.Objects(live.Parameters["objects"])
		if err != nil {
			t.Fatal(err)
		}
		for i, o := range objects {
			if diff := cmp.Diff(store.Values(class.Objects[i]), o); diff != "" {
				t.Errorf("object %d (-written +read):\n%s", i, diff)
			}
		}
		if err := p.Read(live, &got); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(kept(*d), got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
