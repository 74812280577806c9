package testbed

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"noriter.dev/noriter/internal/ambient"
	"noriter.dev/noriter/internal/lang"
)

// Home is the folder in which Noriter keeps everything of its own.
type Home struct{ Dir string }

// rootsHome is where root keeps the testbeds of a host.
const rootsHome = "/var/lib/noriter"

// FindHome is $NORI_HOME, or else /var/lib/noriter for root and
// ~/.local/share/noriter for others. Links on the way to it are followed: the kernel
// tells of mounts by the paths without them.
func FindHome() (Home, error) {
	dir, err := homeDir()
	if err != nil {
		return Home{}, err
	}
	return Home{followed(dir)}, nil
}

func homeDir() (string, error) {
	if d := os.Getenv("NORI_HOME"); d != "" {
		return filepath.Abs(d)
	}
	if os.Geteuid() == 0 {
		return rootsHome, nil
	}
	if d := os.Getenv("XDG_DATA_HOME"); d != "" {
		return filepath.Join(d, "noriter"), nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", lang.Errorf("looking for a home folder: %w", "홈 폴더 찾기: %w", err)
	}
	return filepath.Join(home, ".local", "share", "noriter"), nil
}

// followed is a path without links, as far as it exists.
func followed(path string) string {
	if real, err := filepath.EvalSymlinks(path); err == nil {
		return real
	}
	if parent := filepath.Dir(path); parent != path {
		return filepath.Join(followed(parent), filepath.Base(path))
	}
	return path
}

// Cache holds what takes long to make and may be kept: images. $NORI_CACHE
// puts it elsewhere, so that several homes can share one.
func (h Home) Cache() string {
	if d := os.Getenv("NORI_CACHE"); d != "" {
		return d
	}
	return filepath.Join(h.Dir, "cache")
}

// Learner holds the desks of learners, see Desk. Nothing but the learner removes them.
func (h Home) Learner() string { return filepath.Join(h.Dir, "learner") }

// StateFile is where the state of a testbed is kept.
func (h Home) StateFile(name string) string { return filepath.Join(h.testbed(name), stateFile) }

func (h Home) testbeds() string        { return followed(filepath.Join(h.Dir, "testbeds")) }
func (h Home) testbed(n string) string { return filepath.Join(h.testbeds(), n) }
func (h Home) locks() string           { return filepath.Join(h.Dir, "locks") }

// Names lists the testbeds of this home: all that lies where a testbed's folder would,
// whether its state can be used or not.
func (h Home) Names() ([]string, error) {
	entries, err := os.ReadDir(h.testbeds())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, lang.Errorf("listing the testbeds: %w", "테스트베드 목록 읽기: %w", err)
	}
	var names []string
	for _, e := range entries { // in order
		if ValidateName(e.Name()) == nil {
			names = append(names, e.Name())
		}
	}
	return names, nil
}

// Meant is the testbed that a command means to which none was named: the only one
// there is, or else the default.
func (h Home) Meant() (string, error) {
	names, err := h.Names()
	switch {
	case err != nil:
		return "", err
	case len(names) == 1:
		return names[0], nil
	case len(names) == 0 || slices.Contains(names, DefaultName):
		return DefaultName, nil
	}
	return "", usage("there are %d testbeds, %v: say which with --name", "테스트베드가 %d개 있습니다(%v). --name으로 하나를 지정하세요", len(names), names)
}

// Nori is how a command line for a testbed begins: "nori", or "nori --name NAME" where
// that alone would mean another one.
func (h Home) Nori(name string) string {
	if h.isMeant(name) {
		return "nori"
	}
	return "nori --name " + name
}

// Command is what to type for a command on a testbed, such as "up" or "reset --to x":
// with --name where it would mean another one without.
func (h Home) Command(name, words string) string {
	if h.isMeant(name) {
		return "nori " + words
	}
	return "nori " + words + " --name " + name
}

// isMeant says that a person who types a command without --name means this testbed. In
// a shell that `nori shell` opened that is the shell's.
func (h Home) isMeant(name string) bool {
	if of := ambient.Getenv("NORI_TESTBED"); of != "" {
		return of == name
	}
	meant, err := h.Meant()
	return err == nil && meant == name
}

// Command is what to type for a command on this testbed: see Home.Command.
func (t *Testbed) Command(words string) string { return t.home.Command(t.Name(), words) }

// Repairs says what to do about a testbed that is not as it should be.
func (t *Testbed) Repairs() lang.Text {
	return lang.Textf("`%s` repairs, `%s` puts back", "`%s` 명령으로 고치고, `%s` 명령으로 되돌립니다", t.Command("up"), t.Command("reset"))
}

// writeFile writes a file whole or not at all.
func writeFile(path string, data []byte, mode fs.FileMode) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	tmp, err := os.CreateTemp(filepath.Dir(path), ".new-*")
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name())
	if _, err := tmp.Write(data); err != nil {
		tmp.Close()
		return err
	}
	if err := errors.Join(tmp.Chmod(mode), tmp.Sync(), tmp.Close()); err != nil {
		return err
	}
	return os.Rename(tmp.Name(), path)
}
