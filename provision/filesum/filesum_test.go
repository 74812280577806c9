package filesum

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// A file of the same size that was written again is read again.
func TestOf(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	for i, content := range []string{"one", "two", "longer"} {
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		// A file system's clock may tick but every few milliseconds.
		written := time.Unix(int64(i), 0)
		if err := os.Chtimes(file, written, written); err != nil {
			t.Fatal(err)
		}
		want := sha256.Sum256([]byte(content))
		for range 2 {
			got, err := Of(file)
			if err != nil || got.Size != int64(len(content)) || got.SHA256 != hex.EncodeToString(want[:]) {
				t.Errorf("%q: %+v, %v", content, got, err)
			}
		}
	}
	if _, err := Of(filepath.Dir(file)); err == nil {
		t.Error("a folder has a checksum")
	}
	if _, err := Of(file + "x"); !os.IsNotExist(err) {
		t.Errorf("a file that is not there: %v", err)
	}
}
