package e2e

import (
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"noriter.dev/noriter/internal/turn"
)

// TestPackage makes the package of the programs in bin/ and installs it on a Debian that
// has what the package depends on and no more: no Go, no source, no network.
func TestPackage(t *testing.T) {
	needMachines(t)
	cases := map[string]func(*testing.T, release){
		"installed on Debian 12": func(t *testing.T, r release) { installed(t, newHost(t, r, "bookworm"), r) },
		"installed on Debian 13": func(t *testing.T, r release) { installed(t, newHost(t, r, "trixie"), r) },
		"unpacked on Debian 12":  func(t *testing.T, r release) { unpacked(t, newHost(t, r, "bookworm"), r) },
		"made again":             madeAgain,
	}
	names := []string{"installed on Debian 12", "installed on Debian 13", "unpacked on Debian 12", "made again"}
	for _, name := range turn.Mine("package in a clean root", names, 1) {
		t.Run(name, func(t *testing.T) { cases[name](t, makeRelease(t, cache())) })
	}
}

// release is what `make package` makes.
type release struct{ dir, deb, archive string }

// makeRelease packs the programs in bin/, and the images of a cache.
func makeRelease(t *testing.T, cache string) release {
	t.Helper()
	r := release{dir: t.TempDir()}
	c := exec.Command(filepath.Join(repo(t), ".ci", "release"))
	c.Env = append(os.Environ(), "OUT="+filepath.Join(r.dir, "out"), "PROGRAMS="+filepath.Join(repo(t), "bin"), "NORI_CACHE="+cache)
	begin := time.Now()
	out, err := c.CombinedOutput()
	if err != nil {
		t.Fatalf("making the package: %v\n%s", err, out)
	}
	t.Logf("made in %.0f s:\n%s", time.Since(begin).Seconds(), out)
	r.deb, r.archive = one(t, r.dir+"/out/*.deb"), one(t, r.dir+"/out/*.tar.gz")
	for _, f := range []string{r.deb, r.archive} {
		if fi, err := os.Stat(f); err != nil || fi.Size() > 700e6 {
			t.Errorf("%s is larger than 700 MB: %v, %v", f, fi, err)
		}
	}
	sums := exec.Command("sha256sum", "--check", "--strict", "SHA256SUMS")
	sums.Dir = filepath.Dir(r.deb)
	if out, err := sums.CombinedOutput(); err != nil || strings.Count(string(out), ": OK") != 2 {
		t.Errorf("checksums: %v\n%s", err, out)
	}
	return r
}

func one(t *testing.T, pattern string) string {
	t.Helper()
	found := glob(pattern)
	if len(found) != 1 {
		t.Fatalf("%s: %q", pattern, found)
	}
	return found[0]
}

// madeAgain makes everything once more, from Debian's packages on, and compares.
func madeAgain(t *testing.T, first release) {
	cache := t.TempDir()
	second := makeRelease(t, cache)
	for a, b := range map[string]string{first.deb: second.deb, first.archive: second.archive} {
		if one, two := sum(t, a), sum(t, b); filepath.Base(a) != filepath.Base(b) || one != two {
			t.Errorf("%s: %s\n%s: %s", a, one, b, two)
		}
	}
}

func sum(t *testing.T, file string) string {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%x", sha256.Sum256(b))
}

// installed goes the way of somebody with the Debian package.
func installed(t *testing.T, h *host, r release) {
	before := h.state()
	begin := time.Now()
	h.run("dpkg", "-i", "/mnt/"+filepath.Base(r.deb))
	h.run("nori", "doctor")
	t.Log(h.run("nori", "--plain", "up"))
	t.Logf("from dpkg -i to Ready: %.1f s", time.Since(begin).Seconds())
	if out := h.run("nori", "kubectl", "get", "nodes", "--no-headers"); strings.Count(out, " Ready ") != 3 {
		t.Errorf("nodes:\n%s", out)
	}
	if out := h.run("nori", "version"); !strings.HasPrefix(out, "nori ") || strings.Contains(out, "source") {
		t.Errorf("nori version says %q", out)
	}
	for _, absent := range []string{"go", "git", "python3", "mmdebstrap", "kubectl"} {
		if out, err := h.try("sh", "-c", "command -v "+absent); err == nil {
			t.Errorf("the host has %s: %s", absent, out)
		}
	}
	h.run("sh", "-c", `for f in man/man1/nori.1.gz man/ko/man1/nori-up.1.gz bash-completion/completions/nori zsh/vendor-completions/_nori \
fish/vendor_completions.d/nori.fish doc/noriter/copyright doc/noriter/licences.txt.gz; do test -s /usr/share/$f || { echo "no $f"; exit 1; }; done
grep -q "^machine *systemd " /usr/share/doc/noriter/contents.txt && bash -n /usr/share/bash-completion/completions/nori`)
	begin = time.Now() // this lab asks for the host's own curl and openssl
	t.Log(h.run("nori", "--plain", "lab", "prove", "--ways", "solution", "ingress"))
	t.Logf("the solution of a lab: %.1f s", time.Since(begin).Seconds())

	if out, err := h.try("dpkg", "-r", "noriter"); err == nil || !strings.Contains(out, "nori --name "+hostBed+" down") {
		t.Errorf("removing the package below a running testbed: %v\n%s", err, out)
	}
	h.run("nori", "down")
	h.run("dpkg", "-r", "noriter")
	h.run("dpkg", "-P", "noriter")
	compareHost(t, before, h.state())
}

// unpacked goes the way of somebody with the archive.
func unpacked(t *testing.T, h *host, r release) {
	before := h.state()
	begin := time.Now()
	h.run("sh", "-c", "mkdir /opt/x && tar -xzf /mnt/"+filepath.Base(r.archive)+" -C /opt/x")
	t.Log(h.run("sh", "-c", "cd /opt/x/noriter-* && ./nori --plain up"))
	t.Logf("from the archive to Ready: %.1f s", time.Since(begin).Seconds())
	if out := h.run("sh", "-c", "/opt/x/*/bin/nori kubectl get nodes --no-headers"); strings.Count(out, " Ready ") != 3 {
		t.Errorf("nodes:\n%s", out)
	}
	h.run("sh", "-c", "/opt/x/*/nori down")
	// A stock that is not whole is said to be so: nobody looks for a mirror.
	h.run("sh", "-c", "rm -r /var/lib/noriter/* && truncate -s 1M /opt/x/*/share/noriter/images/image-*")
	if out, err := h.try("sh", "-c", "/opt/x/*/nori --plain up"); exitCode(err) != 3 || !strings.Contains(out, "which came with nori, is damaged") || strings.Contains(out, "mmdebstrap") {
		t.Errorf("a damaged image: %v\n%s", err, out)
	}
	h.run("sh", "-c", "rm -r /opt/x /var/lib/noriter/*")
	compareHost(t, before, h.state())
}
