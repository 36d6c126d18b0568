package cmd

import (
	"bytes"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/secretctl/secretctl/internal/secret"
)

// Libraries run az and login plugins, which inherit whatever is set.
func TestChildrenInheritNoSecret(t *testing.T) {
	env := map[string]string{
		"PATH": "/usr/bin", "HOME": "/root", "AZURE_CLIENT_ID": "c", "AWS_PROFILE": "p", "VAULT_ADDR": "http://127.0.0.1:1", "HTTPS_PROXY": "http://p",
		"VAULT_TOKEN": "hunter2", "VAULT_ID_TOKEN": "hunter2", "VAULT_SECRET_ID": "hunter2", "SECRETCTL_ID_TOKEN": "hunter2", "AIDBOX_CLIENT_SECRET": "hunter2", "MY_VALUE": "a=b", "SECRETCTL_TIMEOUT": "3s",
	}
	var environ []string
	for name, value := range env {
		environ = append(environ, name+"="+value)
	}
	lookup := hideFromChildren(environ, func(name string) error { delete(env, name); return nil })
	if kept := slices.Sorted(maps.Keys(env)); !slices.Equal(kept, []string{"AWS_PROFILE", "AZURE_CLIENT_ID", "HOME", "HTTPS_PROXY", "PATH", "VAULT_ADDR"}) {
		t.Errorf("children inherit %v", kept)
	}
	if value, set := lookup("MY_VALUE"); !set || value != "a=b" {
		t.Errorf("secretctl itself finds %q, %t", value, set)
	}
}

func TestAVariableThatASecretMayComeFromIsForNoChild(t *testing.T) {
	a := &app{IO: IO{LookupEnv: func(string) (string, bool) { return "value", true }}}
	if _, set := a.secretVariable("AWS_B"); !set {
		t.Error("not found")
	}
	for name, want := range map[string]bool{"AWS_B": false, "AWS_C": true} {
		if _, got := a.childVariable(name); got != want {
			t.Errorf("%s: %t", name, got)
		}
	}
}

func TestCredentialsOfTheEnvironmentAreShownNowhere(t *testing.T) {
	var out, narration bytes.Buffer
	Run(t.Context(), []string{"config", "validate", "-c", "hunter2-of-a-cloud"}, IO{
		In: strings.NewReader(""), Out: &out, Err: &narration, LookupEnv: func(string) (string, bool) { return "", false },
		Credentials: []secret.Value{secret.New([]byte("hunter2-of-a-cloud"))},
	})
	if text := out.String() + narration.String(); strings.Contains(text, "hunter2") || !strings.Contains(text, "withheld") {
		t.Error(text)
	}
}
