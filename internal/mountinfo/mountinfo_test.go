package mountinfo

import (
	"slices"
	"testing"
)

const mounts = `23 1 8:1 / / rw - ext4 /dev/sda1 rw
31 23 0:28 / /mnt rw - tmpfs tmpfs rw
32 31 0:29 / /mnt/again\040here rw shared:4 - tmpfs tmpfs rw
33 23 0:30 / /mnt2 rw - tmpfs tmpfs rw
too short
`

func TestUnder(t *testing.T) {
	for dir, want := range map[string][]string{
		"/mnt":            {"/mnt", "/mnt/again here"},
		"/mnt/again here": {"/mnt/again here"},
		"/mnt/again":      nil,
		"/":               {"/", "/mnt", "/mnt/again here", "/mnt2"},
	} {
		if got := under(dir, mounts); !slices.Equal(got, want) {
			t.Errorf("under %s: %q, want %q", dir, got, want)
		}
	}
	if all, err := Under("/"); err != nil || !slices.Contains(all, "/") {
		t.Errorf("this process's mounts: %q, %v", all, err)
	}
}

func TestUnescape(t *testing.T) {
	if got := Unescape(`/a\040b\134c\9`); got != `/a b\c\9` {
		t.Errorf("got %s", got)
	}
}
