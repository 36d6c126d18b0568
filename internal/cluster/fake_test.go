package cluster

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/remotecommand"
	"k8s.io/client-go/rest"
	"k8s.io/streaming/pkg/httpstream"
	"k8s.io/streaming/pkg/httpstream/spdy"
)

// fakeAPI is an API server that answers by path: a status code and a body.
type fakeAPI map[string]struct {
	code int
	body string
}

func (f fakeAPI) connect(t *testing.T) *Cluster {
	t.Helper()
	return serve(t, func(w http.ResponseWriter, req *http.Request) {
		answer, ok := f[req.URL.Path]
		if !ok { // as an API server does with a path that it does not know
			http.NotFound(w, req)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(answer.code)
		_, _ = io.WriteString(w, answer.body)
	})
}

func serve(t *testing.T, handle http.HandlerFunc) *Cluster {
	t.Helper()
	server := httptest.NewServer(handle)
	t.Cleanup(server.Close)
	return connectTo(t, server.URL)
}

func connectTo(t *testing.T, address string) *Cluster {
	t.Helper()
	c, err := newCluster(&rest.Config{Host: address}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// The containers of the fake pod, by what happens to a command in them.
const (
	shell      = "shell"      // runs it here
	toolless   = "toolless"   // runs it here, with a shell and nothing else
	onlyBase64 = "onlybase64" // runs it here, with a shell and base64
	noShell    = "noshell"    // cannot start it
	cutShort   = "cut"        // loses the connection after a part of the output
	hanging    = "hanging"    // prints nothing
	waiting    = "waiting"    // is not up yet
)

// base64Only is a folder with base64 in it.
var base64Only string

// fakePod is a pod of an API server that speaks only SPDY.
func fakePod(t *testing.T) (*Cluster, Pod) {
	t.Helper()
	base64Only = t.TempDir()
	if tool, err := exec.LookPath("base64"); err != nil || os.Symlink(tool, filepath.Join(base64Only, "base64")) != nil {
		t.Fatal(err)
	}
	var live corev1.Pod
	for _, name := range []string{shell, toolless, onlyBase64, noShell, cutShort, hanging} {
		up := corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}
		live.Status.ContainerStatuses = append(live.Status.ContainerStatuses, corev1.ContainerStatus{Name: name, State: up})
	}
	down := corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "CrashLoopBackOff"}}
	live.Status.ContainerStatuses = append(live.Status.ContainerStatuses, corev1.ContainerStatus{Name: waiting, State: down})
	c := serve(t, func(w http.ResponseWriter, req *http.Request) {
		container, run := req.URL.Query().Get("container"), req.Method == http.MethodPost
		switch {
		case req.URL.Path == "/api/v1/namespaces/default/pods/aidbox-1":
			_ = json.NewEncoder(w).Encode(live)
		case run && container != waiting:
			runCommand(w, req, container)
		default:
			http.Error(w, "unable to upgrade", http.StatusBadRequest)
		}
	})
	return c, Pod{Namespace: "default", Name: "aidbox-1"}
}

// runCommand answers as a kubelet does: output, and in another stream the status.
func runCommand(w http.ResponseWriter, req *http.Request, container string) {
	if _, err := httpstream.Handshake(req, w, []string{remotecommand.StreamProtocolV4Name}); err != nil {
		return
	}
	streams := make(chan httpstream.Stream, 3)
	conn := spdy.NewResponseUpgrader().UpgradeResponse(w, req, func(s httpstream.Stream, replied <-chan struct{}) error {
		go func() { <-replied; streams <- s }()
		return nil
	})
	defer func() { _ = conn.Close() }()
	byType := map[string]httpstream.Stream{}
	count := 2
	if req.URL.Query().Get("stdin") == "true" {
		count++
	}
	for range count {
		s := <-streams
		byType[s.Headers().Get(corev1.StreamType)] = s
	}
	out, status := byType[corev1.StreamTypeStdout], metav1.Status{Status: metav1.StatusSuccess}
	switch container {
	case cutShort:
		_, _ = io.WriteString(out, "can")
		_ = out.Close()
		_ = byType[corev1.StreamTypeError].Close()
		<-conn.CloseChan()
		return
	case hanging:
		<-conn.CloseChan()
		return
	case noShell:
		status = metav1.Status{Status: metav1.StatusFailure, Reason: metav1.StatusReasonInternalError, Message: `exec: "sh": not found`}
	default:
		command := req.URL.Query()["command"]
		cmd := exec.Command(command[0], command[1:]...)
		if stdin := byType[corev1.StreamTypeStdin]; stdin != nil {
			in, _ := cmd.StdinPipe()
			go func() { _, _ = io.Copy(in, stdin); _ = in.Close() }()
		}
		cmd.Stdout, cmd.Env = out, os.Environ()
		switch container {
		case toolless:
			cmd.Env = []string{"PATH=/nonexistent"}
		case onlyBase64:
			cmd.Env = []string{"PATH=" + base64Only}
		}
		var ended *exec.ExitError
		if err := cmd.Run(); errors.As(err, &ended) {
			cause := metav1.StatusCause{Type: remotecommand.ExitCodeCauseType, Message: strconv.Itoa(ended.ExitCode())}
			status = metav1.Status{
				Status: metav1.StatusFailure, Reason: remotecommand.NonZeroExitCodeReason,
				Details: &metav1.StatusDetails{Causes: []metav1.StatusCause{cause}},
			}
		}
	}
	_ = out.Close()
	_ = json.NewEncoder(byType[corev1.StreamTypeError]).Encode(status)
	_ = byType[corev1.StreamTypeError].Close()
	<-conn.CloseChan()
}
