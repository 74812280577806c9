package ingress

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the golden files anew")

// boilerplate is the same in every location; one.conf shows it.
var boilerplate = regexp.MustCompile(`(?m)^ *(proxy_set_header|proxy_next[a-z_]*|proxy_http_version|proxy_redirect|proxy_buffering|set \$proxy_[a-z_]*) .*\n|^ *proxy_(connect|send)_timeout .*\n`)

// TestGolden holds the text written for the worlds in testdata against what was
// reviewed once. At its end stand the events that the Ingresses get.
func TestGolden(t *testing.T) {
	worlds, err := filepath.Glob("testdata/*.yaml")
	if err != nil || len(worlds) == 0 {
		t.Fatalf("no worlds in testdata: %v", err)
	}
	for _, path := range worlds {
		name := strings.TrimSuffix(filepath.Base(path), ".yaml")
		t.Run(name, func(t *testing.T) {
			config, problems := build(readWorld(t, readFile(t, path)))
			content, sum := write(config, defaultSettings())
			text := strings.ReplaceAll(string(content), sum, "SUM")
			if name != "one" {
				_, text, _ = strings.Cut(text, "\"\" $request_id;\n    }\n")
				text, _, _ = strings.Cut(text, "\n    # For the controller")
				text = boilerplate.ReplaceAllString(text, "")
			}
			for _, p := range problems {
				text += fmt.Sprintf("# %s %s: %s\n", key(p.Ingress), p.Reason, p.Message)
			}
			golden := strings.TrimSuffix(path, ".yaml") + ".conf"
			if *update {
				if err := os.WriteFile(golden, []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if want := string(readFile(t, golden)); text != want {
				t.Errorf("%s differs (go test -update writes it anew):\n%s", golden, text)
			}
		})
	}
}

func TestWriteIsAFunction(t *testing.T) {
	w := readWorld(t, readFile(t, "testdata/paths.yaml"))
	first, sum := write(must(build(w)), defaultSettings())
	for range 20 {
		again, other := write(must(build(w)), defaultSettings())
		if string(first) != string(again) || sum != other {
			t.Fatal("the same world was written in two ways")
		}
	}
}

func must(c nginxConfig, _ []problem) nginxConfig { return c }
