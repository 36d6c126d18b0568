package cmd_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"io"
	"math/big"
	"net/http"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/secretctl/secretctl/test/secrettest"
)

// hostileMarker stands beside the secret in what a hostile server says. What is withheld
// does not show it.
const hostileMarker = "xq7marker"

const hostileText = secrettest.Attack + "\nforged\r\nforged\u2028forged\u0085forged\v]]>\"'<script>alert(1)</script>"

// hostile says something else in some fields of an answer: in a turn, in those whose
// turn it is; in the turn after the last in all, and after that in errors only.
type hostile struct{ turn, turns uint32 }

// says returns what a field says, where it is its turn.
func (h *hostile) says(field string) (text string, yes bool) {
	hash := fnv.New32a()
	_, _ = io.WriteString(hash, field)
	n := hash.Sum32()
	if h.turn < h.turns && n%h.turns != h.turn {
		return "", false
	}
	if n/h.turns%2 == 0 {
		return hostileText, true
	}
	e := secrettest.Encoders[n/8%uint32(len(secrettest.Encoders))]
	return hostileMarker + " " + e.Encode(canaries["CANARY_VALUE"]), true
}

func (h *hostile) spoil(field string, v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := map[string]any{}
		for key, value := range v {
			out[key] = h.spoil(field+"."+key, value)
		}
		if text, yes := h.says(field + "{}"); yes {
			out[text] = text
		}
		return out
	case []any:
		for i := range v {
			v[i] = h.spoil(field+"[]", v[i])
		}
	case string:
		if text, yes := h.says(field); yes {
			return text
		}
	}
	return v
}

// answer changes what a server has answered.
func (h *hostile) answer(r *http.Response) error {
	text, err := io.ReadAll(r.Body)
	_ = r.Body.Close()
	if err != nil {
		return err
	}
	var body any
	switch {
	case h.turn > h.turns:
		r.StatusCode = []int{400, 403, 404, 409, 422}[len(r.Request.URL.Path)%5]
		r.Header.Set("Content-Type", "application/json")
		body = repeated(r.Request)
	case len(text) == 0 || json.Unmarshal(text, &body) != nil:
	default:
		body = h.spoil(r.Request.URL.Path, body)
	}
	if body != nil {
		text, err = json.Marshal(body)
	}
	r.Header.Set("Warning", `299 - "`+hostileMarker+`"`)
	r.Header.Set("Content-Length", fmt.Sprint(len(text)))
	r.ContentLength, r.Body = int64(len(text)), io.NopCloser(bytes.NewReader(text))
	return err
}

// repeated is an error of Vault, FHIR, Kubernetes and Azure at once, which repeats the
// request, the secret and what forges.
func repeated(r *http.Request) any {
	request := fmt.Sprintf("%s %s %v %s", r.Method, r.URL, r.Header, hostileText)
	return map[string]any{
		"errors": []string{request}, "error": map[string]any{"code": request, "message": request, "innererror": map[string]any{"code": request}},
		"resourceType": "OperationOutcome", "issue": []any{map[string]any{"severity": hostileText, "code": hostileText, "diagnostics": request, "expression": []string{hostileText}}},
		"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": hostileText, "message": request, "code": 400,
		"details":   map[string]any{"name": hostileText, "kind": hostileText, "causes": []any{map[string]any{"reason": hostileText, "message": request, "field": hostileText}}},
		hostileText: hostileText,
	}
}

// hostileObject has the fields of every kind of object that secretctl reads.
const hostileObject = `{"apiVersion": "v1", "kind": "KIND", "metadata": {"name": "NAME", "namespace": "default", "uid": "u", "labels": {"app": "aidbox"}, "annotations": {"a": "b"},
	"creationTimestamp": "2026-01-01T00:00:00Z", "ownerReferences": [{"kind": "Deployment", "name": "aidbox", "uid": "u", "controller": true}]},
	"data": {"vault-config.json": "{}", "other": "text"}, "secretName": "s", "provisioner": "p",
	"spec": {"replicas": 1, "selector": {"matchLabels": {"app": "aidbox"}}, "provider": "vault", "parameters": {"roleName": "aidbox", "vaultAddress": "http://vault", "objects": "- objectName: a\n"},
		"requiresRepublish": true, "tokenRequests": [{"audience": "vault"}], "template": {"metadata": {"labels": {"app": "aidbox"}, "annotations": {"c": "d"}}, "spec": POD}, POD_FIELDS},
	"status": {"phase": "Running", "podIP": "10.0.0.1", "replicas": 1, "readyReplicas": 1, "updatedReplicas": 1, "mounted": true, "podName": "aidbox-1", "secretProviderClassName": "aidbox-vault-secrets",
		"objects": [{"id": "client-secret", "version": "1"}], "conditions": [{"type": "Ready", "status": "False", "reason": "ContainersNotReady", "message": "not ready"}],
		"containerStatuses": [{"name": "aidbox", "ready": false, "restartCount": 2, "containerID": "c", "image": "i", "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off"}}}], "token": "e30.e30.x"},
	"type": "Warning", "reason": "FailedMount", "message": "MountVolume.SetUp failed", "count": 3, "lastTimestamp": "2026-01-01T00:00:00Z",
	"involvedObject": {"kind": "Pod", "name": "aidbox-1", "namespace": "default", "uid": "u"}, "source": {"component": "kubelet"}}`

const hostilePod = `"serviceAccountName": "aidbox", "nodeName": "n", "containers": [{"name": "aidbox", "image": "i", "args": ["--enable-secret-rotation=true", "--rotation-poll-interval=30s"],
	"env": [{"name": "BOX_VAULT_CONFIG", "value": "/etc/aidbox/vault-config.json"}], "volumeMounts": [{"name": "secrets", "mountPath": "/run/vault-secrets", "readOnly": true}]}],
	"volumes": [{"name": "secrets", "csi": {"driver": "secrets-store.csi.k8s.io", "readOnly": true, "volumeAttributes": {"secretProviderClass": "aidbox-vault-secrets"}}}]`

// cluster is an API server that has every object that it is asked for.
func (h *hostile) cluster(w http.ResponseWriter, r *http.Request) {
	path := strings.TrimSuffix(r.URL.Path, "/")
	if h.turn > h.turns || strings.HasSuffix(path, "/exec") {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusForbidden)
		_ = json.NewEncoder(w).Encode(repeated(r))
		return
	}
	name := path[strings.LastIndexByte(path, '/')+1:]
	kind := map[string]string{
		"pods": "Pod", "deployments": "Deployment", "events": "Event", "replicasets": "ReplicaSet", "daemonsets": "DaemonSet",
		"secretproviderclasspodstatuses": "SecretProviderClassPodStatus", "csidrivers": "CSIDriver", "nodes": "Node",
	}[name]
	text := strings.NewReplacer("POD_FIELDS", hostilePod, "POD", "{"+hostilePod+"}", "NAME", "aidbox-1", "KIND", kind).Replace(hostileObject)
	if kind != "" {
		text = fmt.Sprintf(`{"apiVersion": "v1", "kind": "%sList", "metadata": {}, "items": [%s]}`, kind, text)
	}
	var body any
	if err := json.Unmarshal([]byte(text), &body); err != nil {
		panic(err)
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Warning", `299 - "`+hostileMarker+`"`)
	_ = json.NewEncoder(w).Encode(h.spoil(path[:strings.LastIndexByte(path, '/')+1], body))
}

// secretUnseen says whether a character cannot be seen, or changes how others are.
func secretUnseen(r rune) bool {
	return !unicode.IsPrint(r) || unicode.In(r, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector)
}

// certified is a server whose certificate is not to be trusted, and says what forges.
func certified(t *testing.T) (address string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	name := pkix.Name{CommonName: hostileText, Organization: []string{hostileText}}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: name, Issuer: name, DNSNames: []string{"x::error::forged"}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	server := quiet(http.NotFoundHandler())
	server.TLS = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
	server.StartTLS()
	t.Cleanup(server.Close)
	return server.URL
}
