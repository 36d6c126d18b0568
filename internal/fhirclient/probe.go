package fhirclient

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"

	"github.com/secretctl/secretctl/internal/secret"
)

// Probe requests a path as clientID with the secret v, by Basic authentication. No status
// is an error: 401 is a refused secret, 403 an accepted one without permission. detail
// says in one line what came with the status, or is "". The error means that there was no
// response.
func (c *Client) Probe(ctx context.Context, path, clientID string, v secret.Value) (status int, detail string, err error) {
	if !strings.HasPrefix(path, "/") {
		path = "/" + path
	}
	r := request{method: http.MethodGet, path: path, user: clientID, password: v}
	a, err := c.send(ctx, r)
	if err != nil {
		return 0, "", err
	}
	return a.status, c.detail(a), nil
}

// Token requests an access token as clientID with the secret v, by the client_credentials
// grant, and drops it. It returns what [Client.Probe] does; with status 200, detail is ""
// only if the response has a token.
func (c *Client) Token(ctx context.Context, clientID string, v secret.Value) (status int, detail string, err error) {
	r := request{
		method: http.MethodPost, path: "/auth/token",
		contentType: "application/x-www-form-urlencoded", body: []byte("grant_type=client_credentials"),
		user: clientID, password: v,
	}
	a, err := c.send(ctx, r)
	if err != nil {
		return 0, "", err
	}
	if a.status != http.StatusOK || a.problem != "" {
		return a.status, c.detail(a), nil
	}
	var granted struct {
		Token string `json:"access_token"`
	}
	if err := json.Unmarshal(a.body, &granted); err != nil || granted.Token == "" {
		return a.status, "answered no access_token", nil //nolint:nilerr // Aidbox did answer
	}
	return a.status, "", nil
}

// Version returns the version of Aidbox, such as "2602".
func (c *Client) Version(ctx context.Context) (string, error) {
	r := c.adminRequest(http.MethodGet, "/$version")
	a, err := c.send(ctx, r)
	if err != nil {
		return "", err
	}
	if a.status != http.StatusOK || a.problem != "" {
		return "", c.fail(r, a)
	}
	var v struct {
		Version string `json:"version"`
	}
	if err := json.Unmarshal(a.body, &v); err != nil || v.Version == "" {
		a.problem = "answered no version"
		return "", c.fail(r, a)
	}
	return c.sanitizer.Line(v.Version), nil
}
