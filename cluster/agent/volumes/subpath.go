package volumes

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
	"k8s.io/apimachinery/pkg/types"
)

// beneath forbids a path to leave the directory it starts from, by ".." or by a
// link, at any moment of its resolution (openat2(2)).
const beneath = unix.RESOLVE_BENEATH | unix.RESOLVE_NO_MAGICLINKS

// SubPath gives the path on the node for one path inside a volume, which it makes as a
// directory if it is missing (pkg/volume/util/subpath). What a container puts into the
// volume can't lead out of it: the path is resolved by the kernel without leaving the
// volume, and what was found is bound to a place that no container can reach. index is
// the position in the container's volumeMounts.
func (m *Manager) SubPath(uid types.UID, container string, index int, volume string, mounted Mounted, subPath string) (string, error) {
	if subPath == "" || subPath == "." {
		return mounted.Path, nil
	}
	fd, err := openBeneath(mounted.Path, subPath)
	if err != nil {
		return "", err
	}
	defer unix.Close(fd)
	target := filepath.Join(m.podDir(uid), "volume-subpaths", volume, container, strconv.Itoa(index))
	return target, m.bind(fd, target)
}

// bind mounts what fd refers to at target, unless it is there.
func (m *Manager) bind(fd int, target string) error {
	var want, have unix.Stat_t
	if err := unix.Fstat(fd, &want); err != nil {
		return fmt.Errorf("looking at the subPath: %w", err)
	}
	done, err := m.mounted(target)
	if err != nil {
		return err
	}
	if done {
		if err := unix.Lstat(target, &have); err == nil && have.Dev == want.Dev && have.Ino == want.Ino {
			return nil
		}
		// A ConfigMap was updated since, say: the file of that name is another.
		if err := m.cfg.Mounter.Unmount(target); err != nil {
			return err
		}
	}
	if err := mountPointFor(target, want.Mode&unix.S_IFMT == unix.S_IFDIR); err != nil {
		return fmt.Errorf("making the mount point of the subPath: %w", err)
	}
	return m.cfg.Mounter.Mount("/proc/self/fd/"+strconv.Itoa(fd), target, "", unix.MS_BIND, "")
}

// mountPointFor makes an empty directory or file, and removes one of the other kind.
func mountPointFor(target string, dir bool) error {
	if info, err := os.Lstat(target); err == nil && info.IsDir() != dir {
		if err := os.Remove(target); err != nil {
			return err
		}
	}
	if dir {
		return os.MkdirAll(target, 0o750)
	}
	if err := os.MkdirAll(filepath.Dir(target), 0o750); err != nil {
		return err
	}
	f, err := os.OpenFile(target, os.O_CREATE, 0o640)
	if err != nil {
		return err
	}
	return f.Close()
}

// openBeneath opens (O_PATH) a path inside root, making missing directories with
// the mode of root.
func openBeneath(root, sub string) (int, error) {
	if !filepath.IsLocal(sub) {
		return -1, fmt.Errorf("subpath %q not within volume path %q", sub, root)
	}
	top, err := unix.Open(root, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("opening the volume %s for subpath %q: %w", root, sub, err)
	}
	defer unix.Close(top)
	fd, err := resolve(top, sub)
	if errors.Is(err, unix.ENOENT) {
		if err = makeBeneath(top, sub); err == nil {
			fd, err = resolve(top, sub)
		}
	}
	switch {
	case errors.Is(err, unix.EXDEV), errors.Is(err, unix.ELOOP):
		return -1, fmt.Errorf("subpath %q not within volume path %q", sub, root)
	case err != nil:
		return -1, fmt.Errorf("opening subpath %q of volume path %q: %w", sub, root, err)
	}
	return fd, nil
}

// resolve opens a path below top. EAGAIN means that a rename went on meanwhile.
func resolve(top int, sub string) (int, error) {
	how := &unix.OpenHow{Flags: unix.O_PATH | unix.O_CLOEXEC, Resolve: beneath}
	for range 100 {
		fd, err := unix.Openat2(top, sub, how)
		if !errors.Is(err, unix.EAGAIN) && !errors.Is(err, unix.EINTR) {
			return fd, err
		}
	}
	return -1, errors.New("the volume keeps changing while the path is being resolved")
}

// makeBeneath makes the missing directories of a path below top, each in a parent
// that was resolved without leaving top.
func makeBeneath(top int, sub string) error {
	var st unix.Stat_t
	if err := unix.Fstat(top, &st); err != nil {
		return err
	}
	parts := strings.Split(filepath.Clean(sub), "/")
	for i, part := range parts {
		prefix := strings.Join(parts[:i+1], "/")
		fd, err := resolve(top, prefix)
		if err == nil {
			unix.Close(fd)
			continue
		}
		if !errors.Is(err, unix.ENOENT) {
			return err
		}
		if err := makeIn(top, strings.Join(parts[:i], "/"), part, st.Mode&0o7777); err != nil {
			return err
		}
	}
	return nil
}

// makeIn makes one directory in a parent and gives it its mode, whatever the umask is.
func makeIn(top int, parent, name string, mode uint32) error {
	if parent == "" {
		parent = "."
	}
	dir, err := resolve(top, parent)
	if err != nil {
		return err
	}
	defer unix.Close(dir)
	if err := unix.Mkdirat(dir, name, 0o700); err != nil && !errors.Is(err, unix.EEXIST) {
		return err
	}
	made, err := unix.Openat(dir, name, unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(made)
	return unix.Fchmod(made, mode)
}
