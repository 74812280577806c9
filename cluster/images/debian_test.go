package images

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestPackagesComeTheHostsWay: behind a proxy for apt, container images are fetched
// through it, as the node image is.
func TestPackagesComeTheHostsWay(t *testing.T) {
	bin := t.TempDir()
	said := filepath.Join(bin, "said")
	for name, script := range map[string]string{
		"mmdebstrap": "#!/bin/sh\nprintf '%s\\n' \"$@\" >" + said + "\nexit 1\n",
		"apt-config": "#!/bin/sh\necho 'Acquire::http::Proxy \"http://127.0.0.1:3142\";'\n",
	} {
		if err := os.WriteFile(filepath.Join(bin, name), []byte(script), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", bin+":"+os.Getenv("PATH"))
	if _, err := fetch(t.Context(), Options{Mirror: "http://mirror.example/debian"}, "trixie", "nginx", nil); err == nil {
		t.Error("a fetch that failed is taken for one")
	}
	args, err := os.ReadFile(said)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`--aptopt=Acquire::http::Proxy "http://127.0.0.1:3142"`, "http://mirror.example/debian"} {
		if !strings.Contains(string(args), want+"\n") {
			t.Errorf("mmdebstrap is not told %s:\n%s", want, args)
		}
	}
}
