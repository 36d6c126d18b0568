package store

import (
	"encoding/base64"
	"encoding/json"
	"strings"

	"github.com/secretctl/secretctl/internal/secret"
)

// Claims is what a ServiceAccount's token says about itself.
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

// ReadClaims returns nothing where the token is not one of Kubernetes.
func ReadClaims(jwt secret.Value) Claims {
	var c Claims
	parts := strings.Split(string(jwt.Reveal()), ".")
	if len(parts) == 3 {
		if payload, err := base64.RawURLEncoding.DecodeString(parts[1]); err == nil {
			_ = json.Unmarshal(payload, &c)
		}
	}
	return c
}
