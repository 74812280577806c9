package distro

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// host has an os-release.
func host(t *testing.T, file, content string) string {
	t.Helper()
	root := t.TempDir()
	path := filepath.Join(root, file)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
	return root
}

const (
	debian = "PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nVERSION_ID=\"12\"\nID=debian\n"
	ubuntu = "PRETTY_NAME=\"Ubuntu 24.04.3 LTS\"\nVERSION_ID=\"24.04\"\nID=ubuntu\nID_LIKE=debian\n"
	mint   = "NAME=\"Linux Mint\"\nPRETTY_NAME=\"Linux Mint 22\"\nID=linuxmint\nID_LIKE=\"ubuntu debian\"\nVERSION_ID=\"22\"\n"
	fedora = "NAME=\"Fedora Linux\"\nID=fedora\nVERSION_ID=43\nPRETTY_NAME=\"Fedora Linux 43 (Server Edition)\"\n"
	rocky  = "ID=\"rocky\"\nID_LIKE=\"rhel centos fedora\"\nVERSION_ID=\"9.4\"\nPRETTY_NAME='Rocky Linux 9.4 (Blue Onyx)'\n"
	alpine = "ID=alpine\nVERSION_ID=3.20.0\n"
)

func TestRemedies(t *testing.T) {
	for _, c := range []struct {
		name, release, shown string
		tried                bool
		remedy               string
	}{
		{"Debian 12", debian, "Debian GNU/Linux 12 (bookworm)", true, "sudo apt-get install systemd-container qemu-utils iproute2"},
		{"an older Debian", strings.Replace(debian, `"12"`, `"11"`, 1), "Debian GNU/Linux 12 (bookworm)", false, "sudo apt-get install systemd-container qemu-utils iproute2"},
		{"Ubuntu", ubuntu, "Ubuntu 24.04.3 LTS", false, "sudo apt-get install systemd-container qemu-utils iproute2"},
		{"what is made from Ubuntu", mint, "Linux Mint 22", false, "sudo apt-get install systemd-container qemu-utils iproute2"},
		{"Fedora", fedora, "Fedora Linux 43 (Server Edition)", false, "sudo dnf install systemd-container qemu-img iproute"},
		{"what is made from Fedora", rocky, "Rocky Linux 9.4 (Blue Onyx)", false, "sudo dnf install systemd-container qemu-img iproute"},
		{"no row", alpine, "alpine 3.20.0", false, "vagrant up   # a Debian host; or find the packages with: systemd-nspawn, qemu-img, ip"},
		{"nothing", "", "", false, "vagrant up   # a Debian host; or find the packages with: systemd-nspawn, qemu-img, ip"},
	} {
		r := Of(host(t, "etc/os-release", c.release))
		if r.Name != c.shown || r.Tried() != c.tried {
			t.Errorf("%s: is %q, tried: %v; want %q, %v", c.name, r.Name, r.Tried(), c.shown, c.tried)
		}
		if got := r.Remedy(false, "systemd-nspawn", "qemu-img", "ip"); got != c.remedy {
			t.Errorf("%s: remedy %q, want %q", c.name, got, c.remedy)
		}
	}
	if got := Of(host(t, "usr/lib/os-release", fedora)).Remedy(true, "nft"); got != "dnf install nftables" {
		t.Errorf("as root, and told in the second place: %q", got)
	}
	if got := Of(t.TempDir()); got.ID != "" || got.Tried() {
		t.Errorf("a host that does not tell is %+v", got)
	}
}

// TestTable holds the file to its form: what has a column too few would be left out in
// silence, there and in .ci/deps.
func TestTable(t *testing.T) {
	seen := map[string]bool{}
	rows := 0
	for i, line := range strings.Split(packages, "\n") {
		f := strings.Fields(line)
		if strings.HasPrefix(line, "# when") {
			for i, family := range families {
				if len(f) != 3+len(families) || f[3+i] != family.ID {
					t.Errorf("line %d: the columns are %v, not those of the families", i+1, f)
				}
			}
		}
		if len(f) == 0 || strings.HasPrefix(line, "#") {
			continue
		}
		rows++
		switch {
		case len(f) != 2+len(families):
			t.Errorf("line %d has %d columns: %s", i+1, len(f), line)
		case f[0] != "run" && f[0] != "test":
			t.Errorf("line %d: needed when? %s", i+1, line)
		case seen[f[1]]:
			t.Errorf("line %d: %s comes twice", i+1, f[1])
		case f[2] == "-" && f[3] == "-" && f[4] == "-":
			t.Errorf("line %d: no family has %s", i+1, f[1])
		}
		seen[f[1]] = true
	}
	if rows == 0 || rows != len(table) {
		t.Errorf("%d rows are read as %d", rows, len(table))
	}
}

// TestDebianPackageAgrees: what our own Debian package asks for is what the table calls
// so, and is installed by .ci/deps, too.
func TestDebianPackageAgrees(t *testing.T) {
	data, err := os.ReadFile("../../.ci/package/nfpm.yaml")
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{"man-db": true} // which shows the manual that only the package has
	for _, row := range table {
		known[row["debian"]] = true
	}
	asked, list := 0, ""
	for line := range strings.Lines(string(data)) {
		if key, _, ok := strings.Cut(line, ":"); ok && !strings.HasPrefix(line, " ") {
			list = key
		}
		name, ok := strings.CutPrefix(strings.TrimSpace(line), "- ")
		if !ok || list != "depends" && list != "recommends" && list != "suggests" {
			continue
		}
		asked++
		if !known[name] {
			t.Errorf("the package %s %s, which is not in packages.txt", list, name)
		}
	}
	if asked < 5 {
		t.Errorf("only %d packages were found", asked)
	}
}
