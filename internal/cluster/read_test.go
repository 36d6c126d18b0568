package cluster

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/secretctl/secretctl/internal/hint"
	"github.com/secretctl/secretctl/test/testenv"
)

// filesHere makes what the fake pod's containers find in its folder. What a user
// may not read is tested in a real container, since this may be root.
func filesHere(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	for name, content := range map[string]string{"value": firstSecret, "with 'space\"$(x)": "x", ".hidden": "x", "long": strings.Repeat("x", 1<<20+1), "limit": strings.Repeat("x", 1<<20)} {
		testenv.WriteFile(t, filepath.Join(dir, name), []byte(content))
	}
	if err := errors.Join(os.Symlink("value", filepath.Join(dir, "link")), os.Mkdir(filepath.Join(dir, "empty"), 0o755)); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestFilesInAPodAreRead(t *testing.T) {
	c, pod := fakePod(t)
	dir := filesHere(t)
	for name, want := range map[string]string{"value": firstSecret, "link": firstSecret, "with 'space\"$(x)": "x", "limit": strings.Repeat("x", 1<<20)} {
		v, err := c.ReadFile(t.Context(), pod, shell, filepath.Join(dir, name))
		if string(v.Reveal()) != want || err != nil {
			t.Errorf("%s: read %d bytes, %v", name, len(v.Reveal()), err)
		}
		digest, err := c.Digest(t.Context(), pod, shell, filepath.Join(dir, name))
		if digest != fmt.Sprintf("%x", sha256.Sum256([]byte(want))) || err != nil {
			t.Errorf("%s: digest is %s, %v", name, digest, err)
		}
	}
	info, err := c.Stat(t.Context(), pod, shell, filepath.Join(dir, "link"))
	if info.Mode != 0o644 || info.Size != int64(len(firstSecret)) || info.Link != "value" || time.Since(info.ModTime) > time.Hour || err != nil {
		t.Errorf("%+v, %v", info, err)
	}
	names, err := c.List(t.Context(), pod, shell, dir)
	if diff := cmp.Diff([]string{"empty", "limit", "link", "long", "value", "with 'space\"$(x)"}, names); diff != "" || err != nil {
		t.Error(diff, err)
	}
	if names, err := c.List(t.Context(), pod, shell, filepath.Join(dir, "empty")); len(names) != 0 || err != nil {
		t.Errorf("names are %q, %v", names, err)
	}
}

func TestFilesThatCannotBeReadSayWhy(t *testing.T) {
	c, pod := fakePod(t)
	dir := filesHere(t)
	for _, tt := range []struct {
		container, name string
		want            error
	}{
		{shell, "absent", fs.ErrNotExist},
		{shell, "empty", ErrNotFile},
		{shell, "long", ErrTooLong},
		{toolless, "value", ErrNoTool},
		{toolless, "absent", fs.ErrNotExist},
		{noShell, "value", ErrNoTool},
		{waiting, "value", ErrNotRunning},
		{cutShort, "value", errCutShort},
	} {
		_, err := c.ReadFile(t.Context(), pod, tt.container, filepath.Join(dir, tt.name))
		wantError(t, err, tt.want, tt.name)
		if !errors.Is(err, tt.want) {
			t.Errorf("%s in %s: error is %v, want %v", tt.name, tt.container, err, tt.want)
		}
	}
	for name, do := range map[string]func() error{
		"digest": func() error { _, err := c.Digest(t.Context(), pod, toolless, filepath.Join(dir, "value")); return err },
		"stat":   func() error { _, err := c.Stat(t.Context(), pod, toolless, filepath.Join(dir, "value")); return err },
	} {
		if err := do(); !errors.Is(err, ErrNoTool) || hint.Of(err) == "" {
			t.Errorf("%s: error is %v", name, err)
		}
	}
	if _, err := c.Stat(t.Context(), pod, shell, filepath.Join(dir, "absent")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("stat: error is %v", err)
	}
	if _, err := c.List(t.Context(), pod, shell, filepath.Join(dir, "value")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("list: error is %v", err)
	}
}

func TestExitCodesAreDifferentErrors(t *testing.T) {
	for code, want := range map[int]error{
		exitAbsent: fs.ErrNotExist, exitDenied: fs.ErrPermission, exitNotFile: ErrNotFile,
		exitCannot: ErrNoTool, exitNotFound: ErrNoTool, 1: errToolFailed, 2: errToolFailed,
	} {
		if err := exitError(Pod{}, "c", code); !errors.Is(err, want) {
			t.Errorf("%d: error is %v, want %v", code, err, want)
		}
	}
	if errors.Is(exitError(Pod{}, "c", 1), ErrNoTool) || errors.Is(ErrNoTool, errToolMissing) {
		t.Error("errors are mixed up")
	}
}

func TestEventsOfBothFormsHaveATime(t *testing.T) {
	at := func(s int64) metav1.Time { return metav1.Unix(s, 0) }
	for name, tt := range map[string]struct {
		event corev1.Event
		want  Event
	}{
		"old": {
			corev1.Event{LastTimestamp: at(5), Count: 3, Type: "Warning", Reason: "FailedMount", Message: "a b"},
			Event{Time: at(5).Time, Count: 3, Warning: true, Reason: "FailedMount", Message: "a b"},
		},
		"new":    {corev1.Event{EventTime: metav1.NewMicroTime(time.Unix(6, 0)), Type: "Normal"}, Event{Time: time.Unix(6, 0), Count: 1}},
		"series": {corev1.Event{EventTime: metav1.NewMicroTime(time.Unix(6, 0)), Series: &corev1.EventSeries{Count: 9, LastObservedTime: metav1.NewMicroTime(time.Unix(8, 0))}}, Event{Time: time.Unix(8, 0), Count: 9}},
	} {
		if diff := cmp.Diff(tt.want, newEvent(tt.event)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func TestMetricsAreReadFromTheirText(t *testing.T) {
	const text = `# HELP node_publish_total x
# TYPE node_publish_total counter
node_publish_total{os_type="linux",provider=""} 43
node_publish_total{os_type="linux",provider="a \"b\", c=d} e"} 3.1e+01 1795307348
node_publish_total_created 5
rotation_reconcile_total 18
broken_metric x
node_publish_error_total{x="1"} 21
`
	want := []Sample{
		{"node_publish_total", map[string]string{"os_type": "linux", "provider": ""}, 43},
		{"node_publish_total", map[string]string{"os_type": "linux", "provider": `a "b", c=d} e`}, 31},
		{"rotation_reconcile_total", map[string]string{}, 18},
	}
	if diff := cmp.Diff(want, parseMetrics([]byte(text), []string{"node_publish_total", "rotation_reconcile_total", "broken_metric"})); diff != "" {
		t.Error(diff)
	}
}

func TestServiceLeadsToAPodThatIsReady(t *testing.T) {
	name, other, port, yes, no := "web", "metrics", int32(8080), true, false
	pod := func(name string, ready *bool) discoveryv1.Endpoint {
		return discoveryv1.Endpoint{Conditions: discoveryv1.EndpointConditions{Ready: ready}, TargetRef: &corev1.ObjectReference{Kind: "Pod", Name: name}}
	}
	ports := []discoveryv1.EndpointPort{{Name: &other, Port: &port}, {Name: &name}, {Name: &name, Port: &port}}
	for _, tt := range []struct {
		endpoints []discoveryv1.Endpoint
		want      string
	}{
		{[]discoveryv1.Endpoint{{}, pod("a", &no), pod("b", &yes), pod("c", &yes)}, "b"},
		{[]discoveryv1.Endpoint{pod("a", nil)}, "a"},
		{[]discoveryv1.Endpoint{pod("a", &no)}, ""},
	} {
		got, number, ok := readyEndpoint(discoveryv1.EndpointSlice{Ports: ports, Endpoints: tt.endpoints}, name)
		if got != tt.want || ok != (tt.want != "") || ok && number != 8080 {
			t.Errorf("%s, %d, %t, want %s", got, number, ok, tt.want)
		}
	}
	if _, _, ok := readyEndpoint(discoveryv1.EndpointSlice{Ports: ports[:1], Endpoints: []discoveryv1.Endpoint{pod("a", &yes)}}, name); ok {
		t.Error("found a port of another name")
	}
}
