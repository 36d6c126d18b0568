package cmd_test

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/secretctl/secretctl/cmd"
	"github.com/secretctl/secretctl/internal/sandbox/keyvault"
	"github.com/secretctl/secretctl/internal/store/keyvault/azure"
	"github.com/secretctl/secretctl/test/entra"
	"github.com/secretctl/secretctl/test/testenv"
)

// driven has command lines for every command, to be run in each of its formats. VAULT,
// AZURE and INFRA are configs, KUBE a kubeconfig, LOCAL a mount, OUT a folder of its own.
var driven = map[string][]string{
	"client apply":   {"-c VAULT", "-c VAULT --dry-run"},
	"client delete":  {"-c VAULT --all --dry-run", "-c VAULT --all --yes"},
	"client get":     {"-c VAULT", "-c VAULT --aidbox-url TLS"},
	"completion":     nil, // see below
	"config schema":  {""},
	"config view":    {"-c VAULT", "-c VAULT/\x1b[2J\n::error::forged"},
	"diff":           {"-c VAULT --kubeconfig KUBE -v", "-c AZURE --only store"},
	"doctor":         {"-c VAULT --kubeconfig KUBE", "-c AZURE --kubeconfig KUBE -v"},
	"explain":        {"", "mount/present"},
	"graph":          {"-c VAULT", "-c VAULT --report OUT/report.json"},
	"infra":          {"-c INFRA --dry-run", "-c INFRA -v"},
	"init":           {"--provider vault -c -", "--provider vault -c OUT/init.yaml --force", "--provider vault -c - --from-deployment aidbox --kubeconfig KUBE"},
	"install":        {"-c VAULT --kubeconfig KUBE", "-c VAULT --dry-run"},
	"provision":      {"-c VAULT", "-c VAULT --dry-run", "-c VAULT -v --adopt", "-c AZURE", "-c VAULT --vault-login jwt/ci"},
	"render":         {"-c VAULT", "-c VAULT --dir OUT/manifests", "-c AZURE", "-c VAULT --helm-values --kubeconfig KUBE"},
	"rotate":         {"-c VAULT client-secret --no-verify --generate", "-c VAULT LOCAL --canary --rotation-deadline 1s", "-c VAULT LOCAL --due client-secret --generate --rotation-deadline 1s"},
	"sandbox aidbox": {""}, // which refuses to start without a secret
	"schema":         {""},
	"status":         {"-c VAULT --kubeconfig KUBE", "-c AZURE --kubeconfig KUBE"},
	"verify":         {"-c VAULT LOCAL --all --rotation-deadline 1s", "-c VAULT --kubeconfig KUBE workload mount", "-c AZURE --kubeconfig KUBE workload mount"},
	"version":        {""},

	"completion bash": {""}, "completion zsh": {""}, "completion fish": {""}, "completion powershell": {""},
	"config validate": {"-c VAULT"}, "help": {""}, "infra kubeconfig": {"-c INFRA --file OUT/x\x1b[2J\n::error::forged"},
	"templates export": {"--dir OUT/templates"},
}

// Every command is run in every format against servers that are hostile: in each turn,
// other fields of what they answer repeat the secret in some encoding, or forge; then
// all fields do, and then every answer is an error which repeats the request.
func TestNothingHostileGetsThroughAnyCommand(t *testing.T) {
	const turns = 4
	bin := t.TempDir()
	testenv.WriteFile(t, filepath.Join(bin, "said"), []byte(hostileText))
	testenv.WriteFile(t, filepath.Join(bin, "helm"), []byte("#!/bin/sh\n/bin/cat "+bin+"/said\n/bin/cat "+bin+"/said >&2\nexit $(($$ % 2))\n"))
	if err := os.Chmod(filepath.Join(bin, "helm"), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", bin)
	for turn := range uint32(turns + 2) {
		t.Run(fmt.Sprint(turn), func(t *testing.T) {
			s := newHostileServers(t, &hostile{turn: turn, turns: turns})
			t.Parallel()
			s.drive(cmd.Root(), turn >= turns)
		})
	}
}

// drive runs a command and those below it. Without all, each line is run in one format.
func (s *hostileServers) drive(c *cobra.Command, all bool) {
	for _, sub := range c.Commands() {
		s.drive(sub, all)
	}
	name := strings.TrimPrefix(c.CommandPath(), "secretctl ")
	if c.HasSubCommands() && len(driven[name]) == 0 || c.IsAdditionalHelpTopicCommand() || name == "demo" { // which has servers of its own
		return
	}
	lines, known := driven[name]
	if !known {
		s.t.Errorf("%s is not run here: add it to the table", name)
	}
	formats := formatsOf(c)
	for i, line := range lines {
		for j, format := range formats {
			if all || (i+j+int(s.hostile.turn))%len(formats) == 0 {
				s.run(c, name, line, format)
			}
		}
	}
}

// formatsOf returns the values of -o; "" for a command that has none.
func formatsOf(c *cobra.Command) []string {
	complete, ok := c.GetFlagCompletionFunc("output")
	if !ok {
		return []string{""}
	}
	formats, _ := complete(c, nil, "")
	return formats
}

func (s *hostileServers) run(c *cobra.Command, name, line, format string) {
	s.t.Helper()
	args := append(strings.Fields(name), "--timeout", "3s")
	for word := range strings.FieldsSeq(strings.ReplaceAll(line, "\n", "\x00")) { // which ends no word here
		word = strings.ReplaceAll(word, "\x00", "\n")
		if word == "LOCAL" {
			args = append(args, "--mount-path", s.servers.mountPath(), "--vault-config", s.servers.vaultConfig())
			continue
		}
		for from, to := range map[string]string{"VAULT": s.file("vault.yaml"), "AZURE": s.file("azure.yaml"), "INFRA": s.file("infra.yaml"), "KUBE": s.kube, "OUT": s.out, "TLS": s.tls} {
			word = strings.ReplaceAll(word, from, to)
		}
		args = append(args, word)
	}
	if format != "" {
		args = append(args, "-o", format)
	}
	if c.Flags().Lookup("json-file") != nil {
		args = append(args, "--json-file", filepath.Join(s.out, "report.json"), "--junit-file", filepath.Join(s.out, "report.xml"), "--html-file", filepath.Join(s.out, "report.html"))
	}
	var out, narration lockedBuffer
	code := cmd.Run(s.t.Context(), args, cmd.IO{
		In: strings.NewReader(canaries["CANARY_VALUE"]), Out: &out, Err: &narration, Azure: s.azure,
		LookupEnv: func(name string) (string, bool) { v, ok := s.env[name]; return v, ok },
	})
	shown := fmt.Sprintf("%s %q -o %q", name, line, format)
	// A name that is none is refused, and so is JSON where something else is on stdout.
	may := name == "init" || name == "sandbox aidbox" || strings.Contains(line, "\x1b") || name == "render" && format == "json"
	if code == 2 && !may {
		s.t.Errorf("%s is refused, so that it meets no server:\n%s%s", shown, &out, &narration)
	}
	s.check(shown+": stdout", out.String(), format)
	s.check(shown+": stderr", narration.String(), format)
	if c.Flags().Lookup("json-file") == nil && !strings.Contains(line, "OUT") {
		return
	}
	err := filepath.WalkDir(s.out, func(path string, e os.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		s.check(shown+": "+filepath.Base(path), string(text), strings.NewReplacer(".json", "json", ".xml", "junit", ".html", "html").Replace(filepath.Ext(path)))
		return err
	})
	if err != nil {
		s.t.Error(err)
	}
}

// annotation is what secretctl itself writes for GitHub.
var annotation = regexp.MustCompile(`^::(error|warning) title=(aidbox|secretctl) (warn|fail|unknown|did not finish)[^:]*::`)

// check looks at every byte of a stream or a file.
func (s *hostileServers) check(where, text, format string) {
	s.t.Helper()
	complain := func(what string, args ...any) {
		s.t.Errorf("%s: %s in\n%.3000q", where, fmt.Sprintf(what, args...), text)
	}
	for name, value := range s.env {
		if len(value) > 7 && strings.Contains(text, value) {
			complain("the value of %s is", name)
		}
	}
	for _, r := range text {
		if r != '\n' && r != '\t' && secretUnseen(r) {
			complain("%U is", r)
			break
		}
	}
	for _, bad := range []string{hostileMarker, "##[", "##vso[", "<script>alert", "internal error"} {
		if strings.Contains(text, bad) && (format == "html" || bad != "<script>alert") {
			complain("%s is", bad)
		}
	}
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		ours := format == "github" && annotation.MatchString(line)
		if strings.HasPrefix(line, "::") && !ours || strings.HasPrefix(line, "forged") {
			complain("a forged line, %q, is", line)
		}
	}
	switch {
	case text == "" || strings.HasSuffix(where, "stderr"):
	case format == "json" && strings.Contains(where, "client get"): // one after the other
	case format == "json" && !json.Valid([]byte(text)):
		complain("no JSON is")
	case format == "junit":
		for d := xml.NewDecoder(strings.NewReader(text)); ; {
			if _, err := d.Token(); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				complain("no XML (%v) is", err)
				break
			}
		}
	}
}

// hostileServers are stand-ins that answer through somebody hostile.
type hostileServers struct {
	t         *testing.T
	hostile   *hostile
	servers   *servers
	azure     azure.Access
	env       map[string]string
	dir, out  string
	kube, tls string
}

func (s *hostileServers) file(name string) string { return filepath.Join(s.dir, name) }

func newHostileServers(t *testing.T, h *hostile) *hostileServers {
	dir := t.TempDir()
	s := &hostileServers{t: t, hostile: h, servers: startServers(t, dir), env: map[string]string{}, dir: dir, out: filepath.Join(dir, "out")}
	k := &leakTest{t: t, dir: dir, seen: map[string]bool{}}
	maps.Copy(s.env, canaries)
	s.env["VAULT_TOKEN"] = s.servers.vault.RootToken
	if err := os.Mkdir(s.out, 0o700); err != nil {
		t.Fatal(err)
	}
	vault, aidbox := s.front(s.servers.vault.URL), s.front(s.servers.aidbox.URL)
	// What is there to be asked for is made while nobody is hostile.
	own := k.config("own.yaml", s.servers.vault.URL, s.servers.kubernetes.URL, s.servers.aidbox.URL, "CANARY_VALUE")
	for _, args := range [][]string{{"provision"}, {"render"}, {"client", "apply"}} {
		code, out := k.run(append(args, "-c", own)...)
		if code != 0 {
			t.Fatalf("%v: exit code %d\n%s", args, code, out)
		}
		if args[0] == "render" {
			s.servers.apply(t, out)
		}
	}
	k.config("vault.yaml", vault, s.servers.kubernetes.URL, aidbox, "CANARY_VALUE")
	keyVault, err := keyvault.Start(keyvault.Options{Name: "contoso-aidbox"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(keyVault.Close)
	manager, err := keyvault.StartAzure(keyvault.AzureOptions{KeyVaults: []*keyvault.Server{keyVault}, Wrap: entra.New().Wrap})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(manager.Close)
	s.azure = azure.Access{Credential: token(manager.Token), Transport: hostileTransport{h, manager.Client}}
	k.azureConfig("azure.yaml", manager.Subscription, "kubelet", aidbox, "CANARY_VALUE")
	testenv.WriteFile(t, s.file("infra.yaml"), []byte(strings.NewReplacer("22222222-2222-2222-2222-222222222222", manager.Subscription, "[Client/basic]}", "[Client/basic], value: {env: CANARY_VALUE}}").Replace(infraConfig)))
	cluster := httptest.NewServer(http.HandlerFunc(h.cluster))
	t.Cleanup(cluster.Close)
	s.kube, s.tls = k.kubeconfig("kube", cluster.URL), certified(t)
	return s
}

// front is a server before another one.
func (s *hostileServers) front(address string) string {
	target, err := url.Parse(address)
	if err != nil {
		s.t.Fatal(err)
	}
	proxy := httputil.NewSingleHostReverseProxy(target)
	proxy.ModifyResponse = s.hostile.answer
	server := quiet(proxy)
	server.Start()
	s.t.Cleanup(server.Close)
	return server.URL
}

// hostileTransport is between the Azure SDK and what stands in for Azure.
type hostileTransport struct {
	*hostile
	next *http.Client
}

func (h hostileTransport) Do(r *http.Request) (*http.Response, error) {
	var sent []byte
	if r.Body != nil {
		sent, _ = io.ReadAll(r.Body)
		r.Body = io.NopCloser(bytes.NewReader(sent))
	}
	resp, err := h.next.Do(r)
	if err != nil {
		return nil, err
	}
	return resp, h.answer(resp)
}
