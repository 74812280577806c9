package format_test

import (
	"os"
	"regexp"
	"testing"

	"noriter.dev/noriter/internal/strict"
	"noriter.dev/noriter/labs/format"
	"noriter.dev/noriter/labs/labtest"
)

// TestFieldsAreDocumented: the package documentation is what lab authors have.
func TestFieldsAreDocumented(t *testing.T) {
	docs := labtest.ReadDocs(t, ".")
	outline, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []any{&format.Lab{}, &format.Testbed{}, &format.Var{}, &format.Setup{}, &format.NodeCommand{}, &format.Step{}, &format.Memory{}, &format.When{}, &format.Picture{}, &format.Source{}, &format.Way{}} {
		for _, f := range docs.Undocumented(part) {
			t.Errorf("%T: the field %s is documented neither by itself nor by its type", part, f)
		}
		for _, f := range strict.FieldsOf(part) {
			if !regexp.MustCompile(`\b` + f.Name + `:`).Match(outline) {
				t.Errorf("the outline in doc.go has no %s of %T", f.Name, part)
			}
		}
	}
}
