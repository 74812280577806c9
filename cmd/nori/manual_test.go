package main

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"noriter.dev/noriter/internal/lang"
)

// TestManual: each command has a page, those that no help lists have none, and the
// Korean pages are Korean.
func TestManual(t *testing.T) {
	for _, language := range []string{lang.English, lang.Korean} {
		lang.Set(language)
		t.Cleanup(func() { lang.Set(lang.English) })
		g := &globals{stdin: strings.NewReader(""), stdout: io.Discard, stderr: io.Discard}
		dir := filepath.Join(t.TempDir(), "man")
		root := newRootCommand(g)
		root.SetArgs([]string{"manual", dir})
		if err := root.Execute(); err != nil {
			t.Fatal(err)
		}
		for page, want := range map[string]string{"nori": "nori-up(1)", "nori-up": "--driver", "nori-lab-start": "nori-lab(1)", "nori-version": "Kubernetes"} {
			text, err := os.ReadFile(filepath.Join(dir, page+".1"))
			plain := strings.NewReplacer(`\-`, "-", `\fB`, "", `\fP`, "", "쿠버네티스", "Kubernetes").Replace(string(text))
			if err != nil || !strings.Contains(plain, want) {
				t.Errorf("%s.1 in %s does not name %s: %v\n%s", page, language, want, err, plain)
			}
			if korean := strings.Contains(plain, ".SH 이름") && !strings.Contains(plain, ".SH NAME"); korean != (language == lang.Korean) {
				t.Errorf("%s.1 in %s begins with:\n%.200s", page, language, plain)
			}
		}
		if _, err := os.Stat(filepath.Join(dir, "nori-manual.1")); err == nil {
			t.Error("the hidden command has a page")
		}
	}
}
