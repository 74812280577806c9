package preflight

import (
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// TestApart: what is done apart is nowhere else, whichever thread it comes upon. The
// first thread is the one that /proc/self shows.
func TestApart(t *testing.T) {
	if os.Geteuid() != 0 {
		if os.Getenv("CI") == "true" {
			t.Fatal("needs root")
		}
		t.Skip("needs root")
	}
	link := func(path string) string {
		t.Helper()
		ns, err := os.Readlink(path)
		if err != nil {
			t.Fatal(err)
		}
		return ns
	}
	before := link("/proc/self/ns/net")
	for range 200 {
		err := Apart(unix.CLONE_NEWNET, func() error {
			if link("/proc/thread-self/ns/net") == before {
				t.Error("it is not done apart")
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if now := link("/proc/self/ns/net"); now != before {
			t.Fatalf("the process is in %s, and was in %s", now, before)
		}
	}
}
