package cluster

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/secretctl/secretctl/internal/hint"
)

func wantFiles(t *testing.T, c *Cluster, pod Pod) {
	f, err := observe(t, c, pod, app, file)
	if err != nil || string(f.Content.Reveal()) != firstSecret {
		t.Errorf("read %d bytes, %v", len(f.Content.Reveal()), err)
	}
	sum := sha256.Sum256([]byte(firstSecret))
	if f.Digest != hex.EncodeToString(sum[:]) || f.Mode != 0o644 || f.Link != "..data/client-secret" || time.Since(f.ModTime) > time.Hour {
		t.Errorf("%+v", f)
	}
	seen, err := c.Observe(t.Context(), pod, app, Look{Files: []string{"/run/vault-secrets/absent"}, Folders: []string{"/run/vault-secrets", "/sys/kernel/security"}})
	if names := seen["/run/vault-secrets"].Names; !slices.Equal(names, []string{"client-secret"}) || err != nil {
		t.Errorf("names are %q, %v", names, err)
	}
	if f := seen["/sys/kernel/security"]; len(f.Names) != 0 || f.Err != nil {
		t.Errorf("%+v", f)
	}
	for _, tt := range []struct {
		container, path string
		want            error
	}{
		{app, "/run/vault-secrets/absent", fs.ErrNotExist},
		{app, "/absent/folder/file", fs.ErrNotExist},
		{app, "/scratch/$(touch /scratch/touched) 'x\"", fs.ErrNotExist},
		{app, "/scratch/touched", fs.ErrNotExist},
		{app, "/scratch/denied", fs.ErrPermission},
		{app, "/scratch/closed/file", fs.ErrPermission},
		{app, "/scratch", ErrNotFile},
		{app, "/scratch/long", ErrTooLong},
		{bare, file, ErrNoTool},
		{"none", file, ErrNotRunning},
	} {
		_, err := observe(t, c, pod, tt.container, tt.path)
		wantError(t, err, tt.want, pod.Name)
	}
	if _, err := observe(t, c, pod, bare, file); !strings.Contains(hint.Of(err), "kubectl debug -n "+pod.Namespace) {
		t.Errorf("hint is %q", hint.Of(err))
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = c.Observe(ctx, pod, app, Look{Files: []string{file}})
	wantError(t, err, context.Canceled, pod.Name)
}

// wantWatch wants a watch to report, and to leave no process.
func wantWatch(t *testing.T, c *Cluster, pod Pod) {
	processes := func() string {
		out, err := c.run(t.Context(), pod, app, `ls -d /proc/[0-9]* | wc -l`)
		if err != nil {
			t.Fatal(err)
		}
		return string(out)
	}
	before, words := processes(), 0
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	c.Watch(ctx, pod, app, file, func(f File) {
		if f.Digest != Digest([]byte(firstSecret)) || f.Err != nil {
			t.Errorf("%+v", f)
		}
		if words++; words == 2 {
			cancel()
		}
	})
	if words != 2 {
		t.Errorf("%d words", words)
	}
	eventually(t, "the watch has left", func(context.Context) bool { return processes() == before })
	c.Watch(t.Context(), pod, bare, file, func(f File) { t.Errorf("%+v", f) })
}

// wantError wants this error and no other kind, on one line without secrets.
func wantError(t *testing.T, err, want error, part string) {
	t.Helper()
	for _, kind := range []error{fs.ErrNotExist, fs.ErrPermission, ErrNotFile, ErrTooLong, ErrNoTool, ErrNotRunning, context.Canceled} {
		if errors.Is(err, kind) != errors.Is(want, kind) {
			t.Errorf("%s: error is %v, want %v", part, err, want)
		}
	}
	if err != nil && (!strings.HasPrefix(err.Error(), "kubernetes: ") || !strings.Contains(err.Error(), part) || strings.Contains(err.Error(), "\n") ||
		strings.Contains(err.Error(), firstSecret)) {
		t.Errorf("error is %q", err)
	}
}

func wantNotRunning(t *testing.T, c *Cluster, namespace string) {
	stuck, err := c.Pod(t.Context(), namespace, "stuck")
	if err != nil || stuck.Status(app).Reason != "ContainerCreating" || stuck.Phase != "Pending" || stuck.Ready {
		t.Errorf("pod is %+v, %v", stuck, err)
	}
	_, err = observe(t, c, stuck, app, file)
	wantError(t, err, ErrNotRunning, "ContainerCreating")
	_, err = observe(t, c, Pod{Namespace: namespace, Name: "gone"}, app, file)
	wantError(t, err, ErrNotRunning, "the pod is gone")
}

func wantPorts(t *testing.T, c *Cluster, pod Pod) {
	for name, tunnel := range map[string]*http.Transport{
		"pod":                    c.PodTransport(pod.Namespace, pod.Name, 8080),
		"service":                c.ServiceTransport(pod.Namespace, app, ""),
		"service by port name":   c.ServiceTransport(pod.Namespace, app, "web"),
		"service by port number": c.ServiceTransport(pod.Namespace, app, "80"),
	} {
		client := &http.Client{Transport: tunnel}
		for range 2 {
			resp, err := client.Get("http://localhost/metrics")
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			body, err := io.ReadAll(resp.Body)
			_ = resp.Body.Close()
			if !strings.HasPrefix(string(body), "rotations{") || err != nil {
				t.Errorf("%s: %q, %v", name, body, err)
			}
		}
		tunnel.CloseIdleConnections()
	}
	for name, tt := range map[string]struct {
		tunnel *http.Transport
		want   error
	}{
		"port of nobody":    {c.PodTransport(pod.Namespace, pod.Name, 9), syscall.ECONNREFUSED},
		"no such pod":       {c.PodTransport(pod.Namespace, "gone", 8080), fs.ErrNotExist},
		"another service":   {c.ServiceTransport(pod.Namespace, "gone", ""), nil}, // forbidden: docs/rbac.md has one by name
		"no such port":      {c.ServiceTransport(pod.Namespace, app, "81"), nil},
		"pod that is stuck": {c.PodTransport(pod.Namespace, "stuck", 8080), nil},
	} {
		resp, err := (&http.Client{Transport: tt.tunnel}).Get("http://localhost/")
		if err == nil {
			_ = resp.Body.Close()
		}
		if err == nil || tt.want != nil && !errors.Is(err, tt.want) {
			t.Errorf("%s: error is %v, want %v", name, err, tt.want)
		}
		t.Logf("%s: %v", name, err)
	}
}

func wantForbidden(t *testing.T, c *Cluster, pod Pod) {
	get := func(tunnel *http.Transport) error {
		_, err := (&http.Client{Transport: tunnel}).Get("http://localhost/")
		return err
	}
	for _, tt := range []struct {
		verb, resource string
		do             func(ctx context.Context) error
	}{
		{"get", "deployments", func(ctx context.Context) error {
			_, err := c.Workload(ctx, pod.Namespace, "Deployment", app)
			return err
		}},
		{"get", "configmaps", func(ctx context.Context) error { _, err := c.ConfigMap(ctx, pod.Namespace, "x"); return err }},
		{"list", "daemonsets", func(ctx context.Context) error { _, err := c.Agents(ctx); return err }},
		{"create", "pods/exec", func(context.Context) error { _, err := observe(t, c, pod, app, file); return err }},
		{"create", "pods/portforward", func(context.Context) error { return get(c.PodTransport(pod.Namespace, pod.Name, 8080)) }},
		{"get", "services", func(context.Context) error { return get(c.ServiceTransport(pod.Namespace, app, "")) }},
		{"patch", "pods", func(ctx context.Context) error { return c.Nudge(ctx, pod) }},
		{"create", "serviceaccounts/token", func(ctx context.Context) error {
			_, err := c.ServiceAccountToken(ctx, pod.Namespace, app, nil, time.Hour)
			return err
		}},
	} {
		err := tt.do(t.Context())
		var forbidden *ForbiddenError
		if !errors.As(err, &forbidden) || forbidden.Verb != tt.verb || forbidden.Resource != tt.resource {
			t.Errorf("%s %s: error is %v: %+v", tt.verb, tt.resource, err, forbidden)
			continue
		}
		if h := hint.Of(err); !strings.Contains(h, `"`+tt.verb+`" on "`+tt.resource+`"`) || !strings.Contains(h, "docs/rbac.md") {
			t.Errorf("hint is %q", h)
		}
		t.Log(err)
	}
	if _, err := c.CRDs(t.Context()); err != nil {
		t.Errorf("CRDs take a right: %v", err)
	}
}
