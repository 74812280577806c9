package images

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"

	"noriter.dev/noriter/internal/lang"
)

// Of Debian's packages, licences oblige us to pass their copyright files on, and who
// wants their source needs their versions. No image has these files: they stay with
// Debian's files in the cache.
const (
	docs = "usr/share/doc/"
	// packageList has a line for each package: name, version, and the place of its
	// copyright file.
	packageList = "packages"
)

// documents says whether a file tells a package's copyright, or its version: the
// newest entry of its changelog.
func documents(p string) bool {
	rest, below := strings.CutPrefix(p, docs)
	_, name, inFolder := strings.Cut(rest, "/")
	return below && inFolder && (name == "copyright" || strings.HasPrefix(name, "changelog.Debian"))
}

// notePackages writes the list of the packages whose files the tree has, and of nginx
// of the release before, and takes their changelogs away.
func (t *tree) notePackages(old *tree) error {
	for p, f := range old.files {
		if documents(p) {
			t.put("old/"+p, f)
		}
	}
	versions := map[string]string{} // by folder
	for p, f := range t.files {
		if !strings.HasPrefix(path.Base(p), "changelog.Debian") || !f.mode.IsRegular() {
			continue
		}
		version, err := changelogVersion(f.content)
		if err != nil {
			return lang.Errorf("reading %s: %w", "%s 읽기: %w", p, err)
		}
		// A package that was only built again says so in a changelog of its processor,
		// beside the one of its source; its version is the longer one.
		if dir := path.Dir(p); len(version) > len(versions[dir]) {
			versions[dir] = version
		}
		delete(t.files, p)
	}
	var lines []string
	for dir, version := range versions {
		lines = append(lines, fmt.Sprintf("%s %s %s/copyright\n", path.Base(dir), version, dir))
	}
	slices.Sort(lines)
	t.add(packageList, 0o644, []byte(strings.Join(lines, "")))
	return nil
}

// changelogVersion is the version in the first line of a changelog:
// "nginx (1.26.3-3) unstable; urgency=medium".
func changelogVersion(packed []byte) (string, error) {
	z, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return "", err
	}
	line, err := bufio.NewReader(z).ReadString('\n')
	if err != nil {
		return "", err
	}
	_, rest, _ := strings.Cut(line, " (")
	version, _, ok := strings.Cut(rest, ")")
	if !ok {
		return "", lang.Errorf("no version in %q", "%q에 버전이 없습니다", line)
	}
	return version, nil
}

// Package is a package of Debian's some of whose files are in images.
type Package struct {
	Name, Version string
	// Copyright is the text of its copyright file.
	Copyright string
}

// Packages lists the packages that the images of the cache are made of.
func Packages(o Options) ([]Package, error) {
	f, err := os.Open(debianArchive(o))
	if err != nil {
		return nil, lang.Errorf("listing Debian's packages: %w", "데비안 패키지 나열: %w", err)
	}
	defer f.Close()
	t, err := readTree(f, func(p string) bool { return p == packageList || path.Base(p) == "copyright" })
	if err != nil {
		return nil, err
	}
	var all []Package
	for line := range strings.Lines(string(t.files[packageList].content)) {
		var p Package
		var copyright string
		if _, err := fmt.Sscan(line, &p.Name, &p.Version, &copyright); err != nil {
			return nil, lang.Errorf("listing Debian's packages: %q: %w", "데비안 패키지 나열: %q: %w", line, err)
		}
		_, file, err := t.resolve(copyright)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		p.Copyright = string(file.content)
		all = append(all, p)
	}
	return all, nil
}
