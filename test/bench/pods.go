package main

import (
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/klog/v2"
	secretsstorev1 "sigs.k8s.io/secrets-store-csi-driver/apis/v1"

	"github.com/secretctl/secretctl/internal/sandbox/vault"
)

const (
	podSecrets = 5
	manyPods   = 1000
	latency    = 20 * time.Millisecond // of each request

	podsConfig = `apiVersion: secretctl.dev/v1
provider: vault
vault: {address: %q, csiAddress: "http://vault.default:8200"}
aidbox: {url: "http://127.0.0.1:1", image: "healthsamurai/aidboxone:2605", replicas: %d, admin: {client: root, secret: {file: admin}}}
secrets:
`
)

// simulation is an API server of one Deployment. All its pods have the files of one
// folder on this machine.
type simulation struct {
	objects  map[string]json.RawMessage // as rendered, by kind
	pods     []corev1.Pod
	statuses []secretsstorev1.SecretProviderClassPodStatus
	root     string

	printing sync.Mutex
	printed  map[string][]byte // by command

	watched broadcast

	mu              sync.Mutex
	requests, execs int
	running, most   int            // commands under way, and at the same time
	inPod           map[string]int // by pod
	mostInPod       int

	close func()
}

// manyReplicas measures verify where there are many pods, and each request takes a while.
func (b *bench) manyReplicas() error {
	s, global, err := b.simulate("verify", manyPods, nil)
	if err != nil {
		return err
	}
	defer s.close()
	m, err := b.inTurns(1, command{"verify", append(global, "verify", "-q", "-o", "json")})
	if err != nil {
		return err
	}
	what := fmt.Sprintf("verify, %d simulated pods with %d secrets", manyPods, podSecrets)
	runs := len(m[0].all) + 1 // the first one warms up
	b.table.add(what, short(m[0].median()), "", "", "", "at most 60 s", m[0].median() <= time.Minute)
	b.table.add(what+", memory", fmt.Sprintf("%.0f MiB", m[0].peak()), "", "", "", "at most 200 MiB", m[0].peak() <= 200)
	b.table.add(what+", commands", strconv.Itoa(s.execs/runs), "", "", "", fmt.Sprintf("at most %d", manyPods), s.execs/runs <= manyPods)
	b.table.add(what+", commands at once", strconv.Itoa(s.most), "", "", "", "at most 16", s.most <= 16)
	b.table.add(what+", other requests", strconv.Itoa(s.requests/runs), "", "", "", "", true)
	return nil
}

// simulate starts a store with the secrets, and an API server with the pods that have
// them. It returns the command with the flags that lead there. written gets what is written
// to the store from then on.
func (b *bench) simulate(name string, pods int, written func(body []byte)) (s *simulation, global []string, err error) {
	stored, err := vault.Start()
	if err != nil {
		return nil, nil, err
	}
	var ready atomic.Bool
	front, err := inFront(stored.URL, func(body []byte) {
		if ready.Load() && written != nil {
			written(body)
		}
	})
	if err != nil {
		return nil, nil, err
	}
	b.token = stored.RootToken
	folder := filepath.Join(b.dir, "pods-"+name)
	files, config := map[string]string{"admin": "x"}, fmt.Sprintf(podsConfig, front.URL, pods)
	for i := range podSecrets {
		config += fmt.Sprintf("  - {name: s%d, scope: [Client/c], value: {file: s%[1]d}}\n", i)
		files[fmt.Sprintf("s%d", i)] = fmt.Sprintf("value-of-%d", i)
	}
	files["secretctl.yaml"] = config
	if err := write(folder, files); err != nil {
		return nil, nil, err
	}
	global = []string{b.secretctl, "-c", filepath.Join(folder, "secretctl.yaml")}
	if _, err := b.measure(command{"provision", append(global, "provision", "--phase", "store")}); err != nil {
		return nil, nil, err
	}
	ready.Store(true)
	rendered, err := exec.Command(global[0], append(global[1:], "render", "-o", "json")...).Output()
	if err != nil {
		return nil, nil, err
	}
	klog.SetLogger(klog.Logger{}) // the server's side of WebSocket logs each end of a connection
	s = &simulation{printed: map[string][]byte{}, inPod: map[string]int{}, root: filepath.Join(folder, "root")}
	if err := s.load(rendered, files, pods); err != nil {
		return nil, nil, err
	}
	server := httptest.NewUnstartedServer(s)
	server.EnableHTTP2 = true
	server.StartTLS()
	s.close = func() {
		s.watched.stop()
		server.CloseClientConnections()
		server.Close()
		front.Close()
		stored.Close()
	}
	kubeconfig := fmt.Sprintf(`{"apiVersion":"v1","kind":"Config","current-context":"x","contexts":[{"name":"x","context":{"cluster":"x","user":"x"}}],
		"users":[{"name":"x","user":{"token":"t"}}],"clusters":[{"name":"x","cluster":{"server":%q,"certificate-authority":"ca.pem"}}]}`, server.URL)
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	if err := write(folder, map[string]string{"kubeconfig": kubeconfig, "ca.pem": string(ca)}); err != nil {
		return nil, nil, err
	}
	return s, append(global, "--kubeconfig", filepath.Join(folder, "kubeconfig")), nil
}

// load makes the Deployment's pods and their files.
func (s *simulation) load(rendered []byte, files map[string]string, pods int) error {
	var list struct{ Items []json.RawMessage }
	if err := json.Unmarshal(rendered, &list); err != nil {
		return err
	}
	s.objects = map[string]json.RawMessage{}
	for _, item := range list.Items {
		var meta metav1.TypeMeta
		if err := json.Unmarshal(item, &meta); err != nil {
			return err
		}
		s.objects[strings.ToLower(meta.Kind)+"s"] = item
	}
	s.objects["secretproviderclasses"] = s.objects["secretproviderclasss"]
	var d appsv1.Deployment
	var config corev1.ConfigMap
	var class secretsstorev1.SecretProviderClass
	for kind, into := range map[string]any{"deployments": &d, "configmaps": &config, "secretproviderclasses": &class} {
		if err := json.Unmarshal(s.objects[kind], into); err != nil {
			return fmt.Errorf("%s: %w", kind, err)
		}
	}
	revision := map[string]string{"deployment.kubernetes.io/revision": "1"}
	d.UID, d.Annotations, d.Status.UpdatedReplicas, d.Status.ReadyReplicas = "d", revision, int32(pods), int32(pods)
	yes := true
	set := appsv1.ReplicaSet{ObjectMeta: metav1.ObjectMeta{UID: "r", Annotations: revision, OwnerReferences: []metav1.OwnerReference{{UID: "d", Controller: &yes}}}}
	var err error
	if s.objects["deployments"], err = json.Marshal(d); err != nil {
		return err
	}
	if s.objects["replicasets"], err = json.Marshal(appsv1.ReplicaSetList{Items: []appsv1.ReplicaSet{set}}); err != nil {
		return err
	}
	for i := range pods {
		s.addPod(fmt.Sprintf("aidbox-%d", i), d.Spec.Template.Spec, class.Name)
	}
	if err := write(filepath.Join(s.root, "etc/aidbox"), map[string]string{"vault-config.json": config.Data["vault-config.json"]}); err != nil {
		return err
	}
	return s.publish(files)
}

func (s *simulation) addPod(name string, spec corev1.PodSpec, class string) {
	yes := true
	pod := corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "default", UID: types.UID(name), OwnerReferences: []metav1.OwnerReference{{UID: "r", Controller: &yes}}}, Spec: spec}
	pod.Annotations = map[string]string{"example.org/filler": strings.Repeat(`{"f:metadata":{}}`, 300)} // as managedFields are
	pod.Status.Phase = corev1.PodRunning
	pod.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}
	pod.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: spec.Containers[0].Name, State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}}}
	s.pods = append(s.pods, pod)
	status := secretsstorev1.SecretProviderClassPodStatus{ObjectMeta: metav1.ObjectMeta{OwnerReferences: []metav1.OwnerReference{{Kind: "Pod", UID: pod.UID}}}}
	status.Status.PodName, status.Status.SecretProviderClassName, status.Status.Mounted = name, class, true
	for i := range podSecrets {
		status.Status.Objects = append(status.Status.Objects, secretsstorev1.SecretProviderClassObject{ID: fmt.Sprintf("s%d", i), Version: "1"})
	}
	s.statuses = append(s.statuses, status)
}

// publish writes the files as the CSI driver does: all change at the same moment.
func (s *simulation) publish(files map[string]string) error {
	mount := filepath.Join(s.root, "run/vault-secrets")
	if err := os.MkdirAll(mount, 0o755); err != nil {
		return err
	}
	folder, err := os.MkdirTemp(mount, "..")
	if err != nil {
		return err
	}
	for i := range podSecrets {
		name := fmt.Sprintf("s%d", i)
		if err := write(folder, map[string]string{name: files[name]}); err != nil {
			return err
		}
		if err := os.Symlink("..data/"+name, filepath.Join(mount, name)); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	if err := os.Symlink(filepath.Base(folder), filepath.Join(mount, "..data_tmp")); err != nil {
		return err
	}
	return os.Rename(filepath.Join(mount, "..data_tmp"), filepath.Join(mount, "..data"))
}

func (s *simulation) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	<-time.After(latency)
	parts := strings.Split(strings.Trim(req.URL.Path, "/"), "/")
	isExec, pod := parts[len(parts)-1] == "exec", parts[max(0, len(parts)-2)]
	s.mu.Lock()
	if isExec {
		s.execs++
		s.running++
		s.inPod[pod]++
		s.most, s.mostInPod = max(s.most, s.running), max(s.mostInPod, s.inPod[pod])
	} else {
		s.requests++
	}
	s.mu.Unlock()
	if isExec {
		s.exec(w, req)
		s.mu.Lock()
		defer s.mu.Unlock()
		s.running--
		s.inPod[pod]--
		return
	}
	w.Header().Set("Content-Type", "application/json")
	if parts[len(parts)-1] == "token" { // so nobody tries how the pod would log in
		http.Error(w, "", http.StatusForbidden)
		return
	}
	resource, _, _ := strings.Cut(strings.TrimPrefix(req.URL.Path[strings.Index(req.URL.Path, "/namespaces/")+1:], "namespaces/default/"), "/")
	switch resource {
	case "pods":
		_ = json.NewEncoder(w).Encode(page(s.pods, req))
	case "secretproviderclasspodstatuses":
		_ = json.NewEncoder(w).Encode(page(s.statuses, req))
	default:
		if found := s.objects[resource]; found != nil {
			_, _ = w.Write(found)
			return
		}
		http.NotFound(w, req)
	}
}

// page returns the part of a list that is asked for.
func page[T any](all []T, req *http.Request) any {
	first, _ := strconv.Atoi(req.URL.Query().Get("continue"))
	limit, err := strconv.Atoi(req.URL.Query().Get("limit"))
	if err != nil {
		limit = len(all)
	}
	next := ""
	if first+limit < len(all) {
		next = strconv.Itoa(first + limit)
	}
	return map[string]any{"metadata": metav1.ListMeta{Continue: next}, "items": all[first:min(first+limit, len(all))]}
}
