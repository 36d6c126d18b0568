package azure

import "github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"

// cloudNames are the addresses of a cloud.
type cloudNames struct {
	configuration cloud.Configuration
	vaultDomain   string
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
