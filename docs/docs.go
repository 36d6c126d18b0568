// Package docs holds what the binary itself shows of the documentation.
package docs

import (
	_ "embed" // of the pages
	"strings"
)

//go:embed checks.md
var checks string

// Config is the reference of the config file. config.Schema reads its tables.
//
//go:embed config.md
var Config string

// Check returns the section of checks.md about a check, without its heading; "" where
// there is none.
func Check(id string) string {
	_, section, _ := strings.Cut(checks, "\n### <a id=\""+strings.ReplaceAll(id, "/", "-")+"\"></a>`"+id+"`\n")
	section, _, _ = strings.Cut(section, "\n##")
	return strings.TrimSpace(section)
}
