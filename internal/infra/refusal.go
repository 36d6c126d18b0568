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
	"github.com/secretctl/secretctl/internal/store/keyvault/azure"
)

// object is what a request is about: what people call it, the provider in Azure
// that has it, and where the role Contributor lets one make it.
type object struct{ name, provider, scope string }

const (
	subscriptionHint = "see azure.subscriptionID, and whether the login is of its tenant: az account show"
	quotaHint        = "ask for more quota in azure.location, choose another location, or ask for less with --node-size and --nodes"
	sizeHint         = "az vm list-skus --resource-type virtualMachines --location LOCATION lists what there is: choose one with --node-size"
	locationHint     = "az account list-locations lists them: see azure.location"
	takenHint        = "names of Key Vaults are the same for everybody: choose another azure.keyVault"
)

// hints say what to do about a code of the resource manager's.
var hints = map[string]string{
	"SubscriptionNotFound":                 subscriptionHint,
	"InvalidSubscriptionId":                subscriptionHint,
	"SubscriptionNotRegistered":            subscriptionHint,
	"ReadOnlyDisabledSubscription":         "the subscription is disabled: ask who pays for it",
	"QuotaExceeded":                        quotaHint,
	"InsufficientVCPUQuota":                quotaHint,
	"ErrCode_InsufficientVCPUQuota":        quotaHint,
	"InsufficientCoreQuota":                quotaHint,
	"PublicIPCountLimitReached":            "delete a public IP address that nobody uses, or ask for more quota",
	"SkuNotAvailable":                      sizeHint,
	"VMSizeNotSupported":                   sizeHint,
	"AgentPoolVMSizeNotAllowed":            sizeHint,
	"AllocationFailed":                     "Azure has no room for machines of that size there now: choose another --node-size, or run again later",
	"InvalidLocation":                      locationHint,
	"LocationNotAvailableForResourceType":  locationHint,
	"LocationNotAvailableForResourceGroup": locationHint,
	"InvalidResourceGroupLocation":         locationHint,
	"RequestDisallowedByPolicy":            "a policy of your organisation forbids it: ask who governs the subscription",
	"ScopeLocked":                          "a lock forbids changes there: az lock list shows it",
	"ResourceGroupNotFound":                "run: secretctl infra --phase group",
	"VaultAlreadyExists":                   takenHint,
	"ConflictError":                        takenHint,
}

// fail restates in one line why a request did not work.
func (i *Infra) fail(ctx context.Context, o object, err error) error {
	refusal := i.azure.RefusalOf(err)
	if refusal == nil || ctx.Err() != nil {
		err = i.azure.Explain(ctx, err)
		if _, isLogin := errors.AsType[*azure.LoginError](err); isLogin {
			return err // which is about no object
		}
		return fmt.Errorf("azure: %s: %w", o.name, err)
	}
	next, known := hints[refusal.Code]
	switch {
	case refusal.Has("MissingSubscriptionRegistration"):
		known, next = true, fmt.Sprintf("run: az provider register --wait --namespace %s --subscription %s", o.provider, i.config.SubscriptionID)
	case refusal.Status == http.StatusForbidden && !known:
		return hint.Wrap(fmt.Errorf("azure: %s: permission denied: needs the role Contributor on %s", o.name, o.scope),
			"run: az role assignment create --role Contributor --scope %s --assignee YOU", o.scope)
	}
	explained := i.azure.Explain(ctx, err)
	if refusal.Status < http.StatusMultipleChoices { // of an operation that began well
		explained = errors.New("ended with " + refusal.Code)
	}
	text := fmt.Errorf("azure: %s: %w%s", o.name, explained, i.message(err))
	if known {
		return hint.Wrap(text, "%s", next)
	}
	return text
}

// message returns what the resource manager said, in one line that is safe to
// show: it knows more than its code tells, as how much of a quota is left.
func (i *Infra) message(err error) string {
	answer, ok := errors.AsType[*azcore.ResponseError](err)
	if !ok || answer.RawResponse == nil {
		return ""
	}
	var body struct {
		Error struct {
			Message string `json:"message"`
		} `json:"error"`
		Message string `json:"message"` // where the error is not wrapped
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
	return refusal != nil && refusal.Status == http.StatusNotFound && refusal.Code != "SubscriptionNotFound"
}

// unexpected is an answer without what every Azure puts into it.
func unexpected(o object) error {
	return fmt.Errorf("azure: %s: %w", o.name, azure.ErrUnexpected)
}
