package vault_test

import (
	"bytes"
	"cmp"
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	diff "github.com/google/go-cmp/cmp"

	"github.com/secretctl/secretctl/internal/sandbox/kubernetes"
	"github.com/secretctl/secretctl/test/realvault"
	"github.com/secretctl/secretctl/test/sandboxtest"
)

var update = flag.Bool("update", false, "record the answers of a real server anew")

// peer is a Vault that the same requests are sent to.
type peer struct {
	url    string
	tokens map[string]string // by the name that a step gives them
}

// recorded is what a real Vault answered in the conversation.
const recorded = "testdata/vault-1.21.txt"

func TestVaultAnswersAsTheRealOneDid(t *testing.T) {
	v := sandboxtest.StartVault(t)
	compareWithRecord(t, converse(t, v.URL, v.RootToken))
}

func TestRealVaultAnswersAsRecorded(t *testing.T) {
	server := realvault.Start(t)
	answers := converse(t, server.Address, server.RootToken)
	if *update {
		if err := os.WriteFile(recorded, []byte(strings.Join(answers, "")), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	compareWithRecord(t, answers)
}

func compareWithRecord(t *testing.T, answers []string) {
	t.Helper()
	content, err := os.ReadFile(recorded)
	if err != nil {
		t.Fatal(err)
	}
	want := strings.SplitAfter(strings.TrimSuffix(string(content), "\n"), "\n\n")
	want[len(want)-1] += "\n"
	if len(want) != len(answers) {
		t.Fatalf("%d answers, and %d were recorded", len(answers), len(want))
	}
	for i := range want {
		if d := diff.Diff(strings.Split(want[i], ","), strings.Split(answers[i], ",")); d != "" {
			t.Errorf("(-recorded +got):\n%s", d)
		}
	}
}

// converse has the whole conversation with a server and returns each step with
// the answer to it.
func converse(t *testing.T, url, root string) []string {
	t.Helper()
	cluster, forger := sandboxtest.StartKubernetes(t), sandboxtest.StartKubernetes(t)
	p := &peer{url: url, tokens: map[string]string{"": root, "nobody": "hvs.nobody"}}
	var answers []string
	for _, s := range steps() {
		asked := s
		s.request = withTokens(t, s.request, cluster, forger)
		answer := strings.ReplaceAll(p.ask(t, s), cluster.URL, "HOST")
		answers = append(answers, fmt.Sprintf("%s (%s)\n%s\n\n", asked.request, cmp.Or(s.as, "root"), answer))
	}
	return answers
}

func withTokens(t *testing.T, request string, cluster, forger *kubernetes.Server) string {
	t.Helper()
	request = strings.ReplaceAll(request, "HOST", cluster.URL)
	for word, signer := range map[string]*kubernetes.Server{"TOKEN(": cluster, "FORGED(": forger} {
		before, rest, found := strings.Cut(request, word)
		if !found {
			continue
		}
		spec, after, _ := strings.Cut(rest, ")")
		account, audience, _ := strings.Cut(spec, ",")
		namespace, name, _ := strings.Cut(account, "/")
		var audiences []string
		if audience != "" {
			audiences = []string{audience}
		}
		token, err := signer.Token(namespace, name, audiences...)
		if err != nil {
			t.Fatal(err)
		}
		request = before + token + after
	}
	return request
}

// ask makes the request of a step and returns the answer without what no two
// servers share.
func (p *peer) ask(t *testing.T, s step) string {
	t.Helper()
	method, rest, _ := strings.Cut(s.request, " ")
	path, body, _ := strings.Cut(rest, " ")
	header := http.Header{}
	if body != "" {
		header.Set("Content-Type", "application/json")
	}
	if s.as != "-" {
		header.Set("X-Vault-Token", p.tokens[s.as])
	}
	status, content := sandboxtest.Send(t, method, p.url+"/v1/"+path, body, header)
	if len(content) == 0 {
		return strconv.Itoa(status)
	}
	var answer any
	if err := json.Unmarshal(content, &answer); err != nil {
		t.Fatalf("%s: not JSON: %s", s.request, content)
	}
	if auth, is := answer.(map[string]any)["auth"].(map[string]any); is && s.keep != "" {
		p.tokens[s.keep] = auth["client_token"].(string)
	}
	var shape bytes.Buffer
	out := json.NewEncoder(&shape)
	out.SetEscapeHTML(false)
	if err := out.Encode(shapeOf("", answer)); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%d %s", status, bytes.TrimSpace(shape.Bytes()))
}

// shapeOf replaces what differs between any two servers: identifiers, versions and times.
func shapeOf(key string, value any) any {
	switch v := value.(type) {
	case map[string]any:
		out := map[string]any{}
		for k, item := range v {
			out[k] = shapeOf(k, item)
		}
		return out
	case []any:
		out := []any{}
		for _, item := range v {
			out = append(out, shapeOf(key, item))
		}
		return out
	case string:
		identifier := []string{"request_id", "uuid", "accessor", "client_token", "client_id", "id", "entity_id", "cluster_id", "cluster_name", "build_date", "service_account_uid", "running_plugin_version"}
		if slices.Contains(identifier, key) && v != "" || key == "version" && strings.Contains(v, ".") {
			return "<" + key + ">"
		}
		if _, err := time.Parse(time.RFC3339Nano, v); err == nil {
			return "<time>"
		}
	case float64:
		if v > 1e9 || key == "ttl" && v > 0 {
			return "<time>"
		}
	}
	return value
}
