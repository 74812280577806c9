package testbed

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/provision/seal"
	"noriter.dev/noriter/provision/step"
)

// TestFailedStepReadsTheCache: damage that no look shows is found when a step fails, and
// then a look shows it, too.
func TestFailedStepReadsTheCache(t *testing.T) {
	t.Setenv("NORI_CACHE", t.TempDir())
	b := bedOf(t, "node1")
	b.bundle = t.TempDir()
	files := []string{"images.json", "images.tar", "base.tar", "dns.tar", "apps.tar", "seed.tar"}
	for _, name := range files {
		if err := os.WriteFile(filepath.Join(b.bundle, name), []byte(`{"version":1}`), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	s, err := seal.Make(b.bundle, files...)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Write(filepath.Join(b.bundle, "seal.json")); err != nil {
		t.Fatal(err)
	}
	var boom error = errors.New("ctr: unrecognized image format")
	run := func() error {
		fails := step.Step{ID: "images", Title: lang.Text{EN: "Images", KO: "이미지"}, Run: func(context.Context, func(string)) error { return boom }}
		return b.run(t.Context(), []step.Step{fails}, func(step.Event) {})
	}
	var known *Mendable
	if err := run(); !errors.Is(err, boom) || errors.As(err, &known) {
		t.Errorf("with whole images: %v", err)
	}
	path := filepath.Join(b.bundle, "apps.tar")
	fi, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.WriteFile(path, []byte("garbage is it"), 0o644), os.Chtimes(path, fi.ModTime(), fi.ModTime())); err != nil {
		t.Fatal(err)
	}
	if err := run(); !errors.Is(err, boom) || !errors.As(err, &known) || !strings.Contains(err.Error(), "apps.tar holds other bytes") {
		t.Errorf("with a damaged one: %v", err)
	}
	boom = &Mendable{Err: boom, Remedy: lang.Text{EN: "type this", KO: "이것을 입력하세요"}}
	if err := run(); strings.Contains(err.Error(), "holds other bytes") {
		t.Errorf("where it is known what mends it: %v", err)
	}
	if kept, err := seal.Read(filepath.Join(b.bundle, "seal.json")); err != nil {
		t.Error(err)
	} else if _, err := kept.Check(b.bundle); err == nil {
		t.Error("a look does not show it")
	}
}
