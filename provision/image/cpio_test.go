package image

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

func TestCpio(t *testing.T) {
	var b bytes.Buffer
	c := &cpio{w: &b}
	c.add("dir", 0o40755, 0, nil)
	c.add("dir/file", 0o100755, 0, []byte("hello"))
	c.add("TRAILER!!!", 0, 0, nil)
	if c.err != nil || b.Len()%4 != 0 {
		t.Fatalf("%v, %d bytes", c.err, b.Len())
	}
	if !bytes.HasPrefix(b.Bytes(), []byte("070701")) || !bytes.Contains(b.Bytes(), []byte("dir/file\x00")) {
		t.Errorf("%q", b.Bytes())
	}
	cpioBin, err := exec.LookPath("cpio")
	if err != nil {
		t.Skip("no cpio to read it with")
	}
	dir := t.TempDir()
	cmd := exec.Command(cpioBin, "-i", "-d", "--quiet")
	cmd.Dir, cmd.Stdin = dir, &b
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v %s", err, out)
	}
	if got, err := os.ReadFile(filepath.Join(dir, "dir/file")); err != nil || string(got) != "hello" {
		t.Errorf("%q, %v", got, err)
	}
}
