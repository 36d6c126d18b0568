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

func TestAShellReadsAWordAsItWas(t *testing.T) {
	for word, want := range map[string]string{"a/b-c.yaml": "a/b-c.yaml", "": "''", "my config.yaml": "'my config.yaml'", "it's": `'it'\''s'`, "a;b": "'a;b'"} {
		if got := ShellWord(word); got != want {
			t.Errorf("%q is %s, want %s", word, got, want)
		}
	}
}
