// Command secretctl delivers secrets from HashiCorp Vault or Azure Key Vault to
// Aidbox on Kubernetes, and proves that they arrived.
package main

import (
	"os"

	"github.com/secretctl/secretctl/cmd"
)

func main() {
	os.Exit(cmd.Main())
}
