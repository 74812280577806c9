package testbed

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"noriter.dev/noriter/internal/learner"
)

// progressFile is the progress of one learner on one testbed, within their desk.
const progressFile = "progress.json"

// takeOver makes a desk whole or not at all. An older version kept the progress of all
// who came by sudo in one file, root's, and the files that labs have handed out in one
// folder for all testbeds. Both are copied and stay where they were: who else came by
// sudo takes them over as well.
func (d *Desk) takeOver() error {
	old := d.oldProgress()
	part := d.Dir + ".part"
	if err := d.User.RemoveAll(part); err != nil { // of one that was interrupted
		return err
	}
	if err := d.mkdir(part); err != nil {
		return err
	}
	if old != "" {
		data, err := os.ReadFile(old)
		if err != nil {
			return err
		}
		if err := d.User.WriteFile(filepath.Join(part, progressFile), data, 0o600); err != nil {
			return err
		}
		work := filepath.Join(d.testbed.home.Learner(), "work")
		if err := copyTo(d.User, work, filepath.Join(part, "work")); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return d.User.Do(func() error { return os.Rename(part, d.Dir) })
}

func (d *Desk) mkdir(dir string) error {
	return d.User.Do(func() error { return os.MkdirAll(dir, 0o700) })
}

// oldProgress is the file of the learner's progress where an older version kept it, or
// else that of root, as whom everybody worked who came by sudo; empty if there is none.
func (d *Desk) oldProgress() string {
	names := []string{d.User.Name}
	if !d.User.Self() && d.User.Name != "nobody" {
		names = append(names, "root")
	}
	for _, name := range names {
		path := filepath.Join(d.testbed.home.Learner(), d.testbed.Name()+"."+deskName.ReplaceAllString(name, "_")+".json")
		if fi, err := os.Lstat(path); err == nil && fi.Mode().IsRegular() {
			return path
		}
	}
	return ""
}

// copyTo copies a folder for somebody: it is read with the rights of this process, and
// written with theirs. What is neither a file, a folder nor a link is nobody's work.
func copyTo(u *learner.User, from, to string) error {
	return filepath.WalkDir(from, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		target := filepath.Join(to, rel)
		switch e.Type() {
		case fs.ModeDir:
			return u.Do(func() error { return os.MkdirAll(target, 0o755) })
		case fs.ModeSymlink:
			link, err := os.Readlink(path)
			if err != nil {
				return err
			}
			return u.Do(func() error { return os.Symlink(link, target) })
		case 0:
			info, err := e.Info()
			if err != nil {
				return err
			}
			data, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			return u.WriteFile(target, data, info.Mode().Perm())
		}
		return nil
	})
}
