package image

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"noriter.dev/noriter/provision/machine"
	"noriter.dev/noriter/provision/stock"
)

// packed makes an image and a stock with it.
func packed(t *testing.T) stock.Stock {
	t.Helper()
	cache := t.TempDir()
	build := func(ctx context.Context, r recipe, work string, say func(string)) error {
		for name, content := range map[string]string{aptSources: "deb http://mirror.of.the.builder/debian", aptConfig: `Acquire::http::Proxy "http://proxy.of.the.builder";`} {
			at := filepath.Join(work, "root", name)
			if err := errors.Join(os.MkdirAll(filepath.Dir(at), 0o755), os.WriteFile(at, []byte(content), 0o644)); err != nil {
				return err
			}
		}
		return fakeRoot(ctx, r, work, say)
	}
	img, err := Ensure(t.Context(), Options{CacheDir: cache, build: build})
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "images")
	if _, err := stock.Pack(t.Context(), dir, "1", cache, img.StockItem()); err != nil {
		t.Fatal(err)
	}
	s, err := stock.Open(dir)
	if err != nil || !Stocked(s) {
		t.Fatalf("the stock has the image: %v, %v", Stocked(s), err)
	}
	return s
}

func refuse(context.Context, recipe, string, func(string)) error {
	return errors.New("built, although it came along")
}

// TestEnsureFromStock: an image that came with the programs is not built, and tells
// nothing of where it was.
func TestEnsureFromStock(t *testing.T) {
	s := packed(t)
	img, err := Ensure(t.Context(), Options{CacheDir: t.TempDir(), Stock: s, build: refuse})
	if err != nil {
		t.Fatal(err)
	}
	raw := filepath.Join(t.TempDir(), "raw")
	if err := s.Unpack(t.Context(), s.Entries[0], raw, func(string) {}); err != nil {
		t.Fatal(err)
	}
	if m, err := img.Manifest(); err != nil || m.Kernel != "6.12.0" || len(m.Packages) != 2 {
		t.Errorf("manifest %+v, %v", m, err)
	}
	for _, name := range []string{aptSources, aptConfig} {
		b, err := os.ReadFile(filepath.Join(img.Root, name))
		if err != nil || strings.Contains(string(b), "of.the.builder") {
			t.Errorf("%s: %q, %v", name, b, err)
		}
		if _, err := os.Lstat(filepath.Join(raw, "root", name)); err == nil {
			t.Errorf("%s is in the stock", name)
		}
		if name == aptConfig && !strings.Contains(string(b), `APT::Install-Recommends "false";`) {
			t.Errorf("%s: %q", name, b)
		}
	}
	if Stocked(stock.Stock{}) {
		t.Error("an empty stock has the image")
	}
}

func TestEnsureFromDamagedStock(t *testing.T) {
	s := packed(t)
	if err := os.Truncate(filepath.Join(s.Dir, s.Entries[0].File), 200); err != nil {
		t.Fatal(err)
	}
	cache := t.TempDir()
	_, err := Ensure(t.Context(), Options{CacheDir: cache, Stock: s, build: refuse})
	var host *machine.HostError
	if !errors.As(err, &host) || !strings.Contains(err.Error(), "is damaged") {
		t.Errorf("got %v", err)
	}
	if _, ok := Find(cache); ok {
		t.Error("the image is found nevertheless")
	}
}
