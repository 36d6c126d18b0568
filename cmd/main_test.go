package cmd

import (
	"maps"
	"slices"
	"testing"
)

// Libraries run az and login plugins, which inherit whatever is set.
func TestChildrenInheritNoSecret(t *testing.T) {
	env := map[string]string{
		"PATH": "/usr/bin", "HOME": "/root", "AZURE_CLIENT_ID": "c", "AWS_PROFILE": "p", "VAULT_ADDR": "http://127.0.0.1:1", "HTTPS_PROXY": "http://p",
		"VAULT_TOKEN": "hunter2", "SECRETCTL_ID_TOKEN": "hunter2", "AIDBOX_CLIENT_SECRET": "hunter2", "MY_VALUE": "a=b", "SECRETCTL_TIMEOUT": "3s",
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
