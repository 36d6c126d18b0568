package memory_test

import (
	"testing"

	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/secret"
	"github.com/secretctl/secretctl/internal/store"
	"github.com/secretctl/secretctl/internal/store/memory"
	"github.com/secretctl/secretctl/internal/store/storetest"
)

func TestMemoryIsAStore(t *testing.T) {
	storetest.Run(t, func(*testing.T) storetest.Harness {
		server := &memory.Server{}
		return storetest.Harness{
			Provider: server.Provider(),
			Delivery: func(_ *testing.T, secrets ...config.Secret) *config.Delivery {
				return &config.Delivery{Name: "aidbox", Secrets: secrets}
			},
			Write: func(t *testing.T, s config.Secret, value string) {
				other, _ := server.Open(nil, store.Options{})
				if _, err := other.Put(t.Context(), s, secret.New([]byte(value))); err != nil {
					t.Fatal(err)
				}
			},
			Versions: func(_ *testing.T, s config.Secret) (newest string, versions int) {
				all := server.Versions(s.Name)
				return string(all[len(all)-1].Reveal()), len(all)
			},
			BeforeWrite: func(_ bool, f func()) { server.BeforeWrite = f },
		}
	})
}
