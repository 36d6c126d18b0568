package keyvault

import (
	"strconv"
	"strings"
	"testing"
)

// As Microsoft's provider 1.8.2 wrote them into events.
const (
	mountFailed = `MountVolume.SetUp failed for volume "secrets" : rpc error: code = Unknown desc = failed to mount secrets store objects for pod w/aidbox-1, err: rpc error: code = Unknown desc = failed to mount objects, error: `
	rule        = "--------------------------------------------------------------------------------\n"
	rbac        = mountFailed + "failed to get objectType:secret, objectName:w-client-secret, objectVersion:: GET https://contoso-aidbox.vault.azure.net/secrets/w-client-secret/\n" + rule +
		"RESPONSE 403: 403 Forbidden\nERROR CODE: Forbidden\n" + rule + `{
  "error": {
    "code": "Forbidden",
    "message": "Caller is not authorized to perform action on resource.\r\nIf role assignments, deny assignments or role definitions were changed recently, please observe propagation time.\r\nCaller: appid=00000000-0000-0000-0000-000000000000\r\n",
    "innererror": {
      "code": "ForbiddenByRbac"
    }
  }
}

` + rule
	tenant = mountFailed + "failed to get objectType:secret, objectName:w-client-secret, objectVersion:: ClientAssertionCredential authentication failed. \nGET https://login.microsoftonline.com/0/v2.0/.well-known/openid-configuration\n" + rule +
		"RESPONSE 400: 400 Bad Request\n" + rule + `{
  "error": "invalid_tenant",
  "error_codes": [
    90002
  ],
  "error_description": "AADSTS90002: Tenant '0' not found. Check to make sure you have the correct tenant ID. Trace ID: 1 Correlation ID: 2 Timestamp: 3"
}
` + rule
	node = mountFailed + "failed to get objectType:secret, objectName:k-client-secret, objectVersion:: ManagedIdentityCredential authentication failed. the requested identity isn't assigned to this resource\nGET http://169.254.169.254/metadata/identity/oauth2/token\n" + rule +
		"RESPONSE 400: 400 Bad Request\n" + rule + `{
  "error": "invalid_request",
  "error_description": "Identity not found"
}
` + rule + "To troubleshoot, visit https://aka.ms/azsdk/go/identity/troubleshoot#managed-id"
	noHost = mountFailed + `failed to get objectType:secret, objectName:w-client-secret, objectVersion:: Get "https://no-such-vault.vault.azure.net/secrets/w-client-secret/?api-version=7.4": dial tcp: lookup no-such-vault.vault.azure.net on 10.91.7.4:53: no such host`
)

func TestErrorOfTheAzureProviderIsShortenedToItsCode(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"role":       {rbac, mountFailed + "secret w-client-secret: 403 Forbidden: ForbiddenByRbac: Caller is not authorized to perform action on resource."},
		"in a line":  {strings.Join(strings.Fields(rbac), " "), mountFailed + "secret w-client-secret: 403 Forbidden: ForbiddenByRbac: Caller is not authorized to perform action on resource."},
		"in a log":   {strings.Trim(strconv.Quote(rbac), `"`), mountFailed + "secret w-client-secret: 403 Forbidden: ForbiddenByRbac: Caller is not authorized to perform action on resource."},
		"tenant":     {tenant, mountFailed + "secret w-client-secret: ClientAssertionCredential authentication failed: 400 Bad Request: AADSTS90002: Tenant '0' not found. Check to make sure you have the correct tenant ID."},
		"node":       {node, mountFailed + "secret k-client-secret: ManagedIdentityCredential authentication failed. the requested identity isn't assigned to this resource: 400 Bad Request: Identity not found"},
		"no host":    {noHost, mountFailed + "secret w-client-secret: dial tcp: lookup no-such-vault.vault.azure.net on 10.91.7.4:53: no such host"},
		"not JSON":   {"x GET https://a/b\n" + rule + "RESPONSE 502: 502 Bad Gateway\n" + rule + "<html>", "x: 502 Bad Gateway"},
		"cut short":  {"x GET https://a/b\n" + rule + "RESPONSE 403: 403 Forbidden\n" + rule + `{"error": {"co`, "x: 403 Forbidden"},
		"other code": {"x GET https://a/b\n" + rule + "RESPONSE 404: 404 Not Found\nERROR CODE: SecretNotFound\n" + rule + `{"error": {"code": "SecretNotFound"}}`, "x: 404 Not Found: SecretNotFound"},
		"of Vault":   {"Error making API request. Code: 403. Errors: * permission denied", "Error making API request. Code: 403. Errors: * permission denied"},
	} {
		if got := shortenMountError(c.text); got != c.want {
			t.Errorf("%s: got\n%s\nwant\n%s", name, got, c.want)
		}
	}
}
