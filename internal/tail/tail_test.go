package tail

import (
	"os"
	"path/filepath"
	"testing"
)

func TestOf(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	if err := os.WriteFile(path, []byte("가나다"), 0o600); err != nil {
		t.Fatal(err)
	}
	for limit, want := range map[int64]string{0: "", 3: "다", 4: "?다", 9: "가나다", 100: "가나다"} {
		if got, err := Of(path, limit); got != want || err != nil {
			t.Errorf("the last %d bytes are %q, %v; want %q", limit, got, err, want)
		}
	}
	// Of a file larger than any memory, the end is all that is read.
	if err := os.Truncate(path, 1<<42); err != nil {
		t.Skip(err)
	}
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString("end"); err != nil {
		t.Fatal(err)
	}
	if got, err := Of(path, 3); got != "end" || err != nil {
		t.Errorf("the end of 4 TiB is %q, %v", got, err)
	}
	for _, bad := range []string{path + "x", "/dev/zero", t.TempDir()} {
		if got, err := Of(bad, 3); err == nil {
			t.Errorf("the end of %s is %q", bad, got)
		}
	}
}
