package progress

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"

	"golang.org/x/sys/unix"

	"noriter.dev/noriter/internal/build"
	"noriter.dev/noriter/internal/format"
	"noriter.dev/noriter/internal/lang"
)

// Store is the file of one learner on one testbed. Several processes may use
// it at once: the live view in one pane, `hint` in another.
type Store struct {
	path, learner, testbed string
	making                 string
}

var unsafe = regexp.MustCompile(`[^A-Za-z0-9._-]+`)

// Open names the file; nothing is read or made yet.
func Open(dir, learner, testbed string) *Store {
	base := filepath.Join(dir, unsafe.ReplaceAllString(testbed, "_"))
	return &Store{path: base + "." + unsafe.ReplaceAllString(learner, "_") + ".json", learner: learner, testbed: testbed,
		making: base + ".making.lock"}
}

// Path is where the file is.
func (s *Store) Path() string { return s.path }

// Load reads the state; a file that isn't there is an empty state.
func (s *Store) Load() (*State, error) {
	empty := &State{Version: Version, Learner: s.learner, Testbed: s.testbed, Labs: map[string]*Lab{}}
	data, err := os.ReadFile(s.path)
	if errors.Is(err, fs.ErrNotExist) {
		return empty, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the progress: %w", err)
	}
	var versioned struct {
		Version int    `json:"version"`
		Nori    string `json:"nori"`
	}
	state := &State{}
	unread := json.Unmarshal(data, &versioned)
	what := lang.Textf("the progress in %s", "%s의 진행 상황", s.path)
	if err := format.Check(what, versioned.Version, Version, versioned.Nori); err != nil {
		return nil, err
	}
	if err := errors.Join(unread, json.Unmarshal(data, state)); err != nil {
		return nil, fmt.Errorf("the progress in %s can't be read: %w\n"+
			"    remedy: put back a copy of it, or move it away to start anew", s.path, err)
	}
	if versioned.Version != Version {
		return nil, fmt.Errorf("the progress in %s has format %d, this program knows %d\n"+
			"    remedy: use the nori that wrote it, or move the file away to start anew", s.path, versioned.Version, Version)
	}
	if state.Labs == nil {
		state.Labs = map[string]*Lab{}
	}
	for id, lab := range state.Labs {
		if lab == nil {
			delete(state.Labs, id)
		}
	}
	return state, nil
}

// Update changes the state under a lock that other processes respect. If
// change fails, nothing is written.
func (s *Store) Update(change func(*State) error) error {
	if err := os.MkdirAll(filepath.Dir(s.path), 0o755); err != nil {
		return fmt.Errorf("making the progress folder: %w", err)
	}
	unlock, err := s.lock()
	if err != nil {
		return err
	}
	defer unlock()
	state, err := s.Load()
	if err != nil {
		return err
	}
	if err := change(state); err != nil {
		return err
	}
	if err := s.sweep(); err != nil {
		return err
	}
	return s.write(state)
}

// sweep removes what a killed writer left. Only the holder of the lock makes
// such files, so none is in use.
func (s *Store) sweep() error {
	strays, err := filepath.Glob(s.path + ".new-*")
	if err != nil {
		return fmt.Errorf("looking for leftovers of %s: %w", s.path, err)
	}
	for _, f := range strays {
		if err := removeIfThere(f); err != nil {
			return fmt.Errorf("removing a leftover: %w", err)
		}
	}
	return nil
}

// lock takes the file's lock; it ends with the process, however that ends.
func (s *Store) lock() (unlock func(), err error) {
	return flock(s.path+".lock", unix.LOCK_EX)
}

// ErrMaking means that another process is making or removing a lab's world.
var ErrMaking = errors.New("another nori is making or removing a lab's world on this testbed")

// TryMaking takes the lock under which worlds of labs are made and removed: one
// process at a time for a testbed, whoever the learner is, since setup acts on
// machines. It doesn't wait: the error is ErrMaking where it is taken.
func (s *Store) TryMaking() (unlock func(), err error) {
	if err := os.MkdirAll(filepath.Dir(s.making), 0o755); err != nil {
		return nil, fmt.Errorf("making the progress folder: %w", err)
	}
	unlock, err = flock(s.making, unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return nil, ErrMaking
	}
	return unlock, err
}

func flock(path string, how int) (unlock func(), err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, fmt.Errorf("locking the progress: %w", err)
	}
	for {
		err = unix.Flock(int(f.Fd()), how)
		if !errors.Is(err, unix.EINTR) {
			break
		}
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("locking the progress: %w", err), f.Close())
	}
	return func() { _ = f.Close() }, nil // closing releases the lock; there is nothing to lose
}

// write replaces the file: a new one beside it, synced, renamed, and the
// folder synced, so that the name is on disk too.
func (s *Store) write(state *State) error {
	state.Nori = build.Version()
	var data bytes.Buffer
	enc := json.NewEncoder(&data)
	enc.SetIndent("", "  ")
	if err := enc.Encode(state); err != nil {
		return fmt.Errorf("writing the progress: %w", err)
	}
	dir := filepath.Dir(s.path)
	f, err := os.CreateTemp(dir, filepath.Base(s.path)+".new-*")
	if err != nil {
		return fmt.Errorf("writing the progress: %w", err)
	}
	_, err = f.Write(data.Bytes())
	err = errors.Join(err, f.Chmod(0o644), f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), s.path)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("writing the progress to %s: %w", s.path, err), removeIfThere(f.Name()))
	}
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("writing the progress: %w", err)
	}
	if err := errors.Join(d.Sync(), d.Close()); err != nil {
		return fmt.Errorf("writing the progress: %w", err)
	}
	return nil
}

func removeIfThere(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
