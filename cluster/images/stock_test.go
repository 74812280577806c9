package images

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"noriter.dev/noriter/internal/build"
	"noriter.dev/noriter/provision/stock"
)

// TestBuildFromStock: with a stock nothing is fetched or built, what was unpacked is
// not taken for an old build, and other programs make other images all the same.
func TestBuildFromStock(t *testing.T) {
	c := newFakeBuild(t)
	made := c.build()
	items, err := made.StockItems(c.options)
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "stock")
	if c.options.Stock, err = stock.Pack(t.Context(), dir, "1", c.options.CacheDir, items...); err != nil {
		t.Fatal(err)
	}
	c.options.CacheDir = t.TempDir()
	for i := range keepBuilds {
		c.options.Stock, c.fetched = stock.Stock{}, 0 // builds of other programs
		if err := os.WriteFile(filepath.Join(c.options.BinDir, "hello"), fmt.Appendf(nil, "other %d", i), 0o755); err != nil {
			t.Fatal(err)
		}
		c.build()
	}
	if c.options.Stock, err = stock.Open(dir); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(c.options.BinDir, "hello"), []byte("hello"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, archive := range []string{debianArchive(c.options), archiveSeal(debianArchive(c.options))} {
		if err := os.Remove(archive); err != nil {
			t.Fatal(err)
		}
	}
	c.fetched, c.baked = 0, 0
	b := c.build()
	if c.fetched+c.baked > 0 || fmt.Sprint(b.Images) != fmt.Sprint(made.Images) || b.Nori != build.Version() {
		t.Errorf("fetched %d and built %d times, got %+v of nori %q", c.fetched, c.baked, b.Images, b.Nori)
	}
	if again := c.build(); c.baked > 0 || again.Dir != b.Dir {
		t.Errorf("built %d times afterwards", c.baked)
	}
	// A damaged one comes from the stock again.
	if err := os.Truncate(b.Apps, 5); err != nil {
		t.Fatal(err)
	}
	if c.build(); c.fetched+c.baked > 0 {
		t.Errorf("after damage fetched %d and built %d times", c.fetched, c.baked)
	}
}

// TestStockTellsNothingOfItsMaker: which nori built the images is not packed, so that
// the same images give the same bytes.
func TestStockTellsNothingOfItsMaker(t *testing.T) {
	c := newFakeBuild(t)
	b := c.build()
	b.Nori = "another"
	items, err := b.StockItems(c.options)
	if err != nil || strings.Contains(string(items[1].Instead[listName]), "another") {
		t.Errorf("packed: %s, %v", items[1].Instead[listName], err)
	}
}

func TestPackages(t *testing.T) {
	changelog := func(first string) []byte {
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		if _, err := z.Write([]byte(first + "\n\n  * Change.\n")); err != nil {
			t.Fatal(err)
		}
		if err := z.Close(); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	now, old := newTree(), newTree()
	now.add("usr/share/doc/nginx/changelog.Debian.gz", 0o644, changelog("nginx (1.26.3-3) unstable; urgency=medium"))
	now.add("usr/share/doc/nginx/copyright", 0o644, []byte("nginx's"))
	now.add("usr/share/doc/curl/changelog.Debian.gz", 0o644, changelog("curl (8.14-1) unstable; urgency=medium"))
	now.add("usr/share/doc/curl/changelog.Debian.amd64.gz", 0o644, changelog("curl (8.14-1+b1) unstable; urgency=low, binary-only=yes"))
	now.symlink("usr/share/doc/curl/copyright", "../nginx/copyright")
	old.add("usr/share/doc/nginx/changelog.Debian.gz", 0o644, changelog("nginx (1.22.1-9) unstable; urgency=medium"))
	old.add("usr/share/doc/nginx/copyright", 0o644, []byte("old nginx's"))
	if err := now.notePackages(old); err != nil {
		t.Fatal(err)
	}
	o := Options{CacheDir: t.TempDir()}
	var b bytes.Buffer
	if err := now.tar(&b); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.MkdirAll(filepath.Join(o.CacheDir, "images"), 0o755), os.WriteFile(debianArchive(o), b.Bytes(), 0o644)); err != nil {
		t.Fatal(err)
	}
	got, err := Packages(o)
	want := "[{curl 8.14-1+b1 nginx's} {nginx 1.22.1-9 old nginx's} {nginx 1.26.3-3 nginx's}]"
	if err != nil || fmt.Sprint(got) != want {
		t.Errorf("got %v, %v, want %s", got, err, want)
	}
	if _, kept := now.files["usr/share/doc/curl/changelog.Debian.gz"]; kept {
		t.Error("the changelogs are kept")
	}
}
