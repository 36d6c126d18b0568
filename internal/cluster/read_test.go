package cluster

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
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

// filesHere makes the files that the fake pod's containers see. Files that a user may not
// read are tested in a real container, since the tests may run as root.
func filesHere(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	for name, content := range map[string]string{"value": firstSecret, "with 'space\"$(x)": "x", ".hidden": "x", "new\nline :end": "x", "long": strings.Repeat("x", 1<<20+1), "limit": strings.Repeat("x", 1<<20)} {
		testenv.WriteFile(t, filepath.Join(dir, name), []byte(content))
	}
	if err := errors.Join(os.Symlink("value", filepath.Join(dir, "link")), os.Symlink("nowhere", filepath.Join(dir, "dangling")), os.Mkdir(filepath.Join(dir, "empty"), 0o755)); err != nil {
		t.Fatal(err)
	}
	return dir
}

// observe looks at one file, with its content.
func observe(t *testing.T, c *Cluster, pod Pod, container, path string) (File, error) {
	t.Helper()
	seen, err := c.Observe(t.Context(), pod, container, Look{Contents: map[string]string{path: ""}})
	if err != nil {
		return File{}, err
	}
	return seen[path], seen[path].Err
}

func TestFilesInAPodAreRead(t *testing.T) {
	c, pod := fakePod(t)
	dir := filesHere(t)
	for name, want := range map[string]string{"value": firstSecret, "link": firstSecret, "with 'space\"$(x)": "x", "limit": strings.Repeat("x", 1<<20)} {
		f, err := observe(t, c, pod, shell, filepath.Join(dir, name))
		if string(f.Content.Reveal()) != want || err != nil {
			t.Errorf("%s: read %d bytes, %v", name, len(f.Content.Reveal()), err)
		}
		if f.Digest != fmt.Sprintf("%x", sha256.Sum256([]byte(want))) {
			t.Errorf("%s: digest is %s", name, f.Digest)
		}
	}
	f, _ := observe(t, c, pod, shell, filepath.Join(dir, "link"))
	if !f.Found || f.Mode != 0o644 || f.Link != "value" || time.Since(f.ModTime) > time.Hour {
		t.Errorf("%+v", f)
	}
	seen, err := c.Observe(t.Context(), pod, shell, Look{
		Files: []string{filepath.Join(dir, "value"), filepath.Join(dir, "absent")}, Contents: map[string]string{filepath.Join(dir, "link"): f.Digest},
		Folders: []string{dir, filepath.Join(dir, "empty"), filepath.Join(dir, "limit")},
	})
	if err != nil {
		t.Fatal(err)
	}
	if f := seen[filepath.Join(dir, "value")]; f.Digest == "" || !f.Content.Empty() {
		t.Errorf("a digest is enough: %+v", f)
	}
	if f := seen[filepath.Join(dir, "link")]; f.Digest == "" || !f.Content.Empty() {
		t.Errorf("the content is known: %+v", f)
	}
	if diff := cmp.Diff([]string{"dangling", "empty", "limit", "link", "long", "new\nline :end", "value", "with 'space\"$(x)"}, seen[dir].Names); diff != "" || seen[dir].ModTime.IsZero() {
		t.Error(diff, seen[dir])
	}
	if f := seen[filepath.Join(dir, "empty")]; len(f.Names) != 0 || f.Err != nil {
		t.Errorf("%+v", f)
	}
	if f := seen[filepath.Join(dir, "limit")]; f.Err == nil {
		t.Errorf("a file has no names: %+v", f)
	}
}

func TestManyFilesAreRead(t *testing.T) {
	c, pod := fakePod(t)
	dir := t.TempDir()
	var l Look
	for i := range 2*maxPaths + 1 {
		path := filepath.Join(dir, fmt.Sprintf("secret-%d", i))
		testenv.WriteFile(t, path, []byte(strconv.Itoa(i)))
		l.Files = append(l.Files, path)
	}
	seen, err := c.Observe(t.Context(), pod, shell, l)
	for i, path := range l.Files {
		if seen[path].Digest != fmt.Sprintf("%x", sha256.Sum256([]byte(strconv.Itoa(i)))) || err != nil {
			t.Fatalf("%s is %+v, %v", path, seen[path], err)
		}
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
		{shell, "dangling", fs.ErrNotExist},
		{shell, "empty", ErrNotFile},
		{shell, "long", ErrTooLong},
		{toolless, "value", ErrNoTool},
		{toolless, "absent", fs.ErrNotExist},
		{noShell, "value", ErrNoTool},
		{waiting, "value", ErrNotRunning},
		{cutShort, "value", errCutShort},
	} {
		_, err := observe(t, c, pod, tt.container, filepath.Join(dir, tt.name))
		wantError(t, err, tt.want, "default/aidbox-1")
		if !errors.Is(err, tt.want) || errors.Is(err, ErrNoTool) && hint.Of(err) == "" {
			t.Errorf("%s in %s: error is %v, want %v", tt.name, tt.container, err, tt.want)
		}
	}
}

func TestContainersWithFewToolsAreRead(t *testing.T) {
	c, pod := fakePod(t)
	dir := filesHere(t)
	path := filepath.Join(dir, "value")
	digest := fmt.Sprintf("%x", sha256.Sum256([]byte(firstSecret)))
	f, err := observe(t, c, pod, onlyBase64, path)
	if f.Digest != digest || string(f.Content.Reveal()) != firstSecret || !f.ModTime.IsZero() || err != nil {
		t.Errorf("%+v, %v", f, err)
	}
	if seen, err := c.Observe(t.Context(), pod, onlyBase64, Look{Files: []string{path}}); seen[path].Digest != digest || !seen[path].Content.Empty() || err != nil {
		t.Errorf("%+v, %v", seen, err)
	}
	if _, err := observe(t, c, pod, toolless, path); err == nil || !strings.HasSuffix(err.Error(), "tools to read files are missing in the container: sha256sum, base64") {
		t.Error(err)
	}
	if f, _ := observe(t, c, pod, toolless, filepath.Join(dir, "link")); !f.Found || f.Link != "?" {
		t.Errorf("%+v", f)
	}
	data := t.TempDir()
	if err := errors.Join(os.Mkdir(filepath.Join(data, "..1"), 0o755), os.WriteFile(filepath.Join(data, "..1/value"), nil, 0o600),
		os.Symlink("..1", filepath.Join(data, "..data")), os.Symlink("..data/value", filepath.Join(data, "value"))); err != nil {
		t.Fatal(err)
	}
	seen, err := c.Observe(t.Context(), pod, toolless, Look{Files: []string{filepath.Join(data, "value"), filepath.Join(dir, "absent")}, Folders: []string{dir}})
	if f := seen[filepath.Join(data, "value")]; f.Link != "..data/value" || err != nil {
		t.Errorf("%+v, %v", f, err)
	}
	if diff := cmp.Diff([]string{"dangling", "empty", "limit", "link", "long", "?", "value", "?"}, seen[dir].Names); diff != "" {
		t.Error(diff)
	}
}

func TestMalformedLookIsRefused(t *testing.T) {
	const digest = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
	for _, out := range []string{
		"", ":look 1", ":look 2\n:path\n:found\n:end", ":look 1\n:path\n:found", ":look 1\n:end", ":look 1\n:found\n:end",
		":look 1\n:path\n:path\n:end", ":look 1\n:path x\n:end", ":look 1\n:path\n:new x\n:end", ":look 1\n:path\n:stat 644\n:end",
		":look 1\n:path\n:digest x\n:end", ":look 1\n:path\n:digest " + digest + "\nAAAA\n:end", ":look 1\n:path\n:error new\n:end",
		":look 1\n:path\n:name a b\n:end", ":look 1\n:path\n:name\n\x1b[31m\n:end", ":look 1\n:path\n:content\nAAA\n:end", "x\n:look 1\n:path\n:end",
	} {
		if files, err := parseLook([]byte(out), 1); err == nil {
			t.Errorf("%q is %+v", out, files)
		}
	}
	const good = ":look 1\n:path\n:found\n:link ..data/x\n:hash\n:stat 644 1700000000\n:sum " + digest + "\n:end\n"
	if _, err := parseLook([]byte(good), 1); err != nil {
		t.Error(err)
	}
}

func TestAgeDoesNotDependOnTheContainersClock(t *testing.T) {
	const digest = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
	for ahead, now := range map[time.Duration]string{time.Hour: ":now %d\n", -time.Hour: ":now %d\n", 0: "", 1: ":now\nJXM=\n"} {
		there := time.Now().Add(ahead)
		if strings.Contains(now, "%d") {
			now = fmt.Sprintf(now, there.Unix())
		}
		out := fmt.Sprintf(":look 1\n:path\n:found\n:hash\n%s:stat 644 %d\n:sum %s\n:end\n", now, there.Add(-time.Minute).Unix(), digest)
		files, err := parseLook([]byte(out), 1)
		if err != nil {
			t.Fatal(err)
		}
		if age := time.Since(files[0].ModTime); age < 58*time.Second || age > 63*time.Second {
			t.Errorf("a clock that is %s ahead: age is %s", ahead, age)
		}
	}
}

func TestExitCodesAreDifferentErrors(t *testing.T) {
	for code, want := range map[int]error{exitCannot: errNoShell, exitNotFound: errNoShell, 1: errToolFailed, 2: errToolFailed} {
		if err := exitError(code); !errors.Is(err, want) || errors.Is(err, errNoShell) != errors.Is(want, errNoShell) {
			t.Errorf("%d: error is %v, want %v", code, err, want)
		}
	}
}

func TestEventsOfAllFormsHaveATime(t *testing.T) {
	newer := corev1.Event{EventTime: metav1.NewMicroTime(time.Unix(6, 0))}
	series := newer
	series.Series = &corev1.EventSeries{Count: 9, LastObservedTime: metav1.NewMicroTime(time.Unix(8, 0))}
	for want, e := range map[int64]corev1.Event{5: {LastTimestamp: metav1.Unix(5, 0)}, 6: newer, 8: series} {
		if got := lastTime(e); got.Unix() != want {
			t.Errorf("%d, want %d", got.Unix(), want)
		}
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
