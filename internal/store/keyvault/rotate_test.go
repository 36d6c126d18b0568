package keyvault_test

import (
	"strings"
	"testing"

	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/hint"
	"github.com/secretctl/secretctl/internal/store"
	"github.com/secretctl/secretctl/internal/store/storetest"
)

// rotating is a delivery whose pods read as the nodes, and whose job rotates one of two secrets.
func rotating() *config.Delivery {
	d := azureDelivery(config.Secret{Name: "password"}, config.Secret{Name: "other"})
	d.Azure.Identity.Type = config.IdentityKubelet
	d.RotateJob = &config.RotateJob{Secrets: []string{"password"}}
	return d
}

func TestRotateJobHasAnIdentityThatWritesItsSecretsAlone(t *testing.T) {
	const (
		identity = "managed identity aidbox-rg/aidbox-azure-secrets-rotate"
		federate = "federated credential aidbox-azure-secrets-rotate/aidbox-aks-default-aidbox-rotate"
		granted  = "Key Vault Secrets Officer on contoso/secrets/password"
	)
	m, d := newManager(), rotating()
	want := func(read, action string) []string {
		return []string{
			"identity unchanged " + kubeletOf, "identity " + action + " " + identity, "identity " + action + " " + federate,
			"grant " + read + " " + grantObject, "grant " + action + " " + granted,
		}
	}
	got, err := m.run(t, d)
	storetest.Want(t, got, err, want("create", "create")...)
	if c := m.credentials[0].Properties; *c.Subject != "system:serviceaccount:default:aidbox-rotate" || *c.Issuer != issuer {
		t.Errorf("credential for %s by %s", *c.Subject, *c.Issuer)
	}
	if made := m.assignments[1].Properties; *made.Scope != vaultID+"/secrets/password" || !strings.HasSuffix(*made.RoleDefinitionID, "/b86a8fe4-44ce-4948-aee5-eccb2c155cd7") {
		t.Errorf("role %s on %s", *made.RoleDefinitionID, *made.Scope)
	}
	if len(m.assignments) != 2 {
		t.Errorf("%d role assignments", len(m.assignments))
	}
	got, err = m.run(t, d)
	storetest.Want(t, got, err, want("unchanged", "unchanged")...)

	found, err := m.provider().FillInRotateJob(t.Context(), d, store.Options{})
	if err != nil || len(found) != 1 || d.RotateJob.ClientID != kubeletID || found[0].Setting != "rotateJob.clientID" {
		t.Errorf("found %v, error %v", found, err)
	}
	job := m.provider().RotateJob(d, "/token")
	if !job.Token || job.Audience != audience || job.Env[1] != (store.Parameter{Name: "AZURE_CLIENT_ID", Value: kubeletID}) {
		t.Errorf("the job logs in by %+v", job)
	}
}

func TestRotateJobWithoutItsIdentityIsToldHowToGetIt(t *testing.T) {
	m, d := newManager(), rotating()
	_, err := m.provider().FillInRotateJob(t.Context(), d, store.Options{})
	storetest.WantError(t, err, "managed identity aidbox-rg/aidbox-azure-secrets-rotate", "not found")
	if !strings.Contains(hint.Of(err), "provision --phase identity") {
		t.Errorf("hint %q", hint.Of(err))
	}
	d.RotateJob.ClientID = "33333333-3333-3333-3333-333333333333"
	_, err = m.run(t, d)
	storetest.WantError(t, err, "33333333-3333-3333-3333-333333333333 of rotateJob.clientID")
	d.RotateJob.ClientID, d.Azure.SubscriptionID = "", ""
	_, err = m.provider().FillInRotateJob(t.Context(), d, store.Options{})
	storetest.WantError(t, err, "azure.subscriptionID")
}
