package release

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"noriter.dev/noriter/cluster/images"
	"noriter.dev/noriter/provision/filesum"
	"noriter.dev/noriter/provision/image"
	"noriter.dev/noriter/provision/stock"
)

// docs is the folder of the release's documents.
const docs = "share/doc/noriter"

// part is something that others made and that is inside: a line of the list.
type part struct {
	// kind is what it is: go, or deb with where its files are.
	kind, name, version string
	// licences are the texts that go with it, by the names of their files.
	licences []licence
}

// licence is a text, and the short names of the licences in it.
type licence struct {
	file, text string
	short      []string
}

// addContents writes the list of what is inside (contents.txt), and the licences of it
// all (licences.txt).
func addContents(ctx context.Context, o Options) error {
	modules, err := goModules(ctx, o)
	if err != nil {
		return err
	}
	img, ok := image.Find(o.Cache)
	if !ok {
		return errors.New("the machine image is not in the cache")
	}
	machine, err := machinePackages(img)
	if err != nil {
		return err
	}
	containers, err := containerPackages(o)
	if err != nil {
		return err
	}
	parts := append(append(modules, machine...), containers...)
	common, err := commonLicences(img)
	if err != nil {
		return err
	}
	list, err := contents(ctx, o, img, parts)
	if err != nil {
		return err
	}
	own, err := os.ReadFile(filepath.Join(o.Repo, "LICENSE"))
	if err != nil {
		return err
	}
	return errors.Join(
		o.put(filepath.Join(docs, "contents.txt"), list),
		o.putPacked(filepath.Join(docs, "licences.txt"), texts(append(parts, common...))),
		o.put(filepath.Join(docs, "copyright"), append([]byte(ownCopyright), own...)))
}

// ownCopyright is what the folder of a Debian package begins with.
const ownCopyright = `Noriter's own licence is below. It comes with programs and libraries of others:
contents.txt beside this file lists each with its version and licence, licences.txt.gz
has the licences' texts. The source of each Debian package is in Debian's archive under
the version that is listed.

`

// contents is the list: a line for each program, image and part, in columns.
func contents(ctx context.Context, o Options, img image.Image, parts []part) ([]byte, error) {
	var b bytes.Buffer
	fmt.Fprintf(&b, "noriter %s\ncommit %s\n\n# programs: SHA-256, bytes, name\n", o.Version, o.Commit)
	if err := listFiles(&b, filepath.Join(o.Tree, stock.Programs), ""); err != nil {
		return nil, err
	}
	b.WriteString("\n# images: SHA-256, bytes, name\n")
	if err := listFiles(&b, filepath.Join(o.Tree, stock.Images), ".zst"); err != nil {
		return nil, err
	}
	bundle, err := images.Build(ctx, o.images())
	if err != nil {
		return nil, err
	}
	b.WriteString("\n# container images: digest, names\n")
	for _, i := range bundle.Images {
		fmt.Fprintf(&b, "%s  %s\n", i.Digest, strings.Join(i.Refs, " "))
	}
	manifest, err := img.Manifest()
	if err != nil {
		return nil, err
	}
	fmt.Fprintf(&b, "\n# what is inside (go: in the programs; machine: in the machine image, Debian %s, Linux %s;\n", manifest.Suite, manifest.Kernel)
	b.WriteString("# container: in container images): where, name, version, licences\n")
	for _, p := range parts {
		fmt.Fprintf(&b, "%-9s  %s  %s  %s\n", p.kind, p.name, p.version, strings.Join(p.short(), ", "))
	}
	return b.Bytes(), nil
}

func listFiles(b *bytes.Buffer, dir, ending string) error {
	names, err := programs(dir)
	if err != nil {
		return err
	}
	for _, name := range names {
		if !strings.HasSuffix(name, ending) {
			continue
		}
		sum, err := filesum.Of(filepath.Join(dir, name))
		if err != nil {
			return err
		}
		fmt.Fprintf(b, "%s  %10d  %s\n", sum.SHA256, sum.Size, name)
	}
	return nil
}

// machinePackages are Debian's packages in the machine image.
func machinePackages(img image.Image) (parts []part, err error) {
	manifest, err := img.Manifest()
	if err != nil {
		return nil, err
	}
	for _, line := range manifest.Packages {
		name, version, _ := strings.Cut(line, " ")
		text, err := os.ReadFile(filepath.Join(img.Root, "usr/share/doc", name, "copyright"))
		if err != nil {
			return nil, fmt.Errorf("the licence of Debian's package %s: %w", name, err)
		}
		parts = append(parts, part{kind: "machine", name: name, version: version, licences: debianLicence(string(text))})
	}
	return parts, nil
}

// containerPackages are those whose files container images are made of.
func containerPackages(o Options) (parts []part, err error) {
	all, err := images.Packages(o.images())
	if err != nil {
		return nil, err
	}
	for _, p := range all {
		if p.Copyright == "" {
			return nil, fmt.Errorf("package %s of Debian has no licence", p.Name)
		}
		parts = append(parts, part{kind: "container", name: p.Name, version: p.Version, licences: debianLicence(p.Copyright)})
	}
	return parts, nil
}

// commonLicences are the texts that Debian's copyright files refer to.
func commonLicences(img image.Image) (parts []part, err error) {
	const dir = "usr/share/common-licenses"
	entries, err := os.ReadDir(filepath.Join(img.Root, dir))
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		if e.Type()&fs.ModeSymlink != 0 {
			continue // another name of one that is there
		}
		text, err := os.ReadFile(filepath.Join(img.Root, dir, e.Name()))
		if err != nil {
			return nil, err
		}
		parts = append(parts, part{kind: "text", name: "/" + dir + "/" + e.Name(), licences: []licence{{file: e.Name(), text: string(text)}}})
	}
	return parts, nil
}
