// Package content holds the labs themselves, one folder each.
package content

import "embed"

// FS has a folder per lab.
//
//go:embed all:[0-9][0-9]-*
var FS embed.FS
