// Package content holds the labs themselves, one folder each.
package content

import "embed"

// FS has a folder per lab.
//
//go:embed all:01-pods all:02-replicasets
var FS embed.FS
