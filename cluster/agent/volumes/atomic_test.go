package volumes

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

func ownNothing(string, fs.FileInfo) error { return nil }

func plain(contents map[string]string) map[string]file {
	out := map[string]file{}
	for k, v := range contents {
		out[k] = file{data: []byte(v), mode: 0o644, uid: -1}
	}
	return out
}

// visible reads a volume as a container would: through the names in it.
func visible(t *testing.T, dir string) map[string]string {
	t.Helper()
	out := map[string]string{}
	var walk func(string)
	walk = func(rel string) {
		entries, err := os.ReadDir(filepath.Join(dir, rel))
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			path := filepath.Join(rel, e.Name())
			if strings.HasPrefix(path, "..") {
				continue
			}
			info, err := os.Stat(filepath.Join(dir, path))
			if err != nil {
				t.Fatalf("a name that leads nowhere: %v", err)
			}
			if info.IsDir() {
				walk(path)
				continue
			}
			data, err := os.ReadFile(filepath.Join(dir, path))
			if err != nil {
				t.Fatal(err)
			}
			out[path] = string(data)
		}
	}
	walk("")
	return out
}

func sameStrings(a, b map[string]string) bool { return maps.Equal(a, b) }

func TestWriteAtomicShowsExactlyTheFiles(t *testing.T) {
	dir := t.TempDir()
	for i, want := range []map[string]string{
		{"a": "1", "b": "2"},
		{"a": "1", "b": "3", "sub/deep/c": "4"},
		{"sub/deep/c": "4", "sub/d": "5"},
		{"b": ""},
		{},
		{"a": "1"},
	} {
		wrote, err := writeAtomic(dir, plain(want), ownNothing)
		if err != nil {
			t.Fatalf("step %d: %v", i, err)
		}
		if !wrote {
			t.Errorf("step %d: nothing written", i)
		}
		if got := visible(t, dir); !sameStrings(got, want) {
			t.Errorf("step %d: got %v, want %v", i, got, want)
		}
		if wrote, err = writeAtomic(dir, plain(want), ownNothing); err != nil || wrote {
			t.Errorf("step %d again: wrote=%v err=%v; want nothing written", i, wrote, err)
		}
		left, _ := filepath.Glob(filepath.Join(dir, "..2*"))
		if len(left) != 1 {
			t.Errorf("step %d: %d generations left, want 1", i, len(left))
		}
	}
}

func TestWriteAtomicKeepsWhatIsNotItsOwn(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "nested"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, data := range []string{"1", "2"} {
		if _, err := writeAtomic(dir, plain(map[string]string{"a": data}), ownNothing); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "nested")); err != nil {
		t.Errorf("the mount point of a nested volume is gone: %v", err)
	}
}

func TestWriteAtomicModes(t *testing.T) {
	dir := t.TempDir()
	files := map[string]file{"run": {data: []byte("x"), mode: 0o555, uid: -1}, "key": {data: []byte("y"), mode: 0o400, uid: -1}}
	if _, err := writeAtomic(dir, files, ownNothing); err != nil {
		t.Fatal(err)
	}
	for name, f := range files {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != f.mode {
			t.Errorf("%s has mode %o, want %o", name, info.Mode().Perm(), f.mode)
		}
	}
}

// An update that can't be finished leaves the old contents whole.
func TestWriteAtomicFailureKeepsTheOldContents(t *testing.T) {
	dir := t.TempDir()
	old := map[string]string{"a": "old", "b": "old"}
	if _, err := writeAtomic(dir, plain(old), ownNothing); err != nil {
		t.Fatal(err)
	}
	boom := errors.New("boom")
	_, err := writeAtomic(dir, plain(map[string]string{"a": "new", "b": "new"}), func(path string, _ fs.FileInfo) error {
		if filepath.Base(path) == "b" {
			return boom
		}
		return nil
	})
	if !errors.Is(err, boom) {
		t.Fatalf("got error %v, want boom", err)
	}
	if got := visible(t, dir); !sameStrings(got, old) {
		t.Errorf("got %v, want the old contents", got)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "..2*")); len(left) != 1 {
		t.Errorf("the failed update left %v", left)
	}
}

// A reader that goes through one opened ..data sees one generation, never a mix.
func TestWriteAtomicConcurrentReaderNeverSeesHalf(t *testing.T) {
	dir := t.TempDir()
	gen := func(n int) map[string]string {
		out := map[string]string{}
		for i := range 8 {
			out[fmt.Sprintf("key%d", i)] = fmt.Sprintf("generation %d", n)
		}
		return out
	}
	if _, err := writeAtomic(dir, plain(gen(0)), ownNothing); err != nil {
		t.Fatal(err)
	}
	stop := make(chan struct{})
	var reads, mixed int
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			root, err := os.OpenRoot(filepath.Join(dir, dataLink))
			if err != nil {
				continue
			}
			seen, whole := map[string]bool{}, true
			for i := range 8 {
				data, err := root.ReadFile(fmt.Sprintf("key%d", i))
				if err != nil {
					whole = false // this generation was swept away meanwhile
					break
				}
				seen[string(data)] = true
			}
			root.Close()
			if whole {
				reads++
				if len(seen) != 1 || seen[""] {
					mixed++
				}
			}
		}
	})
	for n := 1; n <= 300; n++ {
		if _, err := writeAtomic(dir, plain(gen(n)), ownNothing); err != nil {
			t.Fatal(err)
		}
	}
	close(stop)
	wg.Wait()
	if reads == 0 {
		t.Fatal("the reader never got a whole generation; the test proves nothing")
	}
	if mixed > 0 {
		t.Errorf("%d of %d reads saw a mix of generations", mixed, reads)
	}
}

func FuzzCheckFilePath(f *testing.F) {
	for _, s := range []string{"a", "a/b", "../a", "a/../b", "/a", "..data", "", ".", "a//b", "a/./b", "a/"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, path string) {
		if checkFilePath(path) != nil {
			return
		}
		full := filepath.Join("/volume", path)
		if !strings.HasPrefix(full, "/volume/") || strings.HasPrefix(path, "..") {
			t.Errorf("%q was let through and leads to %q", path, full)
		}
	})
}

// Whatever sequence of contents is written, what is visible is the last.
func FuzzWriteAtomic(f *testing.F) {
	f.Add(uint64(1), uint64(2))
	f.Fuzz(func(t *testing.T, a, b uint64) {
		r := rand.New(rand.NewPCG(a, b))
		dir := t.TempDir()
		names := []string{"a", "b", "c/d", "c/e", "f/g/h"}
		for range 1 + r.IntN(5) {
			want := map[string]string{}
			for _, n := range names {
				if r.IntN(2) == 0 {
					want[n] = strings.Repeat("x", r.IntN(3))
				}
			}
			if _, err := writeAtomic(dir, plain(want), ownNothing); err != nil {
				t.Fatal(err)
			}
			if got := visible(t, dir); !sameStrings(got, want) {
				t.Fatalf("got %v, want %v", got, want)
			}
		}
	})
}
