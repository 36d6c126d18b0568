package config

import (
	"fmt"
	"strings"
	"testing"
)

func manySecrets(n int) string {
	var b strings.Builder
	b.WriteString("apiVersion: secretctl.dev/v1\nprovider: vault\nsecrets:\n")
	for i := range n {
		fmt.Fprintf(&b, "  - name: secret-%d\n    path: aidbox/secret-%d\n    key: value\n    scope: [Client/c%d]\n    value: {generate: {length: 32}}\n", i, i, i)
	}
	b.WriteString("resources:\n")
	for i := range n {
		fmt.Fprintf(&b, "  - {type: Client, id: c%d, secrets: {secret: secret-%d}}\n", i, i)
	}
	return b.String()
}

func BenchmarkLoad(b *testing.B) {
	for _, n := range []int{1, 5000, 10000} {
		text := []byte(manySecrets(n))
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Parse("x", text); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
