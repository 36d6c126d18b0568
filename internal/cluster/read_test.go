package cluster

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// TestScriptsTellWhatIsWrongByExitCode runs them with the shell of this machine.
// What this user may not read is tested in a container, since this may be root.
func TestScriptsTellWhatIsWrongByExitCode(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"value", "with space", ".hidden"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("canary"), 0o640); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("value", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "empty"), 0o755); err != nil {
		t.Fatal(err)
	}
	digest := fmt.Sprintf("%x  -\n", sha256.Sum256([]byte("canary")))
	for name, tt := range map[string]struct {
		script, path, env string
		code              int
		out               string
	}{
		"read":                    {readScript, "value", "", 0, "canary"},
		"read by a link":          {readScript, "link", "", 0, "canary"},
		"read a name with spaces": {readScript, "with space", "", 0, "canary"},
		"absent":                  {readScript, "absent", "", exitAbsent, ""},
		"a folder":                {readScript, "empty", "", exitNotFile, ""},
		"no cat":                  {readScript, "value", "PATH=/nonexistent", exitNotFound, ""},
		"digest":                  {digestScript, "link", "", 0, digest},
		"no sha256sum":            {digestScript, "value", "PATH=/nonexistent", exitNotFound, ""},
		"no stat":                 {statScript, "value", "PATH=/nonexistent", exitNotFound, ""},
		"stat of nothing":         {statScript, "absent", "", exitAbsent, ""},
		"list":                    {listScript, "", "", 0, "empty\nlink\nvalue\nwith space\n"},
		"list nothing":            {listScript, "empty", "", 0, ""},
		"list a file":             {listScript, "value", "", exitAbsent, ""},
	} {
		t.Run(name, func(t *testing.T) {
			sh, err := exec.LookPath("sh")
			if err != nil {
				t.Fatal(err)
			}
			cmd := exec.Command(sh, "-c", tt.script, "sh", filepath.Join(dir, tt.path))
			if tt.env != "" {
				cmd.Env = []string{tt.env}
			}
			out, err := cmd.Output()
			var exit *exec.ExitError
			if err != nil && !errors.As(err, &exit) {
				t.Fatal(err)
			}
			if code := cmd.ProcessState.ExitCode(); code != tt.code || string(out) != tt.out {
				t.Errorf("exit code %d with %q, want %d with %q", code, out, tt.code, tt.out)
			}
		})
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
			corev1.Event{LastTimestamp: at(5), Count: 3, Type: "Warning", Reason: "FailedMount", Message: "a\n\n  b"},
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

func TestLineKeepsTheEndOfALongText(t *testing.T) {
	got := line("MountVolume.SetUp failed\n" + strings.Repeat("ä ", maxText) + "invalid role name")
	if len([]rune(got)) != maxText+3 || !strings.HasPrefix(got, "...") || !strings.HasSuffix(got, "invalid role name") {
		t.Errorf("line is %q", got)
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
