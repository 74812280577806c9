// Package build says which nori this program is. It goes into every file that may
// outlive the program, so that another nori can say who wrote it.
package build

import (
	"runtime/debug"
	"sync"
)

// version is set by the Makefile.
var version string

// Version is the commit that this program was built from, as `git describe` names
// it, or a module's version; "source" where neither is known.
func Version() string {
	if version != "" {
		return version
	}
	return fromModule()
}

var fromModule = sync.OnceValue(func() string {
	info, ok := debug.ReadBuildInfo()
	if ok && info.Main.Version != "" && info.Main.Version != "(devel)" {
		return info.Main.Version
	}
	return "source"
})
