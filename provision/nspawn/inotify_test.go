package nspawn

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestInotify: what was raised for machines is put back with the last of them, and a
// limit that others have chosen is theirs.
func TestInotify(t *testing.T) {
	for _, c := range []struct{ name, before, between, after string }{
		{"the kernel's own", "128\n", "", "128"},
		{"high enough", "8192\n", "", "8192"},
		{"changed while machines ran", "128\n", "1000\n", "1000"},
	} {
		dir := t.TempDir()
		l := inotifyLimit{limit: filepath.Join(dir, "limit"), note: filepath.Join(dir, "note")}
		write := func(s string) {
			if err := os.WriteFile(l.limit, []byte(s), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		write(c.before)
		l.raise()
		l.raise() // for the second machine
		if n, _ := number(l.limit); n < inotifyInstances {
			t.Errorf("%s: it is %d with machines", c.name, n)
		}
		if c.between != "" {
			write(c.between)
		}
		l.putBack()
		data, err := os.ReadFile(l.limit)
		if got := strings.TrimSpace(string(data)); err != nil || got != c.after {
			t.Errorf("%s: it is %s afterwards, %v; want %s", c.name, got, err, c.after)
		}
		if _, err := os.Stat(l.note); err == nil {
			t.Errorf("%s: the note was left", c.name)
		}
	}
}
