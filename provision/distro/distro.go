// Package distro knows the distributions of Linux that a host may have: how each
// installs packages, what the packages are called that have what Noriter needs
// (packages.txt), and whether Noriter was ever tried there.
package distro

import (
	_ "embed"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"noriter.dev/noriter/internal/lang"
)

// Family is distributions whose packages have the same names and are installed
// in the same way.
type Family struct {
	// ID is that of os-release(5), and the column's name in packages.txt.
	ID string
	// Manager is the program that installs packages, and Install and Refresh are
	// its arguments to install them without a question, and to learn what there is.
	Manager          string
	Install, Refresh []string
	// Query is the command that tells the versions of packages that are installed.
	Query []string
	// Tried are the releases on which Noriter's tests have run.
	Tried []string
}

// families are those whose packages' names are known, a row each.
var families = []Family{
	{ID: "debian", Manager: "apt-get", Install: aptInstall, Refresh: []string{"update"}, Query: dpkg, Tried: []string{"12", "13"}},
	{ID: "ubuntu", Manager: "apt-get", Install: aptInstall, Refresh: []string{"update"}, Query: dpkg},
	{ID: "fedora", Manager: "dnf", Install: []string{"install", "-y"}, Refresh: []string{"makecache"}, Query: []string{"rpm", "-q"}},
}

var (
	dpkg = []string{"dpkg-query", "-W"}
	// Unattended upgrades hold the lock for some time, each day.
	aptInstall = []string{"install", "-y", "--no-install-recommends", "-o", "DPkg::Lock::Timeout=120"}
)

// Release is the distribution of a host, as its os-release(5) tells.
type Release struct {
	// ID and Version are words such as debian and 12; Like are the IDs of what
	// the distribution is made from, the nearest first.
	ID, Version string
	Like        []string
	// Name is for people: "Debian GNU/Linux 12 (bookworm)".
	Name string
}

// Of reads what is installed below a root folder. A host that does not tell is
// the zero Release.
func Of(root string) Release {
	var r Release
	for _, file := range []string{"etc/os-release", "usr/lib/os-release"} {
		data, err := os.ReadFile(filepath.Join(root, file))
		if err != nil {
			continue // os-release(5): the second is for those who lack the first
		}
		for line := range strings.Lines(string(data)) {
			key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
			value = strings.Trim(value, `"'`)
			switch key {
			case "ID":
				r.ID = value
			case "VERSION_ID":
				r.Version = value
			case "ID_LIKE":
				r.Like = strings.Fields(value)
			case "PRETTY_NAME":
				r.Name = value
			}
		}
		break
	}
	if r.Name == "" {
		r.Name = strings.TrimSpace(r.ID + " " + r.Version)
	}
	return r
}

// Family is the row for the release, or for the nearest of those that it is made
// from; ok is false where the names of its packages are not known.
func (r Release) Family() (f Family, ok bool) {
	for _, id := range append([]string{r.ID}, r.Like...) {
		if i := slices.IndexFunc(families, func(f Family) bool { return f.ID == id }); i >= 0 {
			return families[i], true
		}
	}
	return Family{}, false
}

// Tried says whether Noriter's tests have run on this release.
func (r Release) Tried() bool {
	f, ok := r.Family()
	return ok && f.ID == r.ID && slices.Contains(f.Tried, r.Version)
}

// TriedNames lists the releases on which they have, for people.
func TriedNames() string {
	var out []string
	for _, f := range families {
		for _, v := range f.Tried {
			out = append(out, strings.ToUpper(f.ID[:1])+f.ID[1:]+" "+v)
		}
	}
	return strings.Join(out, ", ")
}

//go:embed packages.txt
var packages string

// table is packages.txt: need → family → package.
var table = parse(packages)

func parse(text string) map[string]map[string]string {
	out := map[string]map[string]string{}
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		if len(f) != 2+len(families) || strings.HasPrefix(f[0], "#") {
			continue
		}
		row := map[string]string{}
		for i, name := range f[2:] {
			if name != "-" {
				row[families[i].ID] = name
			}
		}
		out[f[1]] = row
	}
	return out
}

// Packages are the packages that have what is needed, in the family's names.
func (f Family) Packages(needs ...string) (names []string) {
	for _, n := range needs {
		if p := table[n][f.ID]; p != "" && !slices.Contains(names, p) {
			names = append(names, p)
		}
	}
	return names
}

// Needs are all that Noriter needs of packages.
func Needs() []string { return slices.Sorted(maps.Keys(table)) }

// Remedy is the command that installs what is needed. Where the packages' names
// are not known, it says what the programs are, and a way around.
func (r Release) Remedy(root bool, needs ...string) string {
	f, ok := r.Family()
	names := f.Packages(needs...)
	if !ok || len(names) == 0 {
		return lang.Textf("vagrant up   # a Debian host; or find the packages with: %s", "vagrant up   # Debian 호스트를 만듭니다. 또는 다음이 든 패키지를 찾으세요: %s",
			strings.Join(needs, ", ")).String()
	}
	sudo := ""
	if !root {
		sudo = "sudo "
	}
	return sudo + f.Manager + " install " + strings.Join(names, " ")
}

// Remedy is the command that installs what is needed on this host.
func Remedy(needs ...string) string { return Of("/").Remedy(os.Geteuid() == 0, needs...) }
