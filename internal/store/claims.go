package store

import (
	"encoding/base64"
	"encoding/json"
	"strings"

	"github.com/secretctl/secretctl/internal/secret"
)

// Claims are the claims of a ServiceAccount's token.
type Claims struct {
	Issuer     string   `json:"iss"`
	Subject    string   `json:"sub"`
	Audiences  []string `json:"aud"`
	Kubernetes struct {
		Namespace      string `json:"namespace"`
		ServiceAccount struct {
			Name string `json:"name"`
		} `json:"serviceaccount"`
	} `json:"kubernetes.io"`
}

// ReadClaims does not verify the token. Of one that Kubernetes did not issue, it returns
// what it can read.
func ReadClaims(jwt secret.Value) (c Claims) {
	if parts := strings.Split(string(jwt.Reveal()), "."); len(parts) == 3 {
		payload, _ := base64.RawURLEncoding.DecodeString(parts[1])
		_ = json.Unmarshal(payload, &c)
	}
	return c
}
