package volumes

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/utils/ptr"
)

func TestHostPathTypes(t *testing.T) {
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	if err := os.WriteFile(in("file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	socket, err := net.Listen("unix", in("sock"))
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	for _, c := range []struct {
		kind  v1.HostPathType
		path  string
		wrong string // part of the error; "" means it is right
	}{
		{v1.HostPathUnset, in("nothing"), ""},
		{v1.HostPathDirectory, dir, ""},
		{v1.HostPathDirectory, in("file"), "is not a directory, it's a File"},
		{v1.HostPathDirectory, in("nothing"), "is not a directory, unable to determine its type"},
		{v1.HostPathDirectoryOrCreate, in("new/deep"), ""},
		{v1.HostPathDirectoryOrCreate, in("file"), "is not a directory, it's a File"},
		{v1.HostPathFile, in("file"), ""},
		{v1.HostPathFile, dir, "is not a file, it's a Directory"},
		{v1.HostPathFileOrCreate, in("newfile"), ""},
		{v1.HostPathFileOrCreate, in("nodir/newfile"), "no such file or directory"},
		{v1.HostPathSocket, in("sock"), ""},
		{v1.HostPathSocket, in("file"), "is not a socket file, it's a File"},
		{v1.HostPathCharDev, "/dev/null", ""},
		{v1.HostPathCharDev, in("file"), "is not a character device, it's a File"},
		{v1.HostPathBlockDev, "/dev/null", "is not a block device, it's a CharDevice"},
		{"Odd", dir, "Odd is an invalid volume type"},
	} {
		_, err := hostPath(&v1.HostPathVolumeSource{Path: c.path, Type: ptr.To(c.kind)})
		if c.wrong == "" && err != nil || c.wrong != "" && (err == nil || !strings.Contains(err.Error(), c.wrong)) {
			t.Errorf("%s %s: got %v, want %q", c.kind, c.path, err, c.wrong)
		}
	}
	if info, err := os.Stat(in("new/deep")); err != nil || !info.IsDir() {
		t.Errorf("DirectoryOrCreate made nothing: %v", err)
	}
	if info, err := os.Stat(in("newfile")); err != nil || info.Size() != 0 {
		t.Errorf("FileOrCreate made nothing: %v", err)
	}
}

// What a container may have put into the volume must not lead out of it.
func TestSubPathStaysInside(t *testing.T) {
	top := t.TempDir()
	vol, outside := filepath.Join(top, "vol"), filepath.Join(top, "outside")
	for _, d := range []string{filepath.Join(vol, "real"), outside} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for link, to := range map[string]string{"in": "real", "abs": outside, "up": "../outside", "deep": "real/../../outside", "loop": "loop", "proc": "/proc/self/root"} {
		if err := os.Symlink(to, filepath.Join(vol, link)); err != nil {
			t.Fatal(err)
		}
	}
	for _, sub := range []string{"real", "in", "new/dir", "in/new"} {
		fd, err := openBeneath(vol, sub)
		if err != nil {
			t.Errorf("%s: %v", sub, err)
			continue
		}
		unix.Close(fd)
	}
	for _, sub := range []string{"abs", "up", "deep", "loop", "proc/etc", "abs/new", "up/new", "../outside", "/etc"} {
		fd, err := openBeneath(vol, sub)
		if err == nil {
			unix.Close(fd)
			t.Errorf("%s was opened", sub)
			continue
		}
		if !strings.Contains(err.Error(), "not within volume path") {
			t.Errorf("%s: %v", sub, err)
		}
	}
	if left, _ := os.ReadDir(outside); len(left) != 0 {
		t.Errorf("something was made outside: %v", left)
	}
}

func TestSubPathFollowsAReplacedFile(t *testing.T) {
	b := newBench(t, configMap("settings", map[string]string{"a": "1"}))
	got := mustSetUp(t, b, pod(volume("cfg", cmSource("settings", false))))["cfg"]
	path, err := b.SubPath("uid-1", "main", 0, "cfg", got, "a")
	if err != nil {
		t.Fatal(err)
	}
	if want := filepath.Join(b.root, "pods/uid-1/volume-subpaths/cfg/main/0"); path != want {
		t.Errorf("bound at %s, want %s", path, want)
	}
	if info, err := os.Lstat(path); err != nil || !info.Mode().IsRegular() {
		t.Errorf("the mount point of a file is %v, %v", info, err)
	}
	if same, err := b.SubPath("uid-1", "main", 0, "cfg", got, "."); err != nil || same != got.Path {
		t.Errorf(`"." gave %s, %v`, same, err)
	}
}

func TestSubPathAndTmpfsInTheKernel(t *testing.T) {
	if os.Geteuid() != 0 {
		if os.Getenv("CI") == "true" {
			t.Fatal("needs root")
		}
		t.Skip("needs root")
	}
	b := newBench(t, configMap("settings", map[string]string{"a": "1"}))
	b.cfg.Mounter = kernelMounter{}
	b.Manager = New(b.cfg)
	t.Cleanup(func() {
		if err := b.TearDown(t.Context(), "uid-1"); err != nil && t.Context().Err() == nil {
			t.Error(err)
		}
	})
	p := pod(volume("cfg", cmSource("settings", false)),
		volume("mem", v1.VolumeSource{EmptyDir: &v1.EmptyDirVolumeSource{Medium: v1.StorageMediumMemory, SizeLimit: ptr.To(resource.MustParse("1Mi"))}}))
	got := mustSetUp(t, b, p)
	mustSetUp(t, b, p)
	var st unix.Statfs_t
	if err := unix.Statfs(got["mem"].Path, &st); err != nil || st.Type != unix.TMPFS_MAGIC || int64(st.Blocks)*int64(st.Bsize) != 1<<20 {
		t.Errorf("not a tmpfs of 1 MiB: %+v, %v", st, err)
	}
	path, err := b.SubPath("uid-1", "main", 0, "cfg", got["cfg"], "a")
	if err != nil {
		t.Fatal(err)
	}
	if data, err := os.ReadFile(path); err != nil || string(data) != "1" {
		t.Errorf("the subPath holds %q, %v", data, err)
	}
	if again, err := b.SubPath("uid-1", "main", 0, "cfg", got["cfg"], "a"); err != nil || again != path {
		t.Errorf("again: %s, %v", again, err)
	}
	points, err := kernelMounter{}.Mounts(filepath.Join(b.root, "pods"))
	if err != nil || len(points) != 2 {
		t.Errorf("mounted %v, %v; want 2", points, err)
	}
	if err := b.TearDown(t.Context(), "uid-1"); err != nil {
		t.Fatal(err)
	}
	if points, _ = (kernelMounter{}).Mounts(filepath.Join(b.root, "pods")); len(points) != 0 {
		t.Errorf("left mounted: %v", points)
	}
}

func TestGroupOwnTreeTrustsARootThatMatches(t *testing.T) {
	b := newBench(t)
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "f"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	p := pod()
	p.Spec.SecurityContext = &v1.PodSecurityContext{FSGroup: ptr.To(int64(os.Getgid())), FSGroupChangePolicy: ptr.To(v1.FSGroupChangeOnRootMismatch)}
	if err := b.groupOwnTree(dir, p); err != nil {
		t.Fatal(err)
	}
	if info, _ := os.Stat(filepath.Join(dir, "f")); info.Mode().Perm() != 0o660 {
		t.Errorf("the file has %v, want 660", info.Mode())
	}
	first := len(b.chowned)
	if err := b.groupOwnTree(dir, p); err != nil || len(b.chowned) != first || first != 2 {
		t.Errorf("%d changes, then %d (%v); want 2 and no more", first, len(b.chowned)-first, err)
	}
}

func TestMountPointUnescapes(t *testing.T) {
	line := `36 35 98:0 /mnt1 /mnt\040two/x\134y rw,noatime master:1 - ext3 /dev/root rw`
	if got, ok := mountPoint(line); !ok || got != `/mnt two/x\y` {
		t.Errorf("got %q", got)
	}
}

func FuzzMountPoint(f *testing.F) {
	f.Add(`36 35 98:0 /mnt1 /mnt\040two rw`)
	f.Fuzz(func(_ *testing.T, line string) { mountPoint(line) })
}
