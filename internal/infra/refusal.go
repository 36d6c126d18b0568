package infra

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"

	"github.com/secretctl/secretctl/internal/hint"
	"github.com/secretctl/secretctl/internal/secret"
	"github.com/secretctl/secretctl/internal/store/keyvault/azure"
)

const (
	subscriptionHint = "check azure.subscriptionID, and that the login belongs to its tenant: az account show"
	quotaHint        = "ask for more quota in azure.location, choose another location, or ask for less with --node-size and --nodes"
	sizeHint         = "choose an available --node-size: az vm list-skus --resource-type virtualMachines --location LOCATION"
	locationHint     = "check azure.location: az account list-locations"
	takenHint        = "names of Key Vaults are unique in Azure: choose another azure.keyVault"
)

// hints say what to do about the resource manager's codes.
var hints = map[string]string{
	"SubscriptionNotFound":                 subscriptionHint,
	"InvalidSubscriptionId":                subscriptionHint,
	"SubscriptionNotRegistered":            subscriptionHint,
	"QuotaExceeded":                        quotaHint,
	"InsufficientVCPUQuota":                quotaHint,
	"ErrCode_InsufficientVCPUQuota":        quotaHint,
	"InsufficientCoreQuota":                quotaHint,
	"SkuNotAvailable":                      sizeHint,
	"VMSizeNotSupported":                   sizeHint,
	"AgentPoolVMSizeNotAllowed":            sizeHint,
	"InvalidLocation":                      locationHint,
	"LocationNotAvailableForResourceType":  locationHint,
	"LocationNotAvailableForResourceGroup": locationHint,
	"RequestDisallowedByPolicy":            "a policy of your organization forbids it: ask who governs the subscription",
	"ScopeLocked":                          "a lock forbids changes there: az lock list shows it",
	"ResourceGroupNotFound":                "run: secretctl infra --phase group",
	"VaultAlreadyExists":                   takenHint,
	"ConflictError":                        takenHint,
}

// fail restates in one line why a request failed.
func (i *Infra) fail(ctx context.Context, o azure.Object, err error) error {
	refusal := i.azure.RefusalOf(err)
	if refusal == nil || ctx.Err() != nil {
		return i.azure.Fail(ctx, o, err)
	}
	next := hints[refusal.Code]
	switch {
	case refusal.Has("MissingSubscriptionRegistration"):
		next = secret.Shellf("run: az provider register --wait --namespace %s --subscription %s", o.Provider, i.config.SubscriptionID)
	case refusal.HasStatus(http.StatusForbidden) && next == "":
		return i.azure.Fail(ctx, o, err)
	}
	explained := i.azure.Explain(ctx, err)
	if refusal.Status < http.StatusMultipleChoices { // of an operation that started well
		explained = errors.New("ended with " + refusal.Code)
	}
	failed := fmt.Errorf("azure: %s: %w%s", o.Name, explained, i.message(err))
	if next == "" {
		return failed
	}
	return hint.Wrap(failed, "%s", next)
}

// message returns what the resource manager said, such as how much of a quota is left,
// in one line that is safe to show.
func (i *Infra) message(err error) string {
	answer, ok := errors.AsType[*azcore.ResponseError](err)
	if !ok || answer.RawResponse == nil {
		return ""
	}
	type message struct {
		Message string `json:"message"`
	}
	var body struct {
		Error   message `json:"error"`
		message         // where the error is not wrapped
	}
	text, err := runtime.Payload(answer.RawResponse)
	if err != nil || json.Unmarshal(text, &body) != nil {
		return ""
	}
	if said := i.azure.Text(body.Error.Message + body.Message); said != "" {
		return ": " + said
	}
	return ""
}

func (i *Infra) absent(err error) bool {
	refusal := i.azure.RefusalOf(err)
	return refusal.HasStatus(http.StatusNotFound) && refusal.Code != "SubscriptionNotFound"
}
