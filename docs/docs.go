// Package docs holds what the binary itself shows of the documentation.
package docs

import _ "embed" // of the page

// Checks is the page about the checks. internal/explain reads its sections.
//
//go:embed checks.md
var Checks string

// Config is the reference of the config file. config.Schema reads its tables.
//
//go:embed config.md
var Config string
