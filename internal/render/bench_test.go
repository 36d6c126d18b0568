package render

import (
	"fmt"
	"testing"

	"github.com/secretctl/secretctl/internal/config"
)

func withSecrets(d *config.Delivery, n int) *config.Delivery {
	d.Secrets = nil
	for i := range n {
		name := fmt.Sprintf("client-secret-%d", i)
		d.Secrets = append(d.Secrets, config.Secret{
			Name: name, Path: "aidbox/" + name, Key: name, ObjectName: name, Scope: []string{"Client/" + name},
		})
	}
	return d
}

func BenchmarkObjects(b *testing.B) {
	for _, name := range []string{"vault", "azure-kubelet"} {
		for _, n := range []int{1, 100, 1000, 5000} {
			b.Run(fmt.Sprintf("%s/%d", name, n), func(b *testing.B) {
				d := withSecrets(deliveries[name](), n)
				b.ReportAllocs()
				for b.Loop() {
					if _, err := objectsOf(d, Options{}); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
