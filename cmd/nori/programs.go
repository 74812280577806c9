package main

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/internal/learner"
	"noriter.dev/noriter/testbed"
)

// programDir makes, and names, a folder with nothing in it but this program, under its
// own name and that of kubectl. All learners of the host have it on their PATH. Those are
// links; one who can't reach what they lead to (it may lie in root's home) gets a copy.
func programDir(home testbed.Home, who *learner.User) (string, error) {
	self, err := thisProgram()
	if err != nil {
		return "", err
	}
	dir := home.ProgramDir()
	err = os.MkdirAll(dir, 0o755)
	if err == nil {
		err = providePrograms(self, dir, who)
	}
	if err != nil {
		return "", lang.Errorf("preparing kubectl: %w", "kubectl 준비: %w", err)
	}
	return dir, nil
}

func providePrograms(self, dir string, who *learner.User) error {
	target := self
	if !reaches(who, self) {
		target = filepath.Join(dir, ".nori")
		if err := copyProgram(self, target); err != nil {
			return err
		}
	}
	for _, name := range []string{"kubectl", "nori"} {
		link := filepath.Join(dir, name)
		if target == self && reaches(who, link) && samePlace(link, filepath.Join(dir, ".nori")) && same(self, link) {
			continue // a copy that somebody else needs
		}
		if err := linkTo(target, link); err != nil {
			return err
		}
	}
	return nil
}

// reaches tells whether somebody can read a program, and so run it.
func reaches(who *learner.User, path string) bool {
	return who.Do(func() error {
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		return f.Close()
	}) == nil
}

// samePlace tells whether a link leads to a place.
func samePlace(link, place string) bool {
	have, err := os.Readlink(link)
	return err == nil && have == place
}

// same tells by size and time whether a copy is still that of a program.
func same(program, copied string) bool {
	a, errA := os.Stat(program)
	b, errB := os.Stat(copied)
	return errA == nil && errB == nil && a.Size() == b.Size() && a.ModTime().Equal(b.ModTime())
}

// copyProgram copies a program where a copy is not there or of another version.
func copyProgram(from, to string) (err error) {
	if same(from, to) {
		return nil
	}
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, in.Close()) }()
	fi, err := in.Stat()
	if err != nil {
		return err
	}
	out, err := os.CreateTemp(filepath.Dir(to), ".new-*")
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	err = errors.Join(err, out.Chmod(0o755), out.Close(), os.Chtimes(out.Name(), fi.ModTime(), fi.ModTime()))
	if err == nil {
		err = os.Rename(out.Name(), to)
	}
	if err != nil {
		if gone := os.Remove(out.Name()); gone != nil && !errors.Is(gone, fs.ErrNotExist) {
			err = errors.Join(err, gone)
		}
	}
	return err
}

// linkTo makes a link, in the place of one that leads elsewhere: at no moment is
// there none.
func linkTo(target, link string) error {
	if have, err := os.Readlink(link); err == nil && have == target {
		return nil
	}
	tmp := link + ".new"
	os.Remove(tmp)
	if err := os.Symlink(target, tmp); err != nil {
		return err
	}
	return os.Rename(tmp, link)
}
