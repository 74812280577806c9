package skeleton

import (
	"errors"
	"os"
	"testing"

	"noriter.dev/noriter/labs/format"
)

// TestSkeletonLints makes a lab and reads it as strictly as any other.
func TestSkeletonLints(t *testing.T) {
	dir := t.TempDir()
	if _, err := Write(dir, "my-first"); err != nil {
		t.Fatal(err)
	}
	if err := format.Lint(os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	lab, err := format.Load(os.DirFS(dir), "my-first")
	if err != nil || lab.ID != "my-first" || len(lab.Wrong) == 0 || len(lab.Other) == 0 {
		t.Fatalf("%+v, %v", lab, err)
	}
	if _, err := Write(dir, "my-first"); !errors.Is(err, os.ErrExist) {
		t.Errorf("written over: %v", err)
	}
	for _, bad := range []string{"", "My", "a--b", "../x", "a/b"} {
		if _, err := Write(dir, bad); !errors.Is(err, ErrName) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}
