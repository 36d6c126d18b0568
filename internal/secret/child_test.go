package secret

import (
	"slices"
	"testing"
)

func TestAChildGetsWhatIsListedAndNothingElse(t *testing.T) {
	environ := []string{
		"PATH=/bin", "HOME=/root", "https_proxy=http://p", "Path=C:", "SystemRoot=C:", "KUBECONFIG=k", "AWS_PROFILE=a", "HELM_DRIVER=secret",
		"VAULT_TOKEN=t", "VAULT_ADDR=a", "SECRETCTL_ID_TOKEN=j", "AIDBOX_CLIENT_SECRET=s", "MY_VALUE=v", "PATHS=x", "=C:=C:", "AWS=x", "LD_PRELOAD=x",
	}
	want := []string{"PATH=/bin", "HOME=/root", "https_proxy=http://p", "Path=C:", "SystemRoot=C:", "KUBECONFIG=k", "AWS_PROFILE=a", "HELM_DRIVER=secret"}
	if got := ChildEnv(environ, "AWS_", "HELM_DRIVER"); !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
	withheld := []string{"VAULT_TOKEN", "VAULT_ADDR", "SECRETCTL_ID_TOKEN", "AIDBOX_CLIENT_SECRET", "MY_VALUE", "PATHS", "AWS", "LD_PRELOAD"}
	if got := Withheld(environ, "AWS_", "HELM_DRIVER"); !slices.Equal(got, withheld) {
		t.Errorf("withheld %q", got)
	}
}

func TestCredentialsOfAChildAreFoundByTheirNames(t *testing.T) {
	environ := []string{
		"AWS_SECRET_ACCESS_KEY=aws", "AZURE_CLIENT_SECRET=azure", "AZURE_CLIENT_CERTIFICATE_PASSWORD=certificate", "GOOGLE_OAUTH_ACCESS_TOKEN=google",
		"HTTPS_PROXY=http://me:https%2Dproxy@proxy:3128", "http_proxy=me:http-proxy@proxy:3128", "no_proxy=a,b",
		"AWS_PROFILE=prod", "AWS_ACCESS_KEY_ID=AKIA", "AWS_WEB_IDENTITY_TOKEN_FILE=/run/token", "AZURE_SECRET_NAME=name", "PATH=/bin", "HOME=/root", "MY_SECRET=not for a child",
		"AZURE_DEVOPS_EXT_PAT=pat", "OCI_CLI_KEY_CONTENT=oci", `AZURE_CREDENTIALS={"clientId": "id", "clientSecret": "member", "n": 1}`, "AZURE_COMPAT=true",
		"AZURE_STORAGE_CONNECTION_STRING=AccountName=contoso;AccountKey=part==;EndpointSuffix=core.windows.net", "AZURE_LIST=a;b",
	}
	var got []string
	for _, v := range Credentials(environ, OfClouds()...) {
		got = append(got, string(v.Reveal()))
	}
	if want := []string{"aws", "azure", "certificate", "google", "https-proxy", "http-proxy", "pat", "oci", "member", "part=="}; !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
}

func TestARegionOrAProfileLooksLikeNoSecret(t *testing.T) {
	for value, want := range map[string]bool{
		"kubeconfigSecret99": true, "hvs.CAESIJ2e6xP0q1w2e3r4t5y6": true, "Tr0ub4dor&3": true, "wJalrXUtnFEMI/K7MDENG0bPxRfiCYEXAMPLEKEY": true,
		"eu-central-1": false, "prod-admin-2": false, "azurecli": false, "True": false, "/home/me1/.kube/abcdefghijklmnop123": false, "~/abcdefghijklmnop123": false,
		"https://abcdefghijklmnop123.example": false, "00000000-0000-0000-0000-0123456789ab": false, "two words1 !": false, "": false,
	} {
		if got := LooksRandom("SOME_SETTING", value); got != want {
			t.Errorf("%q: %t", value, got)
		}
	}
	if LooksRandom("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/ClusterAdministrator1") {
		t.Error("the name says that it is no secret")
	}
}

func TestAShellReadsAWordAsItWas(t *testing.T) {
	for word, want := range map[string]string{"a/b-c.yaml": "a/b-c.yaml", "": "''", "my config.yaml": "'my config.yaml'", "a\x1b[": "'a ['", "it's": `'it'\''s'`, "a;b": "'a;b'"} {
		if got := ShellWord(word); got != want {
			t.Errorf("%q is %s, want %s", word, got, want)
		}
	}
}

func TestWhatAServerNamedIsAWordOfACommand(t *testing.T) {
	got := Shellf("kubectl logs -n %s %s -c %s --tail=%v; %[1]s", "default", "--all", "a;$(b)`c`'\x1b[31m\n", 3)
	if want := "kubectl logs -n default ./--all -c 'a;$(b)`c`'\\'' ' --tail=3; default"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	var s *Sanitizer // which cleans the text before it is shown
	if got := s.Line(Shellf("x %s -c %s", "a\x1b[", "; b #")); got != "x 'a [' -c '; b #'" {
		t.Error(got)
	}
}
