package azure

import (
	"net/url"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
)

// cloudNames are the addresses of a cloud.
type cloudNames struct {
	configuration cloud.Configuration
	vaultDomain   string
}

// has reports whether an address is that of the resource manager or of a Key Vault.
func (c cloudNames) has(u *url.URL) bool {
	manager, err := url.Parse(c.configuration.Services[cloud.ResourceManager].Endpoint)
	host := strings.ToLower(u.Hostname())
	return u.Scheme == "https" && (err == nil && host == manager.Hostname() || strings.HasSuffix(host, "."+c.vaultDomain))
}

// namesOf returns the names of a cloud as the CSI provider calls it; for an unknown cloud,
// those of the public one.
func namesOf(name string) cloudNames {
	switch name {
	case "AzureUSGovernmentCloud":
		return cloudNames{cloud.AzureGovernment, "vault.usgovcloudapi.net"}
	case "AzureChinaCloud":
		return cloudNames{cloud.AzureChina, "vault.azure.cn"}
	case "AzureGermanCloud":
		return cloudNames{cloud.Configuration{
			ActiveDirectoryAuthorityHost: "https://login.microsoftonline.de/",
			Services: map[cloud.ServiceName]cloud.ServiceConfiguration{cloud.ResourceManager: {
				Endpoint: "https://management.microsoftazure.de", Audience: "https://management.core.cloudapi.de/",
			}},
		}, "vault.microsoftazure.de"}
	}
	return cloudNames{cloud.AzurePublic, "vault.azure.net"}
}
