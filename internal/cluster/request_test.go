package cluster

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"strings"
	"testing"

	"github.com/secretctl/secretctl/internal/hint"
)

func TestRequestsThatFailSayWhyInOneLine(t *testing.T) {
	const path, class = "/api/v1/namespaces/default/configmaps/x", "/apis/secrets-store.csi.x-k8s.io/v1/namespaces/default/secretproviderclasses/x"
	configMap := func(c *Cluster) error { _, err := c.ConfigMap(t.Context(), "default", "x"); return err }
	secretProviderClass := func(c *Cluster) error { _, err := c.SecretProviderClass(t.Context(), "default", "x"); return err }
	for name, tt := range map[string]struct {
		api        fakeAPI
		do         func(*Cluster) error
		want, hint string
		absent     bool
	}{
		"absent": {
			fakeAPI{path: {404, `{"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": "configmaps \"x\" not found", "reason": "NotFound", "details": {"name": "x", "kind": "configmaps"}, "code": 404}`}},
			configMap, "kubernetes: configmaps/x in namespace default: not found", "", true,
		},
		"API that is not served": {
			fakeAPI{}, secretProviderClass, "kubernetes: secretproviderclasses/x in namespace default: the cluster does not serve this API", "secretctl install", true,
		},
		"bad credentials": {
			fakeAPI{path: {401, `{"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": "Unauthorized", "reason": "Unauthorized", "code": 401}`}},
			configMap, "kubernetes: configmaps/x in namespace default: the API server does not accept the credentials", "kubectl auth whoami", false,
		},
		"server's fault": {
			fakeAPI{path: {500, `{"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": "etcd:\n  no leader", "reason": "InternalError", "code": 500}`}},
			configMap, "kubernetes: configmaps/x in namespace default: answered 500: etcd: no leader", "", false,
		},
		"no JSON": {
			fakeAPI{path: {200, "<html>"}}, configMap, "kubernetes: configmaps/x in namespace default: answered with something that is not what was asked for", "", false,
		},
		"another kind of answer": {
			fakeAPI{class: {502, "<html>Bad gateway</html>"}}, secretProviderClass, "kubernetes: secretproviderclasses/x in namespace default: answered 502: ", "", false,
		},
	} {
		t.Run(name, func(t *testing.T) {
			err := tt.do(tt.api.connect(t))
			if err == nil || !strings.HasPrefix(err.Error(), tt.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("error is %q, want %q", err, tt.want)
			}
			if !strings.Contains(hint.Of(err), tt.hint) {
				t.Errorf("hint is %q, want %q in it", hint.Of(err), tt.hint)
			}
			if errors.Is(err, fs.ErrNotExist) != tt.absent {
				t.Errorf("error is %v", err)
			}
		})
	}
}

func TestForbiddenRequestNamesTheMissingRight(t *testing.T) {
	const message = `secretproviderclasspodstatuses is forbidden: User \"ci\" cannot list`
	c := fakeAPI{"/apis/secrets-store.csi.x-k8s.io/v1/namespaces/default/secretproviderclasspodstatuses": {
		403, `{"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "Forbidden", "message": "` + message + `", "code": 403}`,
	}}.connect(t)
	_, err := c.PodStatuses(t.Context(), "default")
	forbidden, ok := errors.AsType[*ForbiddenError](err)
	if !ok || forbidden.Verb != "list" || forbidden.Resource != "secretproviderclasspodstatuses" || forbidden.Group != secretsStoreGroup || forbidden.Namespace != "default" {
		t.Errorf("error is %v", err)
	}
	if want := `this takes the verb "list" on "secretproviderclasspodstatuses" in namespace default: docs/rbac.md has all that secretctl needs`; hint.Of(err) != want {
		t.Errorf("hint is %q, want %q", hint.Of(err), want)
	}
	if errors.Is(err, fs.ErrPermission) {
		t.Error("looks like a file that may not be read")
	}
}

func TestUnreachableClusterIsNamed(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = listener.Close()
	c := connectTo(t, "http://"+listener.Addr().String())
	for name, do := range map[string]func(ctx context.Context) error{
		"get": func(ctx context.Context) error { _, err := c.CSIDriver(ctx); return err },
		"exec": func(ctx context.Context) error {
			_, err := c.Observe(ctx, Pod{Namespace: "default", Name: "x"}, "c", Look{Files: []string{"/f"}})
			return err
		},
		"forward": func(ctx context.Context) error { _, err := c.dial(ctx, "default", "x", 80); return err },
	} {
		err := do(t.Context())
		if err == nil || !strings.Contains(err.Error(), "connection refused") || strings.Contains(err.Error(), "\n") || !strings.Contains(hint.Of(err), "--context") {
			t.Errorf("%s: error is %v, hint %q", name, err, hint.Of(err))
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := do(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: error is %v", name, err)
		}
	}
}
