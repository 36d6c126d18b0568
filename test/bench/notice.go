package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
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
aidbox: {url: %q}
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
	front, err := inFront(vault.URL, func([]byte) { written.Store(time.Now().UnixNano()) })
	if err != nil {
		return err
	}
	defer front.Close()

	aidbox := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"status": "pass", "description": "health of aidbox"}`)
	}))
	defer aidbox.Close()
	root := filepath.Join(b.dir, "notice")
	conf := filepath.Join(root, "secretctl.yaml")
	if err := write(root, map[string]string{"secretctl.yaml": fmt.Sprintf(noticeConfig, front.URL, kubernetes.URL, aidbox.URL)}); err != nil {
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
	manifests, err := run("render", "--allow-loopback")
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
		after := seen(out)
		if len(after) != 1 {
			return fmt.Errorf("rotate did not see the file change (%w): %s", err, out)
		}
		late = append(late, time.Unix(0, written.Load()).Add(after[0]).Sub(<-swapped))
	}
	longest := slices.Max(late)
	b.table.add("a changed file is noticed", short(longest)+" after", "the change", "", "", "at most 1 s", longest <= time.Second)
	return nil
}

// inFront starts a proxy to a Vault, which reports what was written to it.
func inFront(vault string, written func(body []byte)) (*httptest.Server, error) {
	upstream, err := url.Parse(vault)
	if err != nil {
		return nil, err
	}
	proxy := httputil.NewSingleHostReverseProxy(upstream)
	return httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var body bytes.Buffer
		r.Body = struct {
			io.Reader
			io.Closer
		}{io.TeeReader(r.Body, &body), r.Body}
		proxy.ServeHTTP(w, r)
		if r.Method != http.MethodGet {
			written(body.Bytes())
		}
	})), nil
}

// seen returns when after the write, for each replica, a report says that the file changed.
func seen(report []byte) (after []time.Duration) {
	var r struct {
		Deliveries []struct {
			Timeline []struct {
				What    string
				AfterMS int64 `json:"afterMs"`
			}
		}
	}
	if json.Unmarshal(report, &r) != nil {
		return nil
	}
	for _, d := range r.Deliveries {
		for _, m := range d.Timeline {
			if m.What == "file changed" {
				after = append(after, time.Duration(m.AfterMS)*time.Millisecond)
			}
		}
	}
	return after
}
