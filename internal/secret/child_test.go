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
