package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"

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
			configMap, "kubernetes HOST: the API server does not accept the credentials", "kubectl auth whoami", false,
		},
		"server's fault": {
			fakeAPI{path: {500, `{"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": "etcd:\n  no leader", "reason": "InternalError", "code": 500}`}},
			configMap, "kubernetes: configmaps/x in namespace default: answered 500: etcd: no leader", "", false,
		},
		"no JSON": {
			fakeAPI{path: {200, "<html>"}}, configMap, "kubernetes HOST: unexpected response to configmaps/x in namespace default", "--kubeconfig", false,
		},
		"another kind of answer": {
			fakeAPI{class: {502, "<html>Bad gateway</html>"}}, secretProviderClass, "kubernetes: secretproviderclasses/x in namespace default: answered 502: ", "", false,
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := tt.api.connect(t)
			err := tt.do(c)
			if err == nil || !strings.HasPrefix(strings.ReplaceAll(err.Error(), c.Host(), "HOST"), tt.want) || strings.Contains(err.Error(), "\n") {
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

// pagedAPI has 600 pods, and returns them in pages as an API server does.
func pagedAPI(t *testing.T) (c *Cluster, requests *[]string) {
	t.Helper()
	requests = &[]string{}
	return serve(t, func(w http.ResponseWriter, req *http.Request) {
		q := req.URL.Query()
		q.Del("timeout") // client-go adds it
		*requests = append(*requests, q.Encode())
		var page corev1.PodList
		first, _ := strconv.Atoi(q.Get("continue"))
		limit, _ := strconv.Atoi(q.Get("limit"))
		w.Header().Set("Content-Type", "application/json")
		for i := first; i < min(first+limit, 600); i++ {
			page.Items = append(page.Items, corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: strconv.Itoa(i)}})
		}
		if first+limit < 600 {
			page.Continue = strconv.Itoa(first + limit)
		}
		_ = json.NewEncoder(w).Encode(page)
	}), requests
}

func TestLongListsAreReadPageByPage(t *testing.T) {
	c, requests := pagedAPI(t)
	pods, err := list[corev1.Pod](t.Context(), c, coreObject("pods", "default", ""), query{"labelSelector": "a=b"})
	if err != nil || len(pods) != 600 || pods[599].Name != "599" {
		t.Errorf("%d pods, %v", len(pods), err)
	}
	want := []string{"labelSelector=a%3Db&limit=250", "continue=250&labelSelector=a%3Db&limit=250", "continue=500&labelSelector=a%3Db&limit=250"}
	if diff := cmp.Diff(want, *requests); diff != "" {
		t.Error(diff)
	}
}

func TestAServerThatHangsCostsOneTimeout(t *testing.T) {
	var asked atomic.Int32
	release := make(chan struct{})
	server := serve(t, func(_ http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		<-release
	})
	defer close(release)
	c, err := newCluster(&rest.Config{Host: server.Host()}, Options{Timeout: 100 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	for range 5 {
		if _, err := c.ConfigMap(t.Context(), "default", "x"); err == nil || !strings.Contains(err.Error(), "no answer in time") {
			t.Errorf("error is %v", err)
		}
	}
	if n := asked.Load(); n != 1 {
		t.Errorf("asked %d times", n)
	}
}

func TestOneAnswerOfAnOverloadedServerIsNotTheLast(t *testing.T) {
	for _, code := range []int{http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout} {
		asked := 0
		c := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			if asked++; asked == 1 {
				w.WriteHeader(code)
				return
			}
			_, _ = io.WriteString(w, `{"items": []}`)
		})
		if _, err := c.PodStatuses(t.Context(), "default"); err != nil || asked != 2 {
			t.Errorf("%d: %d requests, %v", code, asked, err)
		}
	}
}

func TestListThatHasExpiredBeginsAgain(t *testing.T) {
	var asked []string
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		asked = append(asked, q.Get("limit")+" "+q.Get("continue"))
		w.Header().Set("Content-Type", "application/json")
		switch {
		case q.Get("continue") != "":
			w.WriteHeader(http.StatusGone)
			_, _ = io.WriteString(w, `{"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 410, "reason": "Expired"}`)
		case q.Get("limit") != "":
			_, _ = io.WriteString(w, `{"metadata": {"continue": "x"}, "items": [{}]}`)
		default:
			_, _ = io.WriteString(w, `{"items": [{}, {}, {}]}`)
		}
	})
	all, err := c.PodStatuses(t.Context(), "default")
	if diff := cmp.Diff([]string{"250 ", "250 x", " "}, asked); diff != "" || len(all) != 3 || err != nil {
		t.Errorf("%d items, %v\n%s", len(all), err, diff)
	}
}

// client-go waits for the answer to a request for SPDY without regard to the context.
func TestAServerThatSpeaksOnlySPDYAndDoesNotAnswerEndsInTime(t *testing.T) {
	hang := make(chan struct{})
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			<-hang
			return
		}
		http.Error(w, "unable to upgrade", http.StatusBadRequest)
	})
	defer close(hang)
	c.config.Timeout = 300 * time.Millisecond
	start := time.Now()
	_, err := c.Observe(t.Context(), Pod{Namespace: "default", Name: "a"}, "c", Look{Files: []string{"/x"}})
	c.Watch(t.Context(), Pod{Namespace: "default", Name: "a"}, "c", "/x", func(File) { t.Error("saw a file") })
	if took := time.Since(start); err == nil || took > 10*time.Second {
		t.Errorf("after %s: %v", took, err)
	}
}
