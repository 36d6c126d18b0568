package cmd

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/hint"
	"github.com/secretctl/secretctl/internal/starter"
	"github.com/secretctl/secretctl/internal/transport"
)

// errAborted is the error of init if the user ends it instead of answering.
var errAborted = errors.New("nothing was written")

// question is what init asks on a terminal, and takes from a flag.
type question struct {
	flag, usage  string // no usage for a flag that every command has
	provider     string // asked for this provider only
	title, about string
	choices      []string
	answer       *string
	fallback     string
	example      string                 // stands in the file if nobody was asked
	owns         func(path string) bool // whether a problem at that path of the config is about the answer
}

func at(path string) func(string) bool { return func(p string) bool { return p == path } }

// questions returns all questions, in order. The fallback of some follows from the answers
// to others.
func (o *initOptions) questions() []question {
	const vault, azure = config.ProviderVault, config.ProviderAzure
	secrets, address := "client-secret", "http://localhost:8888"
	if o.fromDeployment != "" {
		address = "service"
	}
	if len(o.Secrets) > 0 {
		secrets = "" // --from-deployment found them
	}
	return []question{
		{flag: "provider", usage: "where the secrets are: vault, azure", title: "Where are the secrets?", about: "HashiCorp Vault, or Azure Key Vault.", choices: config.Providers(), answer: &o.Provider, owns: at("provider")},
		{flag: "name", usage: "name of the delivery, with which the names of its objects begin", title: "Name", about: "The names of the objects in the cluster begin with it.", answer: &o.Name, fallback: cmp.Or(o.fromDeployment, "aidbox"), owns: at("name")},
		{flag: "namespace", usage: "Kubernetes namespace of Aidbox", title: "Kubernetes namespace", about: "Where Aidbox runs.", answer: &o.Namespace, fallback: "default", owns: at("namespace")},

		{flag: "vault-addr", provider: vault, title: "Address of Vault", about: "How you reach it from here.", answer: &o.VaultAddress, fallback: "http://127.0.0.1:8200", owns: at("vault.address")},
		{flag: "csi-addr", usage: "address of Vault inside the cluster", provider: vault, title: "Address of Vault inside the cluster", about: "How the CSI provider reaches it; empty for the same, or vault.default:8200 for this machine.", answer: &o.CSIAddress, fallback: inCluster(o.VaultAddress), owns: at("vault.csiAddress")},

		{flag: "key-vault", usage: "name of the Key Vault", provider: azure, title: "Key Vault", about: "Its name, not its address.", answer: &o.KeyVault, example: "contoso-aidbox", owns: at("azure.keyVault")},
		{flag: "subscription-id", usage: "id of the Azure subscription (also AZURE_SUBSCRIPTION_ID)", provider: azure, title: "Azure subscription", about: "Its id: az account show --query id", answer: &o.SubscriptionID, example: "00000000-0000-0000-0000-000000000000", owns: at("azure.subscriptionID")},
		{flag: "resource-group", usage: "resource group of the cluster and the Key Vault", provider: azure, title: "Resource group", about: "Of the cluster and the Key Vault.", answer: &o.ResourceGroup, example: "aidbox-rg", owns: at("azure.resourceGroup")},
		{flag: "cluster", usage: "name of the AKS cluster", provider: azure, title: "AKS cluster", about: "Its name.", answer: &o.Cluster, example: "aidbox-aks", owns: at("azure.cluster")},

		{flag: "aidbox-url", title: "Address of Aidbox", about: "How you reach it from here; service goes through the cluster's API.", answer: &o.AidboxURL, fallback: address, owns: at("aidbox.url")},
		{flag: "secret", usage: "names of the secrets, with commas between them", title: "Secrets", about: "Their names, with commas between them.", answer: &o.secrets, fallback: secrets, owns: isSecret},
		{flag: "client", usage: "id of the Aidbox Client that uses them", title: "Aidbox Client that uses them", about: "Its id.", answer: &o.client, fallback: "basic", owns: isClient},
	}
}

func isSecret(path string) bool {
	return strings.HasPrefix(path, "secrets") && !strings.Contains(path, ".scope")
}

func isClient(path string) bool {
	return strings.HasPrefix(path, "resources") || strings.Contains(path, ".scope")
}

// inCluster guesses how the cluster reaches Vault: as you do, unless Vault runs on this
// machine.
func inCluster(address string) string {
	if address == "" || transport.Loopback(address) {
		return "http://vault.default:8200"
	}
	return address
}

// otherProvider reports whether a question is about a provider that was not chosen.
func (o *initOptions) otherProvider(q question) bool {
	return q.provider != "" && q.provider != o.Provider
}

// found reports whether --from-deployment found the answer. How you reach Vault from here
// is not in the cluster.
func (o *initOptions) found(q question) bool {
	if q.flag == "secret" || q.flag == "client" {
		return len(o.Secrets) > 0
	}
	return o.Workload != nil && *q.answer != "" && q.flag != "vault-addr"
}

// ask asks what no flag has said, until each answer is valid.
func (a *app) ask(ctx context.Context, o *initOptions, given func(flag string) bool) error {
	o.asked = true
	in := bufio.NewReader(a.In)
	for i := range o.questions() {
		for {
			q := o.questions()[i]
			if given(q.flag) || o.found(q) || o.otherProvider(q) {
				break
			}
			known, offered := *q.answer, ""
			if fallback := cmp.Or(known, q.fallback, strings.Join(q.choices, " or ")); fallback != "" {
				offered = "[" + fallback + "] "
			}
			_, _ = fmt.Fprintf(a.Err, "%s\n  %s\n  %s> ", q.title, q.about, offered)
			answer, err := readLine(ctx, in)
			switch {
			case ctx.Err() != nil:
				return errAborted
			case err != nil:
				a.narrate("")
				return &endedError{error: errAborted} // as after an interrupt
			}
			*q.answer = cmp.Or(answer, known)
			if err = o.check(func(other question) bool { return other.flag == q.flag }); err == nil {
				break
			}
			*q.answer = known
			text := strings.TrimPrefix(err.Error(), "--"+q.flag+" ") + "; " + hint.Of(err)
			a.narrate("%s", strings.TrimSuffix(text, "; "))
		}
	}
	return nil
}

// fits refuses a flag of the other provider.
func (o *initOptions) fits(given func(flag string) bool) error {
	for _, q := range o.questions() {
		if given(q.flag) && q.usage != "" && o.Provider != "" && o.otherProvider(q) {
			return hint.Usage("leave it out, or write --provider "+q.provider, "--%s is not for provider %s", q.flag, o.Provider)
		}
	}
	return nil
}

// complete fills in what was neither given nor asked, and records which of that are
// examples, to be replaced.
func (o *initOptions) complete() {
	for i := range o.questions() {
		q := o.questions()[i]
		*q.answer = strings.TrimSpace(*q.answer)
		if o.Workload != nil && q.provider == config.ProviderAzure {
			continue // an existing Aidbox does not get ids that do not exist
		}
		*q.answer = cmp.Or(*q.answer, q.fallback)
		if !o.asked && *q.answer == "" && q.example != "" {
			*q.answer = q.example
			if !o.otherProvider(q) {
				o.examples = append(o.examples, q.example)
			}
		}
	}
	if o.secrets == "" {
		return
	}
	o.Secrets = nil
	for name := range strings.SplitSeq(o.secrets, ",") {
		o.Secrets = append(o.Secrets, config.Secret{Name: strings.TrimSpace(name), Scope: []string{"Client/" + o.client}})
	}
}

// check returns what is wrong with the answers to the questions that about selects.
func (o initOptions) check(about func(question) bool) error {
	o.complete()
	text, err := starter.File(o.Options)
	if err != nil {
		return err
	}
	_, err = config.Parse("", text)
	invalid, ok := errors.AsType[*config.Error](err)
	if !ok {
		return err
	}
	for _, p := range invalid.Problems {
		for _, q := range o.questions() {
			if q.owns(p.Path) && about(q) {
				return hint.Usage(p.Hint, "--%s %s", q.flag, p.Message)
			}
		}
	}
	return nil
}
