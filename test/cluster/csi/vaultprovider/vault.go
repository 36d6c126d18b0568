package main

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// patience is shorter than the driver's, so that an outage ends in an error from
// here, after which the kubelet removes the pod's folder and begins again.
const patience = 20 * time.Second

// vault is a client for one request of the driver.
type vault struct {
	http                      *http.Client
	address, namespace, token string
}

func newVault(p parameters) (*vault, error) {
	settings := &tls.Config{ServerName: p.TLSServerName}
	skip, err := strconv.ParseBool(cmp.Or(p.SkipTLSVerify, "false"))
	if err != nil {
		return nil, fmt.Errorf("vaultSkipTLSVerify: %w", err)
	}
	settings.InsecureSkipVerify = skip
	if settings.RootCAs, err = roots(p); err != nil {
		return nil, err
	}
	return &vault{
		http:    &http.Client{Transport: &http.Transport{TLSClientConfig: settings, DisableKeepAlives: true}},
		address: strings.TrimRight(p.Address, "/"), namespace: p.Namespace,
	}, nil
}

// roots returns the CAs by which Vault's certificate is checked; nil for those of the
// system.
func roots(p parameters) (*x509.CertPool, error) {
	files := []string{p.CACertPath}
	switch {
	case p.CACertPath != "":
	case p.CADirectory != "":
		var err error
		if files, err = filepath.Glob(filepath.Join(p.CADirectory, "*")); err != nil {
			return nil, err
		}
	default:
		return nil, nil
	}
	pool := x509.NewCertPool()
	for _, file := range files {
		if i, err := os.Stat(file); err == nil && i.IsDir() { // of a ConfigMap: ..data
			continue
		}
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		pool.AppendCertsFromPEM(text)
	}
	return pool, nil
}

// answer is what Vault says to a login, to a read, or in refusal.
type answer struct {
	Auth struct {
		ClientToken string `json:"client_token"`
	} `json:"auth"`
	Data     map[string]json.RawMessage `json:"data"`
	Errors   []string                   `json:"errors"`
	Warnings []string                   `json:"warnings"`

	body []byte
}

func (v *vault) login(ctx context.Context, p parameters, jwt string) error {
	body, err := json.Marshal(map[string]string{"role": p.Role, "jwt": jwt})
	if err != nil {
		return err
	}
	a, err := v.ask(ctx, fmt.Sprintf("login with role %q", p.Role), http.MethodPost, "auth/"+p.AuthMount+"/login", body)
	if err != nil {
		return err
	}
	v.token = a.Auth.ClientToken
	return nil
}

func (v *vault) read(ctx context.Context, o object) (*answer, error) {
	return v.ask(ctx, fmt.Sprintf("object %q", o.Name), http.MethodGet, strings.Trim(o.Path, "/"), nil)
}

// ask sends one request; what names the step in an error. No error is
// Unavailable: on that the kubelet would keep the folder, unmounted, and the
// driver, called again soon, would take it for fresh and start the pod with it.
func (v *vault) ask(ctx context.Context, what, method, path string, body []byte) (*answer, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, v.address+"/v1/"+path, bytes.NewReader(body))
	if err != nil {
		return nil, status.Errorf(codes.InvalidArgument, "%s: vaultAddress: %v", what, err)
	}
	req.Header.Set("X-Vault-Token", v.token)
	req.Header.Set("X-Vault-Namespace", v.namespace)
	res, err := v.http.Do(req)
	if err != nil {
		return nil, status.Errorf(codes.Unknown, "%s: Vault does not answer: %v", what, err)
	}
	defer func() { _ = res.Body.Close() }()
	a := &answer{}
	if a.body, err = io.ReadAll(res.Body); err == nil {
		err = json.Unmarshal(a.body, a)
	}
	if err != nil || res.StatusCode != http.StatusOK {
		return nil, status.Errorf(code(res.StatusCode), "%s: %s %s: Code: %d. Errors: %q",
			what, method, req.URL, res.StatusCode, append(a.Errors, a.Warnings...))
	}
	return a, nil
}

func code(httpStatus int) codes.Code {
	switch httpStatus {
	case http.StatusBadRequest:
		return codes.InvalidArgument
	case http.StatusForbidden:
		return codes.PermissionDenied
	case http.StatusNotFound:
		return codes.NotFound
	}
	return codes.Unknown
}

// content picks the value of a key. KV version 2 has the secret one level deeper.
func (a *answer) content(key string) ([]byte, bool) {
	if key == "" {
		return a.body, true
	}
	data := a.Data
	var inner map[string]json.RawMessage
	if json.Unmarshal(data["data"], &inner) == nil {
		data = inner
	}
	raw, found := data[key]
	var text string
	if json.Unmarshal(raw, &text) == nil {
		return []byte(text), found
	}
	return raw, found // a number or a list stays JSON
}
