// Command secretctl delivers secrets from HashiCorp Vault or Azure Key Vault to
// Aidbox on Kubernetes, and proves that they arrived.
package main

import (
	"math"
	"os"
	"runtime/debug"

	"github.com/secretctl/secretctl/cmd"
)

// memory is what is collected for, sooner than Go does by itself, so that a rotation of a
// thousand pods fits beside other things into a small machine. GOMEMLIMIT replaces it.
const memory = 224 << 20

func main() {
	if debug.SetMemoryLimit(-1) == math.MaxInt64 {
		debug.SetMemoryLimit(memory)
	}
	os.Exit(cmd.Main())
}
