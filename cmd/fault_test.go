package cmd_test

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/secretctl/secretctl/test/sandboxtest"
)

// changeMount breaks the mount in one way, or restores it. What was there is kept
// beside it meanwhile.
func (w *scriptEnv) changeMount(ts *testscript.TestScript, _ bool, args []string) {
	path, saved := w.mountPath(), w.mountPath()+".saved"
	conf, savedConf := w.vaultConfig(), w.vaultConfig()+".saved"
	file := filepath.Join(path, "client-secret")
	restore := func() {
		if _, err := os.Stat(saved); err == nil {
			ts.Check(os.RemoveAll(path))
			ts.Check(os.Rename(saved, path))
		}
		if _, err := os.Stat(savedConf); err == nil {
			ts.Check(os.RemoveAll(conf))
			ts.Check(os.Rename(savedConf, conf))
		}
		ts.Check(os.Chmod(file, 0o644))
	}
	switch args[0] {
	case "pause":
		w.mount.Close()
		return
	case "restore":
		restore()
		w.startMount(ts)
		return
	}
	w.mount.Close()
	restore()
	content, err := os.ReadFile(file)
	ts.Check(err)
	switch args[0] {
	case "missing":
		ts.Check(os.Rename(path, saved))
	case "empty":
		ts.Check(os.Rename(path, saved))
		makeFolder(ts, path)
	case "plain":
		ts.Check(os.Rename(path, saved))
		makeFolder(ts, path)
		writeFile(ts, file, content)
	case "copied": // beside ..data, as a subPath mount is
		ts.Check(os.Remove(file))
		writeFile(ts, file, content)
	case "uncopied":
		ts.Check(os.Remove(file))
		ts.Check(os.Symlink("..data/client-secret", file))
	case "unreadable":
		ts.Check(os.Chmod(file, 0o600))
	case "stale":
		ts.Check(ts.Exec("secretctl", "rotate", "client-secret", "--no-verify"))
	case "no-vault-config":
		ts.Check(os.Rename(conf, savedConf))
	case "other-vault-config":
		text, err := os.ReadFile(conf)
		ts.Check(err)
		ts.Check(os.Rename(conf, savedConf))
		writeFile(ts, conf, bytes.ReplaceAll(text, []byte("Client/basic"), []byte("Client/other")))
	default:
		ts.Fatalf("no such fault of the mount: %s", args[0])
	}
}

// makeFolder makes a folder with the driver's mode, whatever the umask.
func makeFolder(ts *testscript.TestScript, path string) {
	ts.Check(os.Mkdir(path, 0o700))
	ts.Check(os.Chmod(path, 0o755))
}

// writeFile writes a file with the driver's mode, whatever the umask.
func writeFile(ts *testscript.TestScript, path string, content []byte) {
	ts.Check(os.WriteFile(path, content, 0o600))
	ts.Check(os.Chmod(path, 0o644))
}

var aidboxFaults = map[string]sandboxtest.AidboxFaults{
	"well":            {},
	"literal":         {Unmask: true},
	"drop-extension":  {DropExtension: true},
	"reject-all":      {Status: http.StatusUnauthorized},
	"forbid-all":      {Status: http.StatusForbidden},
	"not-found":       {Status: http.StatusNotFound},
	"error":           {Status: http.StatusInternalServerError},
	"html":            {Status: http.StatusBadGateway, HTML: true},
	"hang":            {Hang: true},
	"accept-any":      {AcceptAny: true},
	"ignore-scope":    {IgnoreScope: true},
	"accept-old":      {AcceptOld: true},
	"ignore-rotation": {IgnoreRotation: true},
}

// changeAidbox gives Aidbox a fault, ends it, or has it away for a while.
func (w *scriptEnv) changeAidbox(ts *testscript.TestScript, _ bool, args []string) {
	switch args[0] {
	case "down":
		w.aidbox.Stop()
	case "up":
		w.aidbox.Restart()
	case "restart": // in a moment, for a moment
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			<-time.After(700 * time.Millisecond)
			w.aidbox.Stop()
			<-time.After(1500 * time.Millisecond)
			w.aidbox.Restart()
		}()
		ts.Defer(func() { <-ended })
	default:
		fault, known := aidboxFaults[args[0]]
		if !known {
			ts.Fatalf("no such fault of Aidbox: %s", args[0])
		}
		w.aidbox.SetFaults(fault)
	}
}

// changeVault seals or unseals Vault.
func (w *scriptEnv) changeVault(ts *testscript.TestScript, _ bool, args []string) {
	body := fmt.Sprintf(`{"key": %q}`, w.vault.unsealKey)
	req, err := http.NewRequestWithContext(context.Background(), http.MethodPut, w.vault.address+"/v1/sys/"+args[0], bytes.NewBufferString(body))
	ts.Check(err)
	req.Header.Set("X-Vault-Token", w.vault.rootToken)
	resp, err := http.DefaultClient.Do(req)
	ts.Check(err)
	_ = resp.Body.Close()
	if resp.StatusCode >= http.StatusBadRequest {
		ts.Fatalf("vault %s: %s", args[0], resp.Status)
	}
}

// whenHanging waits until a request has met the fault "hang".
func (w *scriptEnv) whenHanging(ts *testscript.TestScript, _ bool, _ []string) {
	for deadline := time.Now().Add(10 * time.Second); w.aidbox.Hanging() == 0; <-time.After(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			ts.Fatalf("no request came")
		}
	}
}
