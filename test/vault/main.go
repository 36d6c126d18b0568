// Command vault is a real HashiCorp Vault, server and client in one, for tests only:
// none of it ships with secretctl. Vault's minimal build compiles in minutes but has
// neither the auth methods for pods and pipelines nor file storage, so the server
// here adds them.
package main

import (
	"bufio"
	"os"

	"github.com/hashicorp/cli"
	jwtauth "github.com/hashicorp/vault-plugin-auth-jwt"
	kubeauth "github.com/hashicorp/vault-plugin-auth-kubernetes"
	kv "github.com/hashicorp/vault-plugin-secrets-kv"
	"github.com/hashicorp/vault/audit"
	"github.com/hashicorp/vault/command"
	"github.com/hashicorp/vault/sdk/logical"
	"github.com/hashicorp/vault/sdk/physical"
	"github.com/hashicorp/vault/sdk/physical/file"
	"github.com/hashicorp/vault/sdk/physical/inmem"
)

func main() {
	args := os.Args[1:]
	if len(args) > 0 && args[0] == "server" {
		os.Exit(server().Run(args[1:]))
	}
	os.Exit(command.Run(args))
}

func server() *command.ServerCommand {
	ui := &cli.BasicUi{Reader: bufio.NewReader(os.Stdin), Writer: os.Stdout, ErrorWriter: os.Stderr}
	return &command.ServerCommand{
		BaseCommand:        &command.BaseCommand{UI: &command.VaultUI{Ui: ui}},
		AuditBackends:      map[string]audit.Factory{"file": audit.NewFileBackend},
		CredentialBackends: map[string]logical.Factory{"kubernetes": kubeauth.Factory, "jwt": jwtauth.Factory},
		LogicalBackends:    map[string]logical.Factory{"kv": kv.Factory},
		PhysicalBackends:   map[string]physical.Factory{"inmem": inmem.NewInmem, "file": file.NewFileBackend},
		ShutdownCh:         command.MakeShutdownCh(),
		SighupCh:           command.MakeSighupCh(),
		SigUSR2Ch:          command.MakeSigUSR2Ch(),
	}
}
