// Package docs holds what the binary itself shows of the documentation.
package docs

import (
	_ "embed" // of the pages
	"strings"
)

//go:embed checks.md
var checks string

// Schema is the JSON Schema of the config file, which make docs generates.
//
//go:embed secretctl.schema.json
var Schema []byte

// Check returns the section of checks.md about a check, without its heading; "" where
// there is none.
func Check(id string) string {
	_, section, _ := strings.Cut(checks, "\n### <a id=\""+strings.ReplaceAll(id, "/", "-")+"\"></a>`"+id+"`\n")
	section, _, _ = strings.Cut(section, "\n##")
	return strings.TrimSpace(section)
}
