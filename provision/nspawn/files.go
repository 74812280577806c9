package nspawn

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"

	"noriter.dev/noriter/provision/machine"
)

var nameForm = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,28}[a-z0-9])?$`)

func (p *Provider) machinesDir() string { return filepath.Join(p.dir, "machines") }
func (p *Provider) trashDir() string    { return filepath.Join(p.dir, "trash") }

// node is one machine's place on this host.
type node struct {
	p    *Provider
	name string
	dir  string
}

func (p *Provider) machine(name string) *node {
	return &node{p: p, name: name, dir: filepath.Join(p.machinesDir(), name)}
}

func (m *node) upper() string      { return filepath.Join(m.dir, "upper") }
func (m *node) work() string       { return filepath.Join(m.dir, "work") }
func (m *node) root() string       { return filepath.Join(m.dir, "root") }
func (m *node) containerd() string { return filepath.Join(m.dir, "containerd") }
func (m *node) console() string    { return filepath.Join(m.dir, "console.log") }
func (m *node) script() string     { return filepath.Join(m.dir, "run.sh") }
func (m *node) exitFile() string   { return filepath.Join(m.dir, "exit") }
func (m *node) noteFile() string   { return filepath.Join(m.dir, "machine.json") }

// unit is the name that systemd-nspawn knows the machine by: unique on this
// host, and short enough for the card "vb-UNIT" to keep it whole.
func (m *node) unit() string {
	return strings.Trim(m.name[:min(6, len(m.name))], "-") + "-" + m.p.tag(m.name)[:5]
}

// note is what a machine was made as. It is written when all else is there.
type note struct {
	Spec machine.Spec `json:"spec"`
	// Layers are the folders between the machine's own and the image, the
	// uppermost first; a restored snapshot is one.
	Layers []string `json:"layers,omitempty"`
}

func (m *node) read() (note, error) {
	var n note
	b, err := os.ReadFile(m.noteFile())
	if err != nil {
		return n, fmt.Errorf("reading machine %s: %w", m.name, err)
	}
	if err := json.Unmarshal(b, &n); err != nil {
		return n, fmt.Errorf("reading %s: %w", m.noteFile(), err)
	}
	return n, nil
}

// writeJSON replaces a file by a whole new one or not at all.
func writeJSON(path string, v any) error {
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".new-*")
	if err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	defer os.Remove(f.Name())
	if _, err := f.Write(append(b, '\n')); err != nil {
		_ = f.Close()
		return fmt.Errorf("writing %s: %w", path, err)
	}
	if err := f.Sync(); err != nil {
		_ = f.Close()
		return fmt.Errorf("writing %s: %w", path, err)
	}
	if err := f.Close(); err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	return nil
}

// ensureFiles makes the machine's folder. A machine without its note was
// interrupted in the making and is made anew.
func (m *node) ensureFiles(spec machine.Spec) error {
	old, err := m.read()
	if err == nil {
		if old.Spec.Address != spec.Address {
			return fmt.Errorf("it was made with address %s, not %s: remove it first", old.Spec.Address, spec.Address)
		}
		if old.Spec != spec {
			old.Spec = spec // limits; they apply from the next start
			return writeJSON(m.noteFile(), old)
		}
		return nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := m.p.discard(m.dir); err != nil {
		return err
	}
	for _, d := range []string{m.dir, m.work(), m.root()} {
		if err := os.MkdirAll(d, 0o700); err != nil {
			return err
		}
	}
	if err := os.Mkdir(m.containerd(), 0o700); err != nil {
		return err
	}
	if err := m.newUpper(); err != nil {
		return err
	}
	if err := m.seed(spec); err != nil {
		return err
	}
	return writeJSON(m.noteFile(), note{Spec: spec})
}

// newUpper makes an empty upper folder that looks like the image's root, since
// its mode is that of the machine's "/".
func (m *node) newUpper() error {
	return mirrorDir(m.p.image, m.upper())
}

// mirrorDir makes a folder with the mode and owner of another.
func mirrorDir(like, dir string) error {
	fi, err := os.Stat(like)
	if err != nil {
		return err
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	if st, ok := fi.Sys().(*syscall.Stat_t); ok {
		if err := os.Chown(dir, int(st.Uid), int(st.Gid)); err != nil {
			return err
		}
	}
	mode := fi.Mode().Perm() | fi.Mode()&(os.ModeSticky|os.ModeSetgid|os.ModeSetuid)
	return os.Chmod(dir, mode)
}

// discard moves a folder out of the way; resume and Remove empty the trash.
// Moving takes no time, however much is in it.
func (p *Provider) discard(path string) error {
	if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err := os.MkdirAll(p.trashDir(), 0o700); err != nil {
		return fmt.Errorf("making the trash folder: %w", err)
	}
	d, err := os.MkdirTemp(p.trashDir(), filepath.Base(path)+"-")
	if err != nil {
		return fmt.Errorf("making the trash folder: %w", err)
	}
	if err := os.Rename(path, filepath.Join(d, "old")); err != nil {
		return fmt.Errorf("discarding %s: %w", path, err)
	}
	return nil
}

// removeTree removes a folder unless something is mounted in it: behind a
// mount may be files of others.
func removeTree(dir string) error {
	mounted, err := mountsUnder(dir)
	if err != nil {
		return err
	}
	if len(mounted) > 0 {
		return fmt.Errorf("still mounted: %s", strings.Join(mounted, " "))
	}
	return os.RemoveAll(dir)
}
