package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	authv1 "k8s.io/api/authentication/v1"
	"sigs.k8s.io/yaml"
)

const (
	defaultMount    = "kubernetes"
	defaultAudience = "vault" // of the kubelet's token, where the CSIDriver asks for several
)

// parameters are those of the SecretProviderClass, and what the kubelet tells of
// the pod. Other keys are ignored, in objects too, as HashiCorp's provider does.
type parameters struct {
	Address   string `json:"vaultAddress"`
	Namespace string `json:"vaultNamespace"`
	Role      string `json:"roleName"`
	AuthMount string `json:"vaultKubernetesMountPath"`
	Audience  string `json:"audience"`
	Objects   string `json:"objects"`

	// How Vault's certificate is checked: files of this pod.
	CACertPath    string `json:"vaultCACertPath"`
	CADirectory   string `json:"vaultCADirectory"`
	TLSServerName string `json:"vaultTLSServerName"`
	SkipTLSVerify string `json:"vaultSkipTLSVerify"`

	Pod            string `json:"csi.storage.k8s.io/pod.name"`
	PodUID         string `json:"csi.storage.k8s.io/pod.uid"`
	PodNamespace   string `json:"csi.storage.k8s.io/pod.namespace"`
	ServiceAccount string `json:"csi.storage.k8s.io/serviceAccount.name"`
	Tokens         string `json:"csi.storage.k8s.io/serviceAccount.tokens"`
}

// object is a file to make.
type object struct {
	Name       string      `json:"objectName"`
	Path       string      `json:"secretPath"`
	Key        string      `json:"secretKey"`      // none: the file holds Vault's whole answer
	Permission fs.FileMode `json:"filePermission"` // 0: the driver's default
}

func parse(attributes string) (p parameters, objects []object, err error) {
	if err := json.Unmarshal([]byte(attributes), &p); err != nil {
		return p, nil, err
	}
	if p.Address == "" { // the provider's own, which is its agent in the chart of Vault
		p.Address = os.Getenv("VAULT_ADDR")
	}
	if p.Role == "" {
		return p, nil, errors.New("roleName is required")
	}
	if p.AuthMount = strings.Trim(p.AuthMount, "/"); p.AuthMount == "" {
		p.AuthMount = defaultMount
	}
	if err := yaml.Unmarshal([]byte(p.Objects), &objects); err != nil {
		return p, nil, fmt.Errorf("objects: %w", err)
	}
	if len(objects) == 0 {
		return p, nil, errors.New("objects: none is there")
	}
	for i, o := range objects {
		if !filepath.IsLocal(o.Name) || o.Path == "" {
			return p, nil, fmt.Errorf("objects[%d]: objectName (a relative path) and secretPath are required", i)
		}
	}
	return p, objects, nil
}

// kubeletToken returns the token that came with the request, if one did.
func (p parameters) kubeletToken() (string, error) {
	if p.Tokens == "" {
		return "", nil
	}
	var tokens map[string]authv1.TokenRequestStatus
	if err := json.Unmarshal([]byte(p.Tokens), &tokens); err != nil {
		return "", fmt.Errorf("the kubelet's tokens: %w", err)
	}
	audience := p.Audience
	if audience == "" {
		audience = defaultAudience
	}
	return tokens[audience].Token, nil
}
