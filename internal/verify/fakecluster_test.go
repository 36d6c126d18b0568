package verify

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/remotecommand"
	"k8s.io/streaming/pkg/httpstream"
	"k8s.io/streaming/pkg/httpstream/spdy"
	secretsstorev1 "sigs.k8s.io/secrets-store-csi-driver/apis/v1"

	"github.com/secretctl/secretctl/internal/config"
)

// fakeCluster is an API server with a workload whose two pods are folders on this machine:
// commands in their containers are really run there.
type fakeCluster struct {
	mu         sync.Mutex
	fixed      api // answers by path, which come first
	deployment appsv1.Deployment
	sets       []appsv1.ReplicaSet
	pods       []corev1.Pod
	account    *corev1.ServiceAccount
	configMap  *corev1.ConfigMap
	class      *secretsstorev1.SecretProviderClass
	statuses   []secretsstorev1.SecretProviderClassPodStatus
	events     []corev1.Event
	roots      map[string]*fixture // by pod: what publishes there
	refuse     string              // a part of paths that are forbidden, with its method if it has one
	noTools    bool
	noWatch    bool // since the containers lack sleep
	noLogin    bool
	onNudge    func(pod string)
	onProbe    func(*corev1.Pod) // a probe has been created
	probes     []string          // all that were, with their labels
	onExec     func(pod string) (exitCode int, answered bool)
	onLook     func(pod, printed string) string
	asked      map[string]int    // requests by path
	execs      int               // under way
	mostExecs  int               // at the same time
	commands   map[string]int    // by pod: all that were run
	running    map[string]int    // by pod
	most       map[string]int    // by pod, at the same time
	cut        map[string]func() // by pod: ends the last connection to its container
}

const core = "/api/v1/namespaces/default/"

// newFakeCluster serves the fixture's delivery so that every check passes.
func newFakeCluster(t *testing.T, s *fixture) *fakeCluster {
	t.Helper()
	s.d.Aidbox.Workload = config.Workload{Kind: config.KindDeployment, Name: "aidbox", Container: "aidbox"}
	s.d.Vault.CSIAddress, s.d.Vault.KVMount, s.d.Vault.AuthMount = "http://vault.default:8200", "secret", "kubernetes"
	s.d.Secrets[0].Path, s.d.Secrets[0].Key = "aidbox/client", "client-secret"
	sum := sha256.Sum256(s.d.VaultConfig())
	labels := map[string]string{"app": "aidbox"}
	template := corev1.PodTemplateSpec{
		ObjectMeta: metav1.ObjectMeta{Labels: labels, Annotations: map[string]string{checksumAnnotation: hex.EncodeToString(sum[:])}},
		Spec:       fakePodSpec(),
	}
	yes, two := true, int32(2)
	owner := func(kind, uid string) []metav1.OwnerReference {
		return []metav1.OwnerReference{{Kind: kind, UID: types.UID(uid), Controller: &yes}}
	}
	revision := map[string]string{"deployment.kubernetes.io/revision": "1"}
	w := &fakeCluster{
		fixed: newAPI(), roots: map[string]*fixture{}, asked: map[string]int{}, cut: map[string]func(){"a": func() {}, "b": func() {}}, commands: map[string]int{}, running: map[string]int{}, most: map[string]int{},
		deployment: appsv1.Deployment{
			ObjectMeta: metav1.ObjectMeta{Name: "aidbox", Namespace: "default", UID: "d", Annotations: revision},
			Spec:       appsv1.DeploymentSpec{Replicas: &two, Selector: &metav1.LabelSelector{MatchLabels: labels}, Template: template},
			Status:     appsv1.DeploymentStatus{UpdatedReplicas: 2, ReadyReplicas: 2},
		},
		sets: []appsv1.ReplicaSet{
			{ObjectMeta: metav1.ObjectMeta{Name: "aidbox-1", UID: "r", Annotations: revision, OwnerReferences: owner("Deployment", "d")}},
			{ObjectMeta: metav1.ObjectMeta{Name: "aidbox-0", UID: "old", OwnerReferences: owner("Deployment", "d")}},
		},
		account:   &corev1.ServiceAccount{},
		configMap: &corev1.ConfigMap{Data: map[string]string{config.VaultConfigKey: string(s.d.VaultConfig())}},
		class: &secretsstorev1.SecretProviderClass{Spec: secretsstorev1.SecretProviderClassSpec{Provider: "vault", Parameters: map[string]string{
			"roleName": "aidbox", "vaultAddress": "http://vault.default:8200/",
			"objects": "- {objectName: client-secret, secretPath: secret/data/aidbox/client, secretKey: client-secret}\n",
		}}},
	}
	for _, name := range []string{"a", "b"} {
		w.addPod(t, s, name)
	}
	connect(t, s, w)
	return w
}

func fakePodSpec() corev1.PodSpec {
	yes := true
	return corev1.PodSpec{
		ServiceAccountName: "aidbox",
		NodeName:           "n1",
		Containers: []corev1.Container{
			{Name: "sidecar"},
			{
				Name:         "app",
				Env:          []corev1.EnvVar{{Name: "BOX_VAULT_CONFIG", Value: config.VaultConfigFile}},
				VolumeMounts: []corev1.VolumeMount{{Name: "secrets", MountPath: "/run/vault-secrets"}, {Name: "config", MountPath: "/etc/aidbox"}},
			},
		},
		Volumes: []corev1.Volume{
			{Name: "secrets", VolumeSource: corev1.VolumeSource{CSI: &corev1.CSIVolumeSource{
				Driver: "secrets-store.csi.k8s.io", ReadOnly: &yes, VolumeAttributes: map[string]string{"secretProviderClass": "aidbox-vault-secrets"},
			}}},
			{Name: "config", VolumeSource: corev1.VolumeSource{ConfigMap: &corev1.ConfigMapVolumeSource{LocalObjectReference: corev1.LocalObjectReference{Name: "aidbox-vault-config"}}}},
		},
	}
}

// addPod adds a running pod with the stored value mounted.
func (w *fakeCluster) addPod(t *testing.T, s *fixture, name string) {
	t.Helper()
	yes, uid := true, types.UID("uid-"+name)
	started := metav1.NewTime(time.Now().Add(-time.Hour).Truncate(time.Second))
	w.pods = append(w.pods, corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Name: name, Namespace: "default", UID: uid, CreationTimestamp: started,
			OwnerReferences: []metav1.OwnerReference{{Kind: "ReplicaSet", UID: "r", Controller: &yes}},
		},
		Spec: fakePodSpec(),
		Status: corev1.PodStatus{
			Phase:      corev1.PodRunning,
			Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}},
			ContainerStatuses: []corev1.ContainerStatus{
				{Name: "app", State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: started}}},
			},
		},
	})
	status := secretsstorev1.SecretProviderClassPodStatus{
		ObjectMeta: metav1.ObjectMeta{CreationTimestamp: started, OwnerReferences: []metav1.OwnerReference{{Kind: "Pod", UID: uid}}},
	}
	status.Status.PodName, status.Status.SecretProviderClassName, status.Status.Mounted = name, "aidbox-vault-secrets", true
	status.Status.Objects = []secretsstorev1.SecretProviderClassObject{{ID: "client-secret", Version: "1"}}
	w.statuses = append(w.statuses, status)

	root := t.TempDir()
	folder := filepath.Join(root, "run/vault-secrets")
	mustRun(t, "mkdir", "-p", folder, filepath.Join(root, "etc/aidbox"))
	w.roots[name] = &fixture{local: Local{Dir: folder}}
	w.roots[name].publish(t, map[string]string{"client-secret": s.store["client-secret"]}, time.Now().Add(-3*time.Minute))
	write(t, filepath.Join(root, config.VaultConfigFile), string(s.d.VaultConfig()))
}

func mustRun(t *testing.T, command ...string) {
	t.Helper()
	if out, err := exec.Command(command[0], command[1:]...).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
}

// root is where a pod's files are.
func (w *fakeCluster) root(pod string) string {
	return strings.TrimSuffix(w.roots[pod].local.Dir, "/run/vault-secrets")
}

// remove deletes a pod.
func (w *fakeCluster) remove(pod string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i, p := range w.pods {
		if p.Name == pod {
			w.pods = append(w.pods[:i:i], w.pods[i+1:]...)
			w.cut[pod]()
			return
		}
	}
}

// cutShort breaks the connection to a pod's container.
func (w *fakeCluster) cutShort(pod string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cut[pod]()
}

func (w *fakeCluster) ServeHTTP(out http.ResponseWriter, r *http.Request) {
	path := r.URL.Path
	w.mu.Lock()
	refused := w.refuse != "" && strings.Contains(r.Method+" "+path, w.refuse)
	w.asked[path]++
	w.mu.Unlock()
	name, sub, _ := strings.Cut(strings.TrimPrefix(path, core+"pods/"), "/")
	switch {
	case refused:
		api{path: denial}.ServeHTTP(out, r)
	case strings.HasPrefix(path, core+"pods/") && sub == "exec":
		w.exec(out, r, name)
	case r.Method == http.MethodPatch:
		w.mu.Lock()
		nudge := w.onNudge
		w.mu.Unlock()
		if nudge != nil {
			nudge(name)
		}
		_, _ = io.WriteString(out, "{}")
	case r.Method == http.MethodPost && path == core+"pods":
		w.addProbe(out, r)
	case r.Method == http.MethodDelete:
		w.removePod(name)
		_, _ = io.WriteString(out, "{}")
	case path == core+"pods" && strings.HasPrefix(r.URL.Query().Get("labelSelector"), "secretctl.dev/probe="):
		w.mu.Lock()
		probes := slices.DeleteFunc(slices.Clone(w.pods), func(p corev1.Pod) bool { return p.Labels["secretctl.dev/probe"] != "aidbox" })
		w.mu.Unlock()
		_, _ = io.WriteString(out, object(corev1.PodList{Items: probes}))
	default:
		w.objects().ServeHTTP(out, r)
	}
}

// addProbe creates a pod that has no other owner.
func (w *fakeCluster) addProbe(out http.ResponseWriter, r *http.Request) {
	var p corev1.Pod
	_ = json.NewDecoder(r.Body).Decode(&p)
	w.mu.Lock()
	defer w.mu.Unlock()
	p.Name, p.Namespace, p.UID, p.Spec.NodeName, p.Status.Phase = p.GenerateName+"1", "default", "uid-probe", "n1", corev1.PodPending
	w.pods, w.probes = append(w.pods, p), append(w.probes, object(p))
	if w.onProbe != nil {
		w.onProbe(&p)
	}
	_, _ = io.WriteString(out, object(p))
}

func (w *fakeCluster) removePod(name string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.pods = slices.DeleteFunc(w.pods, func(p corev1.Pod) bool { return p.Name == name })
}

// objects returns the answers as of now.
func (w *fakeCluster) objects() api {
	w.mu.Lock()
	defer w.mu.Unlock()
	const apps, store = "/apis/apps/v1/namespaces/default/", "/apis/secrets-store.csi.x-k8s.io/v1/namespaces/default/"
	answers := api{
		apps + "deployments/aidbox":              object(w.deployment),
		apps + "replicasets":                     object(appsv1.ReplicaSetList{Items: w.sets}),
		core + "pods":                            object(corev1.PodList{Items: w.pods}),
		core + "events":                          object(corev1.EventList{Items: w.events}),
		store + "secretproviderclasspodstatuses": object(secretsstorev1.SecretProviderClassPodStatusList{Items: w.statuses}),
	}
	for _, p := range w.pods {
		answers[core+"pods/"+p.Name] = object(p)
	}
	const missing = `404 {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 404, "reason": "NotFound", "message": "not there"}`
	answers[core+"serviceaccounts/aidbox"], answers[core+"configmaps/aidbox-vault-config"] = missing, missing
	answers[store+"secretproviderclasses/aidbox-vault-secrets"] = missing
	if w.account != nil {
		answers[core+"serviceaccounts/aidbox"] = object(w.account)
	}
	if w.configMap != nil {
		answers[core+"configmaps/aidbox-vault-config"] = object(w.configMap)
	}
	if w.class != nil {
		answers[store+"secretproviderclasses/aidbox-vault-secrets"] = object(w.class)
	}
	maps.Copy(answers, w.fixed)
	return answers
}

func object(v any) string {
	b, _ := json.Marshal(v)
	return string(b)
}

// exec runs a command in a pod's folder and answers as a kubelet does: with what
// it prints, and in another stream how it ended.
func (w *fakeCluster) exec(out http.ResponseWriter, r *http.Request, pod string) {
	root, up := w.roots[pod], false
	w.mu.Lock()
	for _, p := range w.pods {
		up = up || p.Name == pod && p.Status.Phase == corev1.PodRunning
	}
	w.mu.Unlock()
	if r.Method != http.MethodPost || root == nil || !up || r.URL.Query().Get("container") != "app" {
		http.Error(out, "unable to upgrade", http.StatusBadRequest)
		return
	}
	if _, err := httpstream.Handshake(r, out, []string{remotecommand.StreamProtocolV4Name}); err != nil {
		return
	}
	streams := make(chan httpstream.Stream, 3)
	conn := spdy.NewResponseUpgrader().UpgradeResponse(out, r, func(s httpstream.Stream, replied <-chan struct{}) error {
		go func() { <-replied; streams <- s }()
		return nil
	})
	defer func() { _ = conn.Close() }()
	byType := map[string]httpstream.Stream{}
	count := 2
	if r.URL.Query().Get("stdin") == "true" {
		count++
	}
	for range count {
		s := <-streams
		byType[s.Headers().Get(corev1.StreamType)] = s
	}
	w.mu.Lock()
	w.cut[pod] = func() { _ = conn.Close() }
	w.commands[pod]++
	w.running[pod]++
	w.most[pod] = max(w.most[pod], w.running[pod])
	w.mu.Unlock()
	ended := sync.OnceFunc(func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.running[pod]--
	})
	go func() { <-conn.CloseChan(); ended() }()
	status := w.run(r.URL.Query()["command"], pod, byType)
	ended()
	_ = byType[corev1.StreamTypeStdout].Close()
	_ = json.NewEncoder(byType[corev1.StreamTypeError]).Encode(status)
	_ = byType[corev1.StreamTypeError].Close()
	<-conn.CloseChan()
}

func (w *fakeCluster) run(command []string, pod string, streams map[string]httpstream.Stream) metav1.Status {
	out := streams[corev1.StreamTypeStdout]
	w.mu.Lock()
	noTools, noWatch := w.noTools, w.noWatch
	w.mu.Unlock()
	if noTools {
		return metav1.Status{Status: metav1.StatusFailure, Reason: metav1.StatusReasonInternalError, Message: `exec: "sh": not found`}
	}
	if noWatch && strings.Contains(command[2], "sleep") {
		return exited(0)
	}
	if w.onExec != nil {
		if code, answered := w.onExec(pod); answered {
			return exited(code)
		}
	}
	w.mu.Lock()
	w.execs++
	w.mostExecs = max(w.mostExecs, w.execs)
	w.mu.Unlock()
	defer func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.execs--
	}()
	command = slices.Clone(command)
	for i, argument := range command[4:] { // paths with their kinds
		kind, path, _ := strings.Cut(argument, "/")
		command[4+i] = kind + filepath.Join(w.root(pod), path)
	}
	var printed bytes.Buffer
	cmd := exec.Command(command[0], command[1:]...)
	if cmd.Stdout = out; w.onLook != nil {
		cmd.Stdout = &printed
	}
	if stdin := streams[corev1.StreamTypeStdin]; stdin != nil {
		in, _ := cmd.StdinPipe()
		go func() { _, _ = io.Copy(in, stdin); _ = in.Close() }()
	}
	var failed *exec.ExitError
	if err := cmd.Run(); errors.As(err, &failed) {
		return exited(failed.ExitCode())
	}
	if w.onLook != nil {
		_, _ = io.WriteString(out, w.onLook(pod, printed.String()))
	}
	return metav1.Status{Status: metav1.StatusSuccess}
}

func exited(code int) metav1.Status {
	return metav1.Status{
		Status: metav1.StatusFailure, Reason: remotecommand.NonZeroExitCodeReason,
		Details: &metav1.StatusDetails{Causes: []metav1.StatusCause{{Type: remotecommand.ExitCodeCauseType, Message: strconv.Itoa(code)}}},
	}
}
