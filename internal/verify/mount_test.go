package verify

import (
	"context"
	"encoding/base64"
	"errors"
	"os"
	"testing"
	"time"

	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/hint"
	"github.com/secretctl/secretctl/internal/secret"
	"github.com/secretctl/secretctl/internal/store"
	"github.com/secretctl/secretctl/test/testenv"
)

func mountRows() []row {
	const (
		present  = "mount/present client-secret local"
		readable = "mount/readable client-secret local"
		matches  = "mount/matches-store client-secret local"
		status   = "mount/status client-secret local"
		file     = "client-secret"
	)
	// remove empties the folder, so that a test can lay it out anew.
	remove := func(t *testing.T, s *fixture) {
		must(t, os.RemoveAll(s.local.Dir))
		testenv.Mkdir(t, s.local.Dir)
	}
	plain := func(content string) func(*testing.T, *fixture) {
		return func(t *testing.T, s *fixture) {
			remove(t, s)
			write(t, s.file(file), content)
		}
	}
	mode := func(path string, mode os.FileMode) func(*testing.T, *fixture) {
		return func(t *testing.T, s *fixture) {
			must(t, os.Chmod(s.file(path), mode))
			if os.Getuid() == aidboxUser {
				t.Skip("the files belong to Aidbox's user")
			}
		}
	}
	noFolder := func(t *testing.T, s *fixture) { must(t, os.RemoveAll(s.local.Dir)) }
	return []row{
		{"as published", nil, present, StatusPass, "/client-secret"},
		{"no folder", noFolder, present, StatusFail, "does not exist"},
		{"empty folder", remove, present, StatusFail, "delete the pod"},
		{"another file alone", func(t *testing.T, s *fixture) {
			must(t, os.Rename(s.file(file), s.file("other")))
		}, present, StatusFail, "no file client-secret in "},
		{"link to nothing", func(t *testing.T, s *fixture) { must(t, os.Remove(s.file(dataLink))) }, present, StatusFail, "is a dangling link"},
		{"a path through a file", func(_ *testing.T, s *fixture) { s.local.Dir = s.file(file) }, present, StatusUnknown, "not a directory"},

		{"as published", nil, readable, StatusPass, "(mode 0644)"},
		{"closed file", mode("..data/client-secret", 0o640), readable, StatusFail, "user 1000 cannot read it (mode 0640)"},
		{"closed mount", mode(".", 0o750), readable, StatusFail, "user 1000 cannot enter folder"},
		{"closed published folder", mode(dataLink, 0o700), readable, StatusFail, "user 1000 cannot enter folder"},
		{"empty file", plain(""), readable, StatusFail, "is empty"},
		{"a folder", func(t *testing.T, s *fixture) {
			remove(t, s)
			testenv.Mkdir(t, s.file(file))
		}, readable, StatusFail, "is not a regular file"},
		{"nothing there", remove, readable, StatusSkip, "skipped: mount/present failed"},

		{"as stored", nil, matches, StatusPass, "equal to the store, version 3"},
		{"plain file", plain(canary), matches, StatusPass, "equal to the store, version 3"},
		{"stale", plain("old"), matches, StatusFail, "differs from the store, version 3: stale"},
		{"line break in the mount alone", plain(canary + "\n"), matches, StatusFail, "differs from the store, version 3 by a line break"},
		{"line break in both", func(t *testing.T, s *fixture) {
			plain(canary+"\n")(t, s)
			s.store[file] = canary + "\n"
		}, matches, StatusWarn, "ends in a line break"},
		{"decoded", func(_ *testing.T, s *fixture) {
			s.d.Secrets[0].Encoding = config.EncodingBase64
			s.store[file] = base64.StdEncoding.EncodeToString([]byte(canary))
		}, matches, StatusPass, "equal to the store, version 3"},
		{"not what is decoded", func(_ *testing.T, s *fixture) { s.d.Secrets[0].Encoding = config.EncodingHex }, matches, StatusFail, "the value is not hex, so the CSI provider cannot decode it"},
		{"a certificate", func(_ *testing.T, s *fixture) {
			s.w.Stored = func(context.Context, config.Secret) (secret.Value, string, error) {
				return secret.Value{}, "3", store.ErrPEM
			}
		}, matches, StatusSkip, "is a certificate or key, which the CSI provider writes as PEM; mount/status compares the versions"},
		{"byte order mark", func(t *testing.T, s *fixture) {
			plain("\uFEFF"+canary)(t, s)
			s.store[file] = "\uFEFF" + canary
		}, matches, StatusWarn, "begins with a byte order mark"},
		{"not in the store", func(_ *testing.T, s *fixture) { clear(s.store) }, matches, StatusFail, "secret not found in the store"},
		{"deleted in the store", func(_ *testing.T, s *fixture) {
			s.w.Stored = func(context.Context, config.Secret) (secret.Value, string, error) {
				return secret.Value{}, "", hint.Wrap(store.NotFound("version 3 is deleted"), "run: vault kv undelete")
			}
		}, matches, StatusFail, "version 3 is deleted; a running pod keeps the last value that it mounted | run: vault kv undelete"},
		{
			"no store access", func(_ *testing.T, s *fixture) { s.w.Stored = nil }, matches, StatusPass,
			"equal to environment variable CLIENT_SECRET (store not readable: no token)",
		},
		{"store refuses", func(_ *testing.T, s *fixture) {
			s.w.Stored = func(context.Context, config.Secret) (secret.Value, string, error) {
				return secret.Value{}, "", errors.New("vault: permission denied")
			}
		}, matches, StatusPass, "equal to environment variable CLIENT_SECRET (store not readable: vault: permission denied)"},
		{"no store access, generated", func(_ *testing.T, s *fixture) {
			s.w.Stored, s.d.Secrets[0].Value = nil, secret.Source{Generate: &secret.Generate{}}
		}, matches, StatusUnknown, "without the store there is nothing to compare with"},
		{"no store access, no source, line break", func(t *testing.T, s *fixture) {
			plain(canary+"\n")(t, s)
			s.w.Stored, s.d.Secrets[0].Value = nil, secret.Source{}
		}, matches, StatusUnknown, "nothing to compare with; the mounted value ends in a line break"},
		{"no store access, source fails", func(_ *testing.T, s *fixture) {
			s.w.Stored = nil
			s.w.Source = func(context.Context, config.Secret) (secret.Value, error) {
				return secret.Value{}, &secret.SourceError{Source: secret.Source{Env: "X"}, Err: errors.New("is not set")}
			}
		}, matches, StatusUnknown, "environment variable X is not set"},
		{"not readable", plain(""), matches, StatusSkip, "skipped: mount/readable"},

		{"as published", nil, status, StatusPass, "published 3m"},
		{"published by a clock ahead", func(t *testing.T, s *fixture) {
			s.publish(t, map[string]string{file: canary}, time.Now().Add(time.Minute))
		}, status, StatusPass, "published 0s ago"},
		{"plain file", plain(canary), status, StatusWarn, "not published by the CSI driver: nothing rotates it"},
		{"folder of another name", func(t *testing.T, s *fixture) {
			testenv.Mkdir(t, s.file("..v1"))
			must(t, os.Remove(s.file(dataLink)))
			must(t, os.Symlink("..v1", s.file(dataLink)))
		}, status, StatusWarn, "not a folder name of the CSI driver"},
		{"data link to nothing", func(t *testing.T, s *fixture) {
			must(t, os.Remove(s.file(dataLink)))
			must(t, os.Symlink("..2026_01_01_00_00_00.1", s.file(dataLink)))
		}, status, StatusFail, "points to ..2026_01_01_00_00_00.1, which does not exist"},
		{"data is a folder", func(t *testing.T, s *fixture) {
			must(t, os.Remove(s.file(dataLink)))
			testenv.Mkdir(t, s.file(dataLink))
		}, status, StatusFail, "..data is not a link"},
		{"copy beside", func(t *testing.T, s *fixture) {
			must(t, os.Remove(s.file(file)))
			write(t, s.file(file), canary)
		}, status, StatusFail, "without subPath"},
		{"no file", remove, status, StatusSkip, "no file to check"},

		{"as rendered", nil, "mount/vault-config local", StatusPass, "path and scope of 1 secret match"},
		{
			"missing", func(t *testing.T, s *fixture) { must(t, os.Remove(s.local.VaultConfig)) }, "mount/vault-config local", StatusFail,
			"mount the ConfigMap aidbox-vault-config at /etc/aidbox/vault-config.json",
		},
		{"a folder", func(_ *testing.T, s *fixture) { s.local.VaultConfig = s.local.Dir }, "mount/vault-config local", StatusUnknown, "is not a regular file"},
	}
}

func TestFileOfAidboxUserNeedsNoRightForOthers(t *testing.T) {
	s := newFixture(t)
	must(t, os.Chmod(s.file("..data/client-secret"), 0o400))
	if err := os.Chown(s.file("..data/client-secret"), aidboxUser, aidboxUser); err != nil {
		t.Skip("only root can give files away")
	}
	results, _, err := s.run(t.Context())
	must(t, err)
	if got := results["mount/readable client-secret local"]; got.Status != StatusPass {
		t.Errorf("got %+v", got)
	}
}

func TestLocalMountFindsTheFolderOfEachKeyVault(t *testing.T) {
	d := &config.Delivery{Provider: config.ProviderAzure, Azure: &config.Azure{KeyVault: "contoso"}, MountPath: "/run/azure-secrets"}
	m := Local{Dir: "/mnt"}.mount(d)
	for vault, want := range map[string]string{"contoso": "/mnt/a", "Fabrikam": "/mnt-fabrikam/a"} {
		if got := m.file(config.Secret{Name: "a", KeyVault: vault}); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func TestLocalTakesThePathsOfTheDelivery(t *testing.T) {
	d := newFixture(t).d
	d.MountPath = t.TempDir() + "/absent"
	m := Local{}.mount(d)
	if got := m.file(d.Secrets[0]); got != d.MountPath+"/client-secret" || m.vaultConfig != config.VaultConfigFile {
		t.Errorf("got %s, %s", got, m.vaultConfig)
	}
}

func TestRotatedMountIsReadThroughTheNewFolder(t *testing.T) {
	s := newFixture(t)
	s.publish(t, map[string]string{"client-secret": "new"}, time.Now())
	s.store["client-secret"], s.valid = "new", "new"
	results, _, err := s.run(t.Context())
	must(t, err)
	for _, id := range []string{"mount/matches-store", "mount/status"} {
		if got := results[id+" client-secret local"]; got.Status != StatusPass {
			t.Errorf("%s: %+v", id, got)
		}
	}
}
