package mountinfo

import (
	"slices"
	"testing"
)

const mounts = `23 1 8:1 / / rw - ext4 /dev/sda1 rw
31 23 0:28 / /mnt rw - tmpfs tmpfs rw
32 31 0:29 / /mnt/again\040here rw shared:4 - tmpfs tmpfs rw,size=16m
33 23 0:30 / /mnt2 rw - tmpfs tmpfs rw
34 23 8:1 /srv/data /data rw - ext4 /dev/sda1 rw
35 31 0:31 / /mnt/o rw - overlay noriter rw,lowerdir=/a:/b,upperdir=/x\054y\040z/upper,workdir=/w
too short
`

func TestUnder(t *testing.T) {
	for dir, want := range map[string][]string{
		"/mnt":            {"/mnt", "/mnt/again here", "/mnt/o"},
		"/mnt/again here": {"/mnt/again here"},
		"/mnt/again":      nil,
		"/":               {"/", "/mnt", "/mnt/again here", "/mnt2", "/data", "/mnt/o"},
	} {
		if got := under(dir, parse(mounts)); !slices.Equal(got, want) {
			t.Errorf("under %s: %q, want %q", dir, got, want)
		}
	}
	if all, err := Under("/"); err != nil || !slices.Contains(all, "/") {
		t.Errorf("this process's mounts: %q, %v", all, err)
	}
}

func TestOptions(t *testing.T) {
	all := parse(mounts)
	o := all[len(all)-1]
	if o.Type != "overlay" || o.Source != "noriter" || o.Options["upperdir"] != "/x,y z/upper" || o.Options["lowerdir"] != "/a:/b" {
		t.Errorf("got %+v", o)
	}
	if _, ok := o.Options["rw"]; !ok {
		t.Errorf("an option without a value is lost: %+v", o)
	}
}

func TestPaths(t *testing.T) {
	all := parse(mounts)
	for _, c := range []struct {
		device, root string
		want         []string
	}{
		{"8:1", "/srv/data/bed/run", []string{"/srv/data/bed/run", "/data/bed/run"}},
		{"8:1", "/home/bed//deleted", []string{"/home/bed"}},
		{"0:28", "/bed", []string{"/mnt/bed"}},
		{"0:28", "/", []string{"/mnt"}},
		{"9:9", "/bed", nil},
	} {
		if got := Paths(all, c.device, c.root); !slices.Equal(got, c.want) {
			t.Errorf("%s of %s: %q, want %q", c.root, c.device, got, c.want)
		}
	}
}

func TestUnescape(t *testing.T) {
	if got := Unescape(`/a\040b\134c\9`); got != `/a b\c\9` {
		t.Errorf("got %s", got)
	}
}
