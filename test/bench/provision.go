package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/vault/api"
	"golang.org/x/sync/errgroup"
)

const (
	rootToken = "root"
	provided  = 1000 // secrets
	puts      = 20   // of them by "vault kv put", which takes as long for each

	concurrency = 16 // secretctl's default
)

// provision compares writing secrets to a real Vault, and finding nothing to write.
func (b *bench) provision() error {
	address, stop, err := b.startVault()
	if err != nil {
		return err
	}
	defer stop()
	var took map[string]measured
	for round := range 1 + max(3, b.runs/2) { // each round has its own paths; the first warms up
		if round < 2 {
			took = map[string]measured{}
		}
		values, err := b.vaultConfig(address, fmt.Sprintf("%d/values", round))
		if err != nil {
			return err
		}
		all, err := b.vaultConfig(address, fmt.Sprintf("%d/all", round))
		if err != nil {
			return err
		}
		loop := func(kind, path string) []string {
			return []string{b.self, bare, kind, address, fmt.Sprintf("%d/%s", round, path)}
		}
		for name, args := range map[string][]string{ // in any order
			"values": {b.secretctl, "provision", "--phase", "store", "-c", values}, "all": {b.secretctl, "provision", "-c", all},
			"write": loop("write", "bare"), "library": loop("library", "library"), "put": append(loop("put", "cli"), b.vault),
		} {
			if err := b.note(took, command{name, args}); err != nil {
				return err
			}
		}
		for name, args := range map[string][]string{
			"again": {b.secretctl, "provision", "--phase", "store", "-c", values}, "read": loop("read", "bare"),
		} {
			if err := b.note(took, command{name, args}); err != nil {
				return err
			}
		}
	}
	for name, title := range map[string]string{"write": "a bare Go loop", "library": "that with vault/api", "read": "a bare Go loop", "put": "vault kv put"} {
		m := took[name]
		m.name = title
		took[name] = m
	}
	for i := range took["put"].all {
		took["put"].all[i].Wall *= provided / puts
		took["put"].all[i].CPU *= provided / puts
	}
	what := fmt.Sprintf("provision, %d secrets", provided)
	b.table.time(what+": the values", took["values"], took["write"], 1.15)
	b.table.time(what+": the values", took["values"], took["library"], 0)
	b.table.time(what+": vault/api, no secretctl", took["library"], took["write"], 0) // what the client alone costs
	b.table.peak(what+", memory", took["values"], took["write"], 0)
	b.table.time(what+": and the pod's access", took["all"], took["write"], 0)
	b.table.time(what+": the values", took["values"], took["put"], 0)
	b.table.time("provision again, all unchanged", took["again"], took["read"], 0)
	return nil
}

// note adds a sample of a command.
func (b *bench) note(took map[string]measured, c command) error {
	s, err := b.measure(c)
	took[c.name] = measured{c.name, append(took[c.name].all, s)}
	return err
}

func (b *bench) vaultConfig(address, path string) (string, error) {
	var text strings.Builder
	fmt.Fprintf(&text, "apiVersion: secretctl.dev/v1\nprovider: vault\nvault: {address: %q}\nsecrets:\n", address)
	for i := range provided {
		fmt.Fprintf(&text, "  - {name: s%d, path: %s/s%[1]d, key: value, scope: [Client/c%[1]d], value: {generate: {length: 32}}}\n", i, path)
	}
	folder := filepath.Join(b.dir, "provision", path)
	return filepath.Join(folder, "secretctl.yaml"), write(folder, map[string]string{"secretctl.yaml": text.String()})
}

// startVault starts a Vault in dev mode, which stores in memory.
func (b *bench) startVault() (address string, stop func(), err error) {
	listener, err := new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	at := listener.Addr().String()
	if err := listener.Close(); err != nil {
		return "", nil, err
	}
	c := exec.Command(b.vault, "server", "-dev", "-dev-root-token-id="+rootToken, "-dev-listen-address="+at, "-dev-no-store-token")
	if err := c.Start(); err != nil {
		return "", nil, err
	}
	stop = func() { _, _ = c.Process.Kill(), c.Wait() }
	for range 300 {
		resp, err := http.Get("http://" + at + "/v1/secret/config")
		if err == nil {
			_ = resp.Body.Close()
			if resp.StatusCode == http.StatusForbidden { // the KV engine is mounted, and wants a token
				return "http://" + at, stop, nil
			}
		}
		<-time.After(100 * time.Millisecond)
	}
	stop()
	return "", nil, fmt.Errorf("vault did not start at %s", at)
}

// bare is the first argument when this program does the minimum of work itself: KIND
// ADDRESS PATH, and for "put" the vault command.
const bare = "-bare"

func bareMain(args []string) error {
	kind, base := args[0], args[1]+"/v1/secret/data/"+args[2]+"/s"
	if kind == "put" {
		return bareLoop(puts, 1, func(i int) error {
			c := exec.Command(args[3], "kv", "put", "-mount=secret", args[2]+"/s"+strconv.Itoa(i), "value=-")
			c.Env = []string{"VAULT_ADDR=" + args[1], "VAULT_TOKEN=" + rootToken, "HOME=/nonexistent"}
			c.Stdin = strings.NewReader("0123456789abcdef0123456789abcdef")
			if out, err := c.CombinedOutput(); err != nil {
				return fmt.Errorf("%w: %s", err, out)
			}
			return nil
		})
	}
	if kind == "library" {
		return libraryLoop(args[1], args[2])
	}
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: concurrency}}
	return bareLoop(provided, concurrency, func(i int) error {
		method, body := http.MethodGet, []byte(nil)
		if kind == "write" {
			method, body = http.MethodPost, []byte(`{"data": {"value": "0123456789abcdef0123456789abcdef"}, "options": {"cas": 0}}`)
		}
		req, err := http.NewRequestWithContext(context.Background(), method, base+strconv.Itoa(i), bytes.NewReader(body))
		if err != nil {
			return err
		}
		req.Header.Set("X-Vault-Token", rootToken)
		resp, err := client.Do(req)
		if err != nil {
			return err
		}
		defer func() { _ = resp.Body.Close() }()
		var answer struct{ Data, Errors json.RawMessage }
		if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil || resp.StatusCode != http.StatusOK {
			return fmt.Errorf("%s: %s: %s", req.URL, resp.Status, answer.Errors)
		}
		return nil
	})
}

// libraryLoop is the loop of writes, with HashiCorp's client.
func libraryLoop(address, path string) error {
	cfg := api.DefaultConfig()
	cfg.Address = address
	client, err := api.NewClient(cfg)
	if err != nil {
		return err
	}
	client.SetToken(rootToken)
	return bareLoop(provided, concurrency, func(i int) error {
		_, err := client.KVv2("secret").Put(context.Background(), path+"/s"+strconv.Itoa(i),
			map[string]any{"value": "0123456789abcdef0123456789abcdef"}, api.WithCheckAndSet(0))
		return err
	})
}

func bareLoop(n, limit int, do func(int) error) error {
	var group errgroup.Group
	group.SetLimit(limit)
	for i := range n {
		group.Go(func() error { return do(i) })
	}
	return group.Wait()
}
