package cmd_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

const meetingConfig = `---
apiVersion: secretctl.dev/v1
name: %[1]s
provider: vault
canary: true
vault: {address: %[2]s, role: %[1]s}
aidbox: {url: %[2]s, admin: {secret: {file: %[3]s}}}
secrets: [{name: client-secret, path: %[1]s/client, scope: [Client]}]
resources: [{type: Client, id: basic, secrets: {secret: client-secret}}]
`

// meeting is two servers that answer nothing before both were asked.
type meeting struct {
	asked [2]chan struct{}
	once  [2]sync.Once
}

func (m *meeting) server(t *testing.T, i int) *httptest.Server {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		m.once[i].Do(func() { close(m.asked[i]) })
		for _, asked := range m.asked {
			select {
			case <-asked:
			case <-time.After(5 * time.Second):
				t.Error("one was done before the other was begun")
			}
		}
		w.WriteHeader(http.StatusForbidden)
	}))
	t.Cleanup(s.Close)
	return s
}

func TestCommandsWorkOnDeliveriesAtTheSameTime(t *testing.T) {
	t.Setenv("VAULT_TOKEN", "x")
	t.Setenv("KUBECONFIG", "")
	t.Setenv("HOME", t.TempDir())
	for _, command := range []string{
		"provision", "provision --dry-run", "client apply", "client get", "client delete --all --yes", "verify aidbox", "verify rotation --target local", "doctor",
		"diff --only store", "diff --only aidbox", "rotate --canary --target local", "rotate --canary --no-verify",
	} {
		t.Run(command, func(t *testing.T) {
			t.Parallel()
			m := &meeting{asked: [2]chan struct{}{make(chan struct{}), make(chan struct{})}}
			dir, text := t.TempDir(), ""
			source := filepath.Join(dir, "source")
			for i, name := range []string{"berlin", "paris"} {
				text += fmt.Sprintf(meetingConfig, name, m.server(t, i).URL, source)
			}
			for name, content := range map[string]string{"source": "x", "secretctl.yaml": text} {
				if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			code, out, narration := runIn(t, dir, strings.Fields(command)...)
			if code == 0 || code == 2 {
				t.Errorf("ended with %d\n%s%s", code, out, narration)
			}
		})
	}
}
