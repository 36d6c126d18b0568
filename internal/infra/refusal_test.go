package infra

import (
	"net/http"
	"strings"
	"testing"

	"github.com/secretctl/secretctl/internal/hint"
)

func TestRefusalIsOneLineWithAHint(t *testing.T) {
	const put, get = http.MethodPut, http.MethodGet
	cluster := "/managedClusters/"
	tests := map[string]struct {
		answer    func(*http.Request) *http.Response
		err, hint string
	}{
		"no role": {
			answers(put, "/resourcegroups/aidbox-rg", http.StatusForbidden, refusal("AuthorizationFailed", "the client lacks a lot")),
			"azure: resource group aidbox-rg: permission denied: needs the role Contributor on /subscriptions/" + subscription,
			"az role assignment create --role \"Contributor\" --scope /subscriptions/" + subscription + " --assignee YOU",
		},
		"no role to read": {
			answers(get, "/vaults/contoso", http.StatusForbidden, refusal("AuthorizationFailed", "")),
			"azure: Key Vault contoso: permission denied: needs the role Contributor on " + groupPath + "aidbox-rg", "--scope " + groupPath + "aidbox-rg",
		},
		"policy": {
			answers(put, cluster, http.StatusForbidden, refusal("RequestDisallowedByPolicy", `Resource 'a' was\n disallowed.`)),
			"azure: AKS cluster aidbox-rg/aidbox_aks: answered 403 RequestDisallowedByPolicy: Resource 'a' was disallowed.", "a policy of your organization",
		},
		"wrong subscription": {
			answers(get, "/resourcegroups/", http.StatusNotFound, refusal("SubscriptionNotFound", "The subscription was not found.")),
			"azure: resource group aidbox-rg: answered 404 SubscriptionNotFound: The subscription was not found.", "azure.subscriptionID",
		},
		"provider not registered": {
			answers(put, "/vaults/", http.StatusConflict, refusal("MissingSubscriptionRegistration", "")),
			"azure: Key Vault contoso: answered 409 MissingSubscriptionRegistration", "az provider register --wait --namespace Microsoft.KeyVault --subscription " + subscription,
		},
		"no name for a Key Vault": {
			answers(http.MethodPost, "/checkNameAvailability", http.StatusOK, `{"nameAvailable": false, "reason": "AccountNameInvalid", "message": "must begin with a letter"}`),
			"azure: Key Vault contoso: is not a valid name for a Key Vault: must begin with a letter", "azure.keyVault",
		},
		"name taken in the meantime": {
			answers(put, "/vaults/", http.StatusConflict, refusal("VaultAlreadyExists", "")),
			"azure: Key Vault contoso: answered 409 VaultAlreadyExists", "choose another azure.keyVault",
		},
		"quota": {
			answers(put, cluster, http.StatusBadRequest, `{"code": "ErrCode_InsufficientVCPUQuota", "message": "left regional vcpu quota 0, requested quota 4"}`),
			"azure: AKS cluster aidbox-rg/aidbox_aks: answered 400 ErrCode_InsufficientVCPUQuota: left regional vcpu quota 0, requested quota 4", "--node-size and --nodes",
		},
		"no resource group": {
			answers(put, cluster, http.StatusNotFound, refusal("ResourceGroupNotFound", "")),
			"azure: AKS cluster aidbox-rg/aidbox_aks: answered 404 ResourceGroupNotFound", "secretctl infra --phase group",
		},
		"unknown code": {
			answers(put, cluster, http.StatusBadRequest, refusal("BadRequest", "Preview feature X is not registered")),
			"azure: AKS cluster aidbox-rg/aidbox_aks: answered 400 BadRequest: Preview feature X is not registered", "",
		},
		"token in the message": {
			answers(put, cluster, http.StatusBadRequest, refusal("BadRequest", "bad header: Bearer fake_token")),
			"azure: AKS cluster aidbox-rg/aidbox_aks: answered 400 BadRequest: ", "",
		},
		"not logged in there": {
			answers(get, "/resourcegroups/", http.StatusUnauthorized, refusal("InvalidAuthenticationTokenTenant", "x")),
			"azure: resource group aidbox-rg: answered 401 InvalidAuthenticationTokenTenant: x", "azure.cloud",
		},
		"no Azure": {
			answers(get, "/resourcegroups/", http.StatusOK, `<html>`),
			"azure: resource group aidbox-rg: unexpected response", "proxy",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.answer = test.answer
			_, err := w.run(delivery(), false)
			if err == nil || !strings.HasPrefix(err.Error(), test.err) || strings.Contains(err.Error(), "\n") || !strings.Contains(hint.Of(err), test.hint) {
				t.Errorf("%v\nhint: %s", err, hint.Of(err))
			}
			if strings.Contains(err.Error(), "fake_token") {
				t.Error("the token is in the error")
			}
		})
	}
}

func TestOperationThatFailsLaterSaysWhy(t *testing.T) {
	w := newWorld(t)
	begun := answers(http.MethodPut, "/managedClusters/", http.StatusCreated, `{"properties": {"provisioningState": "Creating"}}`, "Azure-AsyncOperation", "https://management.azure.com/operations/1")
	failed := answers(http.MethodGet, "/operations/1", http.StatusOK, `{"status": "Failed", "error": {"code": "QuotaExceeded", "message": "cores: 0 left"}}`)
	w.answer = func(req *http.Request) *http.Response {
		if resp := begun(req); resp != nil {
			return resp
		}
		return failed(req)
	}
	changes, err := w.run(delivery(), false)
	if err == nil || err.Error() != "azure: AKS cluster aidbox-rg/aidbox_aks: ended with QuotaExceeded: cores: 0 left" || hint.Of(err) != quotaHint {
		t.Errorf("%v\nhint: %s", err, hint.Of(err))
	}
	if len(changes) != 2 {
		t.Errorf("what was made before is not told: %+v", changes)
	}
}

func TestWhoMayOnlyWriteToTheGroupNeedsNoMore(t *testing.T) {
	w := newWorld(t)
	w.answer = answers(http.MethodPost, "/checkNameAvailability", http.StatusForbidden, refusal("AuthorizationFailed", ""))
	if _, err := w.run(delivery(), false); err != nil {
		t.Error(err)
	}
}
