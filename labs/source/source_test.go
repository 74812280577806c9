package source

import (
	"os"
	"strings"
	"testing"
	"testing/fstest"
)

func TestFind(t *testing.T) {
	fsys := fstest.MapFS{
		"loop/loop.go":      {Data: []byte("package loop\n\n// Sync is it.\nfunc (c *Controller) sync() {}\n\nfunc free() {}\n\nfunc (s set[T]) add(T) {}\n")},
		"loop/loop_test.go": {Data: []byte("package loop\n\nfunc TestOnly() {}\n")},
	}
	for _, c := range []struct{ at, function, want, err string }{
		{"cluster/loop", "Controller.sync", "cluster/loop/loop.go:4", ""},
		{"cluster/loop/loop.go", "free", "cluster/loop/loop.go:6", ""},
		{"cluster/loop", "set.add", "cluster/loop/loop.go:8", ""},
		{"cluster/loop", "sync", "", "there are: Controller.sync"},
		{"cluster/loop", "TestOnly", "", "has no function TestOnly"},
		{"cluster/gone", "sync", "", "there is no source at cluster/gone"},
	} {
		p, err := find(fsys, c.at, c.function)
		if c.err == "" && (err != nil || p.String() != c.want) || c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err)) {
			t.Errorf("%s %s: %v, %v", c.at, c.function, p, err)
		}
	}
}

// TestCarried looks at the real source: the line must be the function's.
func TestCarried(t *testing.T) {
	p, err := Find("cluster/controllers/replicaset", "New")
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile("../../" + p.File)
	if err != nil {
		t.Fatal(err)
	}
	if line := strings.Split(string(data), "\n")[p.Line-1]; !strings.HasPrefix(line, "func New(") {
		t.Errorf("%s is %q", p, line)
	}
	if !Exists("cluster/scheduler") || Exists("cluster/nothing") || Carried("labs/run") {
		t.Error("paths")
	}
}
