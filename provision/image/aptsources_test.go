package image

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestSources(t *testing.T) {
	deb822 := `# a comment
Types: deb deb-src
URIs: http://mirror.example/debian
Suites: bookworm bookworm-updates
Components: main contrib

Types: deb
URIs: http://mirror.example/debian-security/
Suites: bookworm-security
Components:
 main

Types: deb
URIs: https://other.example/node
Suites: nodistro
Components: main

Enabled: no
Types: deb
URIs: http://off.example/debian
Suites: bookworm
Components: main
`
	got := strings.Join(sourcesFor(parseDeb822(deb822), "bookworm", "trixie"), "\n")
	want := "deb http://mirror.example/debian trixie main\ndeb http://mirror.example/debian trixie-updates main\n" +
		"deb http://mirror.example/debian-security/ trixie-security main"
	if got != want {
		t.Errorf("deb822: got\n%s\nwant\n%s", got, want)
	}
	list := `deb [arch=amd64 signed-by=/x] http://mirror.example/debian bookworm main # x
deb-src http://mirror.example/debian bookworm main
deb https://vendor.example/apt cloud-sdk-bookworm main
deb http://vendor.example/debian bookworm stable`
	got = strings.Join(sourcesFor(parseList(list), "bookworm", "trixie"), "\n")
	if want := "deb http://mirror.example/debian trixie main\ndeb http://mirror.example/debian trixie-updates main"; got != want {
		t.Errorf("list: got\n%s\nwant\n%s", got, want)
	}
	etc := t.TempDir()
	if err := os.WriteFile(filepath.Join(etc, "os-release"), []byte("ID=ubuntu\nVERSION_CODENAME=noble\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if lines, err := hostSources(etc, "trixie"); err != nil || lines != nil {
		t.Errorf("a host that is no Debian: %q, %v", lines, err)
	}
}

func FuzzSources(f *testing.F) {
	f.Add("deb [a=b] http://x/debian bookworm main\n")
	f.Add("Types: deb\nURIs: http://x/debian\nSuites: bookworm\nComponents: main\n\n")
	f.Fuzz(func(t *testing.T, s string) {
		for _, entries := range [][]aptEntry{parseList(s), parseDeb822(s)} {
			for _, line := range sourcesFor(entries, "bookworm", "trixie") {
				if len(strings.Fields(line)) != 4 || !strings.HasPrefix(line, "deb http") {
					t.Errorf("%q gives the line %q", s, line)
				}
			}
		}
	})
}
