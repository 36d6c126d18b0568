package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync/atomic"
	"time"

	"github.com/secretctl/secretctl/internal/sandbox/kubernetes"
	"github.com/secretctl/secretctl/internal/sandbox/mount"
	"github.com/secretctl/secretctl/internal/sandbox/vault"
)

const noticeConfig = `apiVersion: secretctl.dev/v1
provider: vault
vault: {address: %q, kubernetesHost: %q}
secrets: [{name: client-secret, scope: [Client/basic], value: {generate: {}}}]
`

// notice measures how soon "rotate" notices that the mounted files were swapped. The
// store and the mount are stand-ins, so this program decides when that happens.
func (b *bench) notice() error {
	kubernetes, err := kubernetes.Start()
	if err != nil {
		return err
	}
	defer kubernetes.Close()
	vault, err := vault.Start()
	if err != nil {
		return err
	}
	defer vault.Close()
	var written atomic.Int64 // when the last write to Vault returned
	upstream, err := url.Parse(vault.URL)
	if err != nil {
		return err
	}
	proxy := httputil.NewSingleHostReverseProxy(upstream)
	proxy.ModifyResponse = func(r *http.Response) error {
		if r.Request.Method != http.MethodGet && r.StatusCode == http.StatusOK {
			written.Store(time.Now().UnixNano())
		}
		return nil
	}
	front := httptest.NewServer(proxy)
	defer front.Close()

	root := filepath.Join(b.dir, "notice")
	conf := filepath.Join(root, "secretctl.yaml")
	if err := write(root, map[string]string{"secretctl.yaml": fmt.Sprintf(noticeConfig, front.URL, kubernetes.URL)}); err != nil {
		return err
	}
	run := func(args ...string) ([]byte, error) {
		c := exec.Command(b.secretctl, append(args, "-c", conf)...)
		c.Env = append(os.Environ(), "VAULT_TOKEN="+vault.RootToken, "HOME="+b.dir, "KUBECONFIG=/dev/null")
		c.Stderr = b.narration
		return c.Output()
	}
	if _, err := run("provision"); err != nil {
		return err
	}
	manifests, err := run("render")
	if err != nil {
		return err
	}
	mount, err := mount.Start(context.Background(), mount.Options{Manifests: manifests, Root: root, Kubernetes: kubernetes, VaultAddress: vault.URL, Interval: time.Hour})
	if err != nil {
		return err
	}
	defer mount.Close()
	var late []time.Duration
	for _, wait := range []int{300, 900, 1700, 3100, 6300} {
		written.Store(0)
		swapped := make(chan time.Time, 1)
		go func() {
			for written.Load() == 0 {
				<-time.After(time.Millisecond)
			}
			<-time.After(time.Duration(wait) * time.Millisecond)
			_ = mount.Publish(context.Background())
			swapped <- time.Now()
		}()
		out, err := run("rotate", "client-secret", "-o", "json", "--target", "local", "--mount-path", filepath.Join(root, "run/vault-secrets"), "--vault-config", filepath.Join(root, "etc/aidbox/vault-config.json"))
		after, found := seen(out)
		if !found {
			return fmt.Errorf("rotate did not see the file change (%w): %s", err, out)
		}
		late = append(late, time.Unix(0, written.Load()).Add(after).Sub(<-swapped))
	}
	longest := slices.Max(late)
	b.table.add("a changed file is noticed", short(longest)+" after", "the change", "", "", "at most 1 s", longest <= time.Second)
	return nil
}

// seen returns when after the write a report says that the file changed.
func seen(report []byte) (after time.Duration, found bool) {
	var r struct {
		Deliveries []struct {
			Timeline []struct {
				What    string
				AfterMS int64 `json:"afterMs"`
			}
		}
	}
	if json.Unmarshal(report, &r) != nil {
		return 0, false
	}
	for _, d := range r.Deliveries {
		for _, m := range d.Timeline {
			if m.What == "file changed" {
				return time.Duration(m.AfterMS) * time.Millisecond, true
			}
		}
	}
	return 0, false
}
