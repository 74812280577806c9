package testbed

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"noriter.dev/noriter/internal/filelock"
	"noriter.dev/noriter/provision/image"
)

// fakeCache fills a cache with an entry of each kind, of this nori's and of others, and
// gives a folder of programs.
func fakeCache(t *testing.T) (h Home, bin string) {
	t.Helper()
	h = Home{t.TempDir()}
	t.Setenv("NORI_CACHE", t.TempDir())
	put := func(path, content string) {
		path = filepath.Join(h.Cache(), path)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(content), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	for _, id := range []string{image.PresentID(), "aaaaaaaaaaaa", "bbbbbbbbbbbb"} {
		put("image/"+id+"/manifest.json", fmt.Sprintf(`{"version":1,"nori":"v1","id":%q,"built":"2026-01-02T03:04:05Z"}`, id))
		put("image/"+id+"/root/etc/issue", "root "+id)
		put("image/"+id+"/disk.qcow2", "disk "+id)
	}
	put("image/.building-aaaaaaaaaaaa-1/root/x", "half")
	put("image/lock", "")
	put("images/0123456789abcdef/images.json", `{"version":1,"nori":"v1"}`)
	put("images/0123456789abcdef/apps.tar", "apps")
	put("images/fedcba9876543210/images.json", `{}`)
	put("images/debian-trixie-00000000.tar", "older packages")
	put("images/debian-trixie-00000000.tar.seal.json", "{}")
	put("images/.fetching-1", "half")
	put("images/lock", "")
	put("parcel/1111111111111111.ext4", "parcel")
	put("parcel/1111111111111111.ext4.seal.json", "{}")
	put("parcel/work/x", "half")
	return h, folderOfPrograms(t, "x")
}

// made is a testbed on an image.
func made(t *testing.T, h Home, name, imageID string) *Testbed {
	t.Helper()
	b := &Testbed{home: h, state: State{Spec: DefaultSpec(), ImageID: imageID}}
	b.state.Spec.Name, b.state.Spec.Driver = name, drivers[len(drivers)-1].name
	if err := errors.Join(b.writeState(), b.noteUse()); err != nil {
		t.Fatal(err)
	}
	return b
}

func prunable(t *testing.T, h Home, bin string, all bool) (names []string) {
	t.Helper()
	list, _, err := h.Prunable(t.Context(), bin, all)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range list {
		names = append(names, p.Name)
	}
	slices.Sort(names)
	return names
}

// TestPrunable is who needs what.
func TestPrunable(t *testing.T) {
	h, bin := fakeCache(t)
	others := []string{
		".building-aaaaaaaaaaaa-1", ".fetching-1", "0123456789abcdef", "1111111111111111.ext4",
		"aaaaaaaaaaaa", "bbbbbbbbbbbb", "debian-trixie-00000000.tar", "fedcba9876543210", "work",
	}
	want := func(what string, all bool, names ...string) {
		t.Helper()
		slices.Sort(names)
		if got := prunable(t, h, bin, all); !slices.Equal(got, names) {
			t.Errorf("%s: %q, want %q", what, got, names)
		}
	}
	without := func(gone ...string) []string {
		return slices.DeleteFunc(slices.Clone(others), func(n string) bool { return slices.Contains(gone, n) })
	}
	want("an empty home", false, others...)
	want("an empty home, all", true, append(without(), image.PresentID())...)

	made(t, h, "old", "aaaaaaaaaaaa")
	want("a testbed on an older image", true, append(without("aaaaaaaaaaaa"), image.PresentID())...)
	fresh := made(t, h, "fresh", "")
	want("one that has no machines yet", true, without("aaaaaaaaaaaa")...)
	parcel := filepath.Join(fresh.Dir(), parcelFolder, "1111111111111111.ext4")
	if err := errors.Join(os.MkdirAll(filepath.Dir(parcel), 0o755), os.Link(filepath.Join(h.Cache(), "parcel/1111111111111111.ext4"), parcel)); err != nil {
		t.Fatal(err)
	}
	want("one with a parcel", true, without("aaaaaaaaaaaa", "1111111111111111.ext4")...)

	other := made(t, Home{t.TempDir()}, "other", "bbbbbbbbbbbb")
	kept := []string{"aaaaaaaaaaaa", "1111111111111111.ext4", "bbbbbbbbbbbb"}
	want("another home's", true, without(kept...)...)
	if err := os.RemoveAll(other.Dir()); err != nil {
		t.Fatal(err)
	}
	want("another home's that is gone", true, without(kept[:2]...)...)

	release, _, err := filelock.Share(filepath.Join(h.Cache(), "images/0123456789abcdef/use.lock"))
	if err != nil {
		t.Fatal(err)
	}
	want("what another nori uses", true, without(append(kept[:2], "0123456789abcdef")...)...)
	release()

	l, err := h.lock(t.Context(), "old", "up", quietly)
	if err != nil {
		t.Fatal(err)
	}
	want("what a nori before locks may use", true, without(append(kept[:2], "fedcba9876543210")...)...)
	l.release()
}

// TestPrune removes what was listed, all but what somebody has come to use meanwhile.
func TestPrune(t *testing.T) {
	h, bin := fakeCache(t)
	made(t, h, "old", "aaaaaaaaaaaa")
	gone := made(t, Home{t.TempDir()}, "gone", "bbbbbbbbbbbb")
	if err := os.RemoveAll(gone.Dir()); err != nil {
		t.Fatal(err)
	}
	list, frees, err := h.Prunable(t.Context(), bin, false)
	if err != nil {
		t.Fatal(err)
	}
	release, _, err := filelock.Share(filepath.Join(h.Cache(), "images/0123456789abcdef/use.lock"))
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	made(t, h, "new", "bbbbbbbbbbbb")
	before := diskUsage(t, h.Cache())
	if err := h.Prune(list); err != nil {
		t.Fatal(err)
	}
	for _, p := range list {
		_, err := os.Lstat(p.Path)
		keep := p.Name == "0123456789abcdef" || p.Name == "bbbbbbbbbbbb"
		if (err == nil) != keep || p.Removed == keep || (p.Kept != "") != keep {
			t.Errorf("%s: there %v, %+v", p.Name, err == nil, p)
		}
		if keep {
			frees -= p.Frees
		}
	}
	if freed := before - diskUsage(t, h.Cache()); freed < frees {
		t.Errorf("freed %d, said %d", freed, frees)
	}
	if _, err := os.Stat(gone.home.noteFile(gone.Name())); err == nil {
		t.Error("the note of a testbed that is gone is there")
	}
	for _, kept := range []string{"image/aaaaaaaaaaaa/root/etc/issue", "image/" + image.PresentID() + "/disk.qcow2"} {
		if _, err := os.Stat(filepath.Join(h.Cache(), kept)); err != nil {
			t.Error(err)
		}
	}
}

// diskUsage is what du says of folders.
func diskUsage(t *testing.T, dirs ...string) int64 {
	t.Helper()
	out, err := exec.Command("du", append([]string{"-x", "-s", "-c", "--block-size=1"}, dirs...)...).Output()
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	var n int64
	if _, err := fmt.Sscan(lines[len(lines)-1], &n); err != nil {
		t.Fatal(err)
	}
	return n
}

// TestSpaceIsWhatDuSays, with files that have names in several places.
func TestSpaceIsWhatDuSays(t *testing.T) {
	for _, inside := range []bool{false, true} {
		h, bin := fakeCache(t)
		if inside { // as it is where nobody says otherwise
			cache := filepath.Join(h.Dir, "cache")
			if out, err := exec.Command("cp", "-a", h.Cache(), cache).CombinedOutput(); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			t.Setenv("NORI_CACHE", "")
		}
		b := made(t, h, "one", "aaaaaaaaaaaa")
		at := func(name string) string { return filepath.Join(b.Dir(), name) }
		for name, size := range map[string]int{"nspawn/machines/node1/upper/program": 300_000, "nspawn/snapshots/start/node1/blob": 200_000, "pki/ca.crt": 1000, "parcel/x": 10} {
			if err := errors.Join(os.MkdirAll(filepath.Dir(at(name)), 0o755), os.WriteFile(at(name), make([]byte, size), 0o600)); err != nil {
				t.Fatal(err)
			}
		}
		// A snapshot shares programs with the machine, a testbed the parcel with the cache.
		err := errors.Join(os.MkdirAll(at("nspawn/layers/node1-1"), 0o755), os.Link(at("nspawn/machines/node1/upper/program"), at("nspawn/layers/node1-1/program")),
			os.Link(filepath.Join(h.Cache(), "parcel/1111111111111111.ext4"), at("parcel/1111111111111111.ext4")),
			os.MkdirAll(h.Learner(), 0o755), os.WriteFile(filepath.Join(h.Learner(), "one.kim.json"), make([]byte, 5000), 0o644))
		if err != nil {
			t.Fatal(err)
		}
		s, err := h.Space(t.Context(), bin)
		if err != nil {
			t.Fatal(err)
		}
		if want := diskUsage(t, h.Dir, h.Cache()); s.Bytes != want {
			t.Errorf("cache inside %v: all of it is %d, du says %d", inside, s.Bytes, want)
		}
		sum := s.Progress + s.Other
		for _, e := range s.Entries {
			sum += e.Bytes
		}
		one := s.Testbeds[0]
		if sum += one.Bytes; sum != s.Bytes || one.Bytes != one.Machines+one.Snapshots+one.Other {
			t.Errorf("the parts are %d, all of it is %d: %+v", sum, s.Bytes, s)
		}
		if one.Machines < 300_000 || one.Snapshots < 200_000 || one.Snapshots > 300_000 || s.Progress < 5000 || s.Progress > 50_000 {
			t.Errorf("%+v, progress %d", one, s.Progress)
		}
	}
}
