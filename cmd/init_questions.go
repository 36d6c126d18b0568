package cmd

import (
	"cmp"
	"errors"
	"slices"
	"strings"

	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/starter"
	"github.com/secretctl/secretctl/internal/transport"
)

// question is something that init asks for on a terminal, and has a flag for.
type question struct {
	flag, usage  string // usage is "" for a flag that every command has
	page         string // of the form
	title, about string
	choices      []string
	answer       *string
	fallback     string
	example      string                 // what the file has where nobody is asked
	derived      bool                   // the fallback follows from another answer
	owns         func(path string) bool // whether a problem at that path of the config is about the answer
}

// The pages of the form. Those of a provider are for that one alone.
const (
	pageStart  = "start"
	pageAidbox = "aidbox"
)

func at(path string) func(string) bool { return func(p string) bool { return p == path } }

// questions returns all of them in the order in which they are asked.
func (o *initOptions) questions() []question {
	const vault, azure = config.ProviderVault, config.ProviderAzure
	secrets, address := "client-secret", "http://localhost:8888"
	if o.fromDeployment != "" {
		address = "service"
	}
	if len(o.Secrets) > 0 {
		secrets = "" // a vault config of the cluster has named them
	}
	return []question{
		{flag: "provider", usage: "where the secrets are: vault, azure", page: pageStart, title: "Where are the secrets?", about: "HashiCorp Vault, or Azure Key Vault.", choices: config.Providers(), answer: &o.Provider, owns: at("provider")},
		{flag: "name", usage: "name of the delivery, with which the names of its objects begin", page: pageStart, title: "Name", about: "The names of the objects in the cluster begin with it.", answer: &o.Name, fallback: cmp.Or(o.fromDeployment, "aidbox"), owns: at("name")},
		{flag: "namespace", usage: "Kubernetes namespace of Aidbox", page: pageStart, title: "Kubernetes namespace", about: "Where Aidbox runs.", answer: &o.Namespace, fallback: "default", owns: at("namespace")},

		{flag: "vault-addr", page: vault, title: "Address of Vault", about: "How you reach it from here.", answer: &o.VaultAddress, fallback: "http://127.0.0.1:8200", owns: at("vault.address")},
		{flag: "csi-addr", usage: "address of Vault inside the cluster", page: vault, title: "Address of Vault inside the cluster", about: "How the CSI provider reaches it; empty for the same, or vault.default:8200 for this machine.", answer: &o.CSIAddress, fallback: inCluster(o.VaultAddress), derived: true, owns: at("vault.csiAddress")},

		{flag: "key-vault", usage: "name of the Key Vault", page: azure, title: "Key Vault", about: "Its name, not its address.", answer: &o.KeyVault, example: "contoso-aidbox", owns: at("azure.keyVault")},
		{flag: "subscription-id", usage: "id of the Azure subscription (also AZURE_SUBSCRIPTION_ID)", page: azure, title: "Azure subscription", about: "Its id: az account show --query id", answer: &o.SubscriptionID, example: "00000000-0000-0000-0000-000000000000", owns: at("azure.subscriptionID")},
		{flag: "resource-group", usage: "resource group of the cluster and the Key Vault", page: azure, title: "Resource group", about: "Of the cluster and the Key Vault.", answer: &o.ResourceGroup, example: "aidbox-rg", owns: at("azure.resourceGroup")},
		{flag: "cluster", usage: "name of the AKS cluster", page: azure, title: "AKS cluster", about: "Its name.", answer: &o.Cluster, example: "aidbox-aks", owns: at("azure.cluster")},

		{flag: "aidbox-url", page: pageAidbox, title: "Address of Aidbox", about: "How you reach it from here; service goes through the cluster's API.", answer: &o.AidboxURL, fallback: address, owns: at("aidbox.url")},
		{flag: "secret", usage: "names of the secrets, with commas between them", page: pageAidbox, title: "Secrets", about: "Their names, with commas between them.", answer: &o.secrets, fallback: secrets, owns: isSecret},
		{flag: "client", usage: "id of the Aidbox Client that uses them", page: pageAidbox, title: "Aidbox Client that uses them", about: "Its id.", answer: &o.client, fallback: "basic", owns: isClient},
	}
}

func isSecret(path string) bool {
	return strings.HasPrefix(path, "secrets") && !strings.Contains(path, ".scope")
}

func isClient(path string) bool {
	return strings.HasPrefix(path, "resources") || strings.Contains(path, ".scope")
}

// inCluster guesses how the cluster reaches Vault: as you do, unless that is this
// machine.
func inCluster(address string) string {
	if address == "" || transport.Loopback(address) {
		return "http://vault.default:8200"
	}
	return address
}

// fits refuses a flag that is for the other provider.
func (o *initOptions) fits(given func(flag string) bool) error {
	for _, q := range o.questions() {
		if given(q.flag) && q.usage != "" && o.Provider != "" && o.passes(q) {
			return usagef("leave it out, or write --provider "+q.page, "--%s is not for provider %s", q.flag, o.Provider)
		}
	}
	return nil
}

// complete fills in what was neither given nor asked for, and notes what of that is an
// example, to be replaced.
func (o *initOptions) complete() {
	for i := range o.questions() {
		q := o.questions()[i] // anew, because one may follow from another
		*q.answer = strings.TrimSpace(*q.answer)
		if o.Workload == nil || q.page != config.ProviderAzure { // nobody looks up the ids of what does not exist
			*q.answer = cmp.Or(*q.answer, q.fallback)
			if !o.asked && *q.answer == "" && q.example != "" {
				if *q.answer = q.example; !o.passes(q) {
					o.examples = append(o.examples, q.example)
				}
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

// check returns what the config has against an answer, of those that are asked
// about.
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
		owner := func(q question) bool { return q.owns(p.Path) && about(q) }
		questions := o.questions()
		if i := slices.IndexFunc(questions, owner); i >= 0 {
			return usagef(p.Hint, "--%s %s", questions[i].flag, p.Message)
		}
	}
	return nil
}
