package cluster

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/secretctl/secretctl/internal/hint"
	"github.com/secretctl/secretctl/test/secrettest"
)

// hostile connects to a server whose every answer has texts that would forge lines.
func hostile(t *testing.T, code int) *Cluster {
	t.Helper()
	server, ca := secure(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(code)
		_, _ = fmt.Fprintf(w, `{"kind":"Status","apiVersion":"v1","status":"Failure","code":%d,"reason":%[2]s,"message":%[2]s,
			"metadata":{"name":%[2]s},"spec":{"selector":{"matchLabels":{"a":"b"}},"template":{"spec":{"containers":[{"name":%[2]s,"image":%[2]s}]}}},
			"items":[{"metadata":{"name":%[2]s},"reason":%[2]s,"message":%[2]s,"type":"Warning",
				"status":{"podName":%[2]s,"secretProviderClassName":%[2]s,"objects":[{"id":%[2]s,"version":%[2]s}],"containerStatuses":[{"name":%[2]s,"state":{"waiting":{"reason":%[2]s}}}]}}]}`, code, quoted(attack))
	})
	c, err := Connect(Options{Kubeconfig: kubeconfigOf(t, server, ca, "{token: "+token+"}")})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestNoMessageOfAClusterRepeatsTheTokenInAnyEncoding(t *testing.T) {
	const marker = "xq7marker"
	said := ""
	server, ca := secure(t, func(w http.ResponseWriter, req *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		switch text := quoted(marker + " " + said); {
		case strings.HasSuffix(req.URL.Path, "/events"):
			_, _ = fmt.Fprintf(w, `{"items":[{"message":%[1]s,"reason":%[1]s}]}`, text)
		case strings.HasSuffix(req.URL.Path, "/log"):
			_, _ = fmt.Fprint(w, strings.ReplaceAll(marker+" "+said, "\n", " "))
		default:
			w.WriteHeader(http.StatusForbidden)
			_, _ = fmt.Fprintf(w, `{"kind":"Status","apiVersion":"v1","status":"Failure","code":403,"reason":"Forbidden","message":%s}`, text)
		}
	})
	c, err := Connect(Options{Kubeconfig: kubeconfigOf(t, server, ca, "{token: "+token+"}")})
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range secrettest.Encoders {
		said = e.Encode(token)
		_, err := c.ConfigMap(t.Context(), "default", "x")
		events, eventsErr := c.Events(t.Context(), "default", "Pod", "a")
		logs, logsErr := c.Logs(t.Context(), Pod{Namespace: "default", Name: "a"}, "c", time.Time{}, "")
		if err == nil || eventsErr != nil || logsErr != nil {
			t.Fatalf("%s: %v, %v, %v", e.Name, err, eventsErr, logsErr)
		}
		if shown := fmt.Sprint(err, events, logs); strings.Contains(shown, marker) {
			t.Errorf("%s passes: %.300s", e.Name, shown)
		}
	}
}

func TestErrorsOfAHostileClusterAreClean(t *testing.T) {
	for _, code := range []int{400, 401, 403, 404, 409, 422, 500, 503} {
		c := hostile(t, code)
		_, err := c.ConfigMap(t.Context(), "default", "x")
		_, statuses := c.PodStatuses(t.Context(), "default")
		_, tokens := c.ServiceAccountToken(t.Context(), "default", "a", nil, time.Hour)
		_, files := c.Observe(t.Context(), Pod{Namespace: "default", Name: "a"}, "c", Look{Files: []string{"/x"}})
		for _, err := range []error{err, statuses, tokens, files} {
			if err == nil {
				t.Errorf("%d: no error", code)
				continue
			}
			wantClean(t, err.Error())
			wantClean(t, hint.Of(err))
		}
	}
}

func TestEventsAndLogsOfAHostileClusterAreClean(t *testing.T) {
	c := hostile(t, 200)
	events, err := c.Events(t.Context(), "default", "Pod", "a")
	if err != nil || len(events) != 1 {
		t.Fatalf("%v, %v", events, err)
	}
	wantClean(t, events[0].Message)
	wantClean(t, events[0].Reason)
	lines, err := c.Logs(t.Context(), Pod{Namespace: "default", Name: "a"}, "c", time.Time{}, "")
	if err != nil || len(lines) == 0 {
		t.Fatalf("%v, %v", lines, err)
	}
	for _, line := range lines {
		wantClean(t, line)
	}
}

func wantClean(t *testing.T, text string) {
	t.Helper()
	if forged := secrettest.Forged(text); forged != "" || strings.Contains(text, token) {
		t.Errorf("%s is in %q", forged, text)
	}
}

func TestNothingOfAClusterHangs(t *testing.T) {
	for name, answer := range map[string]string{
		"another protocol": "HTTP/1.1 101 x\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
		"silence":          "",
		"half an answer":   "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{",
	} {
		t.Run(name, func(t *testing.T) {
			server := serve(t, func(w http.ResponseWriter, _ *http.Request) {
				conn, out, err := http.NewResponseController(w).Hijack()
				if err != nil {
					t.Error(err)
					return
				}
				_, _ = out.WriteString(answer)
				_ = out.Flush()
				t.Cleanup(func() { _ = conn.Close() })
			})
			c, err := Connect(Options{Kubeconfig: kubeconfigOf(t, server.Host(), "", "{}"), Timeout: 100 * time.Millisecond})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := c.ConfigMap(t.Context(), "default", "x"); err == nil {
				t.Error("no error")
			}
			ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
			defer cancel()
			if _, err := c.Observe(ctx, Pod{Namespace: "default", Name: "a"}, "c", Look{Files: []string{"/x"}}); err == nil {
				t.Error("a file was read")
			}
			tunnel := c.PodTransport("default", "a", 80)
			defer tunnel.CloseIdleConnections()
			req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://localhost/", nil)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := tunnel.RoundTrip(req); err == nil {
				t.Error("a tunnel answered")
			}
			if start := time.Now(); ctx.Err() == nil {
				<-ctx.Done()
				t.Logf("ended %s early", time.Since(start))
			}
			if !errors.Is(ctx.Err(), context.DeadlineExceeded) {
				t.Error("no deadline")
			}
		})
	}
}
