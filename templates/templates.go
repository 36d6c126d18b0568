// Package templates holds the Kubernetes manifests as text. What fills them in
// and checks the result is internal/render.
package templates

import "embed"

// FS has every template in its root.
//
//go:embed *.yaml.tmpl
var FS embed.FS
