package cluster

import "embed"

// Source is the Go source of the packages below this one.
//
//go:embed */*.go */*/*.go
var Source embed.FS
