package rules

import (
	"go/ast"
	"go/token"
	"path"
	"regexp"
	"strings"
	"testing"
)

var driverName = regexp.MustCompile(`(?i)\b(libvirt|nspawn)\b`)

// knowsDrivers are the packages and the file that may name a driver.
var knowsDrivers = []string{"provision/libvirt/", "provision/nspawn/", "testbed/drivers.go"}

// TestDriversAreNamedOnce: what depends on the machines asks for their traits
// (machine.Traits) or for the row in testbed/drivers.go, and a third driver
// costs a package and a row.
func TestDriversAreNamedOnce(t *testing.T) {
	eachFile(t, func(file string, set *token.FileSet, parsed *ast.File) {
		short := short(file)
		for _, may := range knowsDrivers {
			if strings.HasPrefix(short, may) {
				return
			}
		}
		ast.Inspect(parsed, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.ImportSpec:
				if p := strings.Trim(n.Path.Value, `"`); strings.HasPrefix(p, module) && driverName.MatchString(path.Base(p)) {
					t.Errorf("%s imports the driver %s: ask for traits, or add to the row in testbed/drivers.go", short, path.Base(p))
				}
				return false
			case *ast.BasicLit:
				if m := driverName.FindString(n.Value); n.Kind == token.STRING && m != "" {
					t.Errorf("%s:%d names the driver %s: ask for traits, or add to the row in testbed/drivers.go", short, set.Position(n.Pos()).Line, m)
				}
			}
			return true
		})
	})
}
