package testbed

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"

	"noriter.dev/noriter/internal/lang"
)

// Visitor is a process in which somebody has a testbed open: a lab, a shell.
type Visitor struct {
	PID int
	// What was typed.
	What string
}

func (h Home) visitors(name string) string { return filepath.Join(h.testbed(name), "visitors") }

// Visit notes that somebody opens the testbed in this process, until leave is called or
// the process ends. `nori down` tells of it, and that is all: where it can't be noted,
// as on a full disk, the visit goes on without.
func (t *Testbed) Visit(what string) (leave func()) {
	dir := t.home.visitors(t.Name())
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return func() {}
	}
	_, _ = t.home.Visitors(t.Name()) // which forgets those whose process has ended
	path := filepath.Join(dir, strconv.Itoa(os.Getpid()))
	f, err := tryLock(path) // the kernel's lock ends with the process
	if err != nil || f == nil {
		return func() {}
	}
	t.visit = &lock{path: path, file: f}
	if err := os.WriteFile(path, []byte(what), 0o644); err != nil {
		t.visit.remove()
	}
	return t.visit.remove
}

// Visitors are the processes that have a testbed open.
func (h Home) Visitors(name string) (all []Visitor, err error) {
	entries, err := os.ReadDir(h.visitors(name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, lang.Errorf("looking who has testbed %q open: %w", "테스트베드 %q을(를) 열어 둔 프로세스 찾기: %w", name, err)
	}
	for _, e := range entries {
		f := filepath.Join(h.visitors(name), e.Name())
		if abandoned(f) {
			os.Remove(f) // its process was killed
			continue
		}
		pid, perr := strconv.Atoi(e.Name())
		what, err := os.ReadFile(f)
		if perr != nil || err != nil || pid == os.Getpid() {
			continue // it has left
		}
		all = append(all, Visitor{pid, string(what)})
	}
	return all, nil
}

// String is the visitor in words.
func (v Visitor) String() string {
	return lang.Textf("`%s`, process %d", "`%s`, 프로세스 %d", v.What, v.PID).String()
}
