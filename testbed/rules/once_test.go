package rules

import (
	"go/ast"
	"go/token"
	"strings"
	"testing"
)

// What is done in one place has one place to be wrong in. These rules find what does
// it again by hand.

// TestShellIsQuotedOnce: a word of a command line is quoted by shell.Quote.
func TestShellIsQuotedOnce(t *testing.T) {
	eachFile(t, func(file string, set *token.FileSet, parsed *ast.File) {
		if strings.HasPrefix(short(file), "internal/shell/") {
			return
		}
		lines := map[int]bool{}
		ast.Inspect(parsed, func(n ast.Node) bool {
			byHand := false
			switch n := n.(type) {
			case *ast.BasicLit:
				s, ok := literal(n)
				byHand = ok && strings.Contains(s, `'\''`)
			case *ast.BinaryExpr:
				byHand = n.Op == token.ADD && (endsInQuote(n.X) || beginsWithQuote(n.Y))
			}
			if byHand {
				lines[set.Position(n.Pos()).Line] = true
			}
			return true
		})
		for line := range lines {
			t.Errorf("%s:%d quotes a word for a shell: use internal/shell", short(file), line)
		}
	})
}

// endsInQuote finds "echo '" + …; beginsWithQuote finds … + "' > file".
func endsInQuote(e ast.Expr) bool {
	if b, ok := e.(*ast.BinaryExpr); ok {
		e = b.Y
	}
	s, ok := literal(e)
	return ok && strings.HasSuffix(s, "'")
}

func beginsWithQuote(e ast.Expr) bool {
	s, ok := literal(e)
	return ok && strings.HasPrefix(s, "'") && !strings.HasPrefix(s, "'s ")
}

// maySleep are the packages that help tests: what they wait for ends with the test.
var maySleep = []string{"cluster/component/fakeapi/", "labs/labtest/"}

// TestNobodySleeps: time.Sleep can't be cancelled, and a loop around it does not say what
// it waits for. internal/wait looks again and again, and the clock of what is tested is
// handed to it.
func TestNobodySleeps(t *testing.T) {
	eachFile(t, func(file string, set *token.FileSet, parsed *ast.File) {
		for _, may := range maySleep {
			if strings.HasPrefix(short(file), may) {
				return
			}
		}
		ast.Inspect(parsed, func(n ast.Node) bool {
			if s, ok := n.(*ast.SelectorExpr); ok && s.Sel.Name == "Sleep" {
				if x, ok := s.X.(*ast.Ident); ok && x.Name == "time" {
					t.Errorf("%s sleeps: use internal/wait, or select on a timer and on ctx.Done()", set.Position(n.Pos()))
				}
			}
			return true
		})
	})
}
