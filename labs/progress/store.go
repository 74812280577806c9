package progress

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"noriter.dev/noriter/internal/build"
	"noriter.dev/noriter/internal/format"
	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/internal/learner"
)

// Store is the file of one learner on one testbed. Several processes may use
// it at once: the live view in one pane, `hint` in another.
type Store struct {
	path, testbed string
	// user is whose file it is; nil is whoever runs this process.
	user   *learner.User
	making string
}

// Open names the file in the folder of a learner on a testbed; nothing is read or made
// yet. It is reached with the learner's rights.
func Open(dir string, user *learner.User, testbed string) *Store {
	return &Store{path: filepath.Join(dir, "progress.json"), user: user, testbed: testbed, making: filepath.Join(dir, "making.lock")}
}

// Making puts the lock of TryMaking elsewhere, where all learners of a testbed have it
// in common.
func (s *Store) Making(path string) *Store {
	s.making = path
	return s
}

// name is the learner's.
func (s *Store) name() string {
	if s.user == nil {
		return learner.Current().Name
	}
	return s.user.Name
}

// Path is where the file is.
func (s *Store) Path() string { return s.path }

// Load reads the state; a file that isn't there is an empty state.
func (s *Store) Load() (*State, error) {
	empty := &State{Version: Version, Learner: s.name(), Testbed: s.testbed, Labs: map[string]*Lab{}}
	data, err := s.user.ReadFile(s.path)
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
	state.Learner, state.Testbed = s.name(), s.testbed // it may have been taken over
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
	return s.user.Do(func() error {
		if err := s.sweep(); err != nil {
			return err
		}
		return s.write(state)
	})
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
	err = s.user.Do(func() error {
		if err := os.MkdirAll(filepath.Dir(s.path), 0o700); err != nil {
			return fmt.Errorf("making the progress folder: %w", err)
		}
		unlock, err = flock(s.path+".lock", unix.LOCK_EX)
		return err
	})
	return unlock, err
}

// ErrMaking means that another process is making or removing a lab's world.
var ErrMaking = errors.New("another nori is making or removing a lab's world on this testbed")

// TryMaking takes the lock under which worlds of labs are made and removed: one
// process at a time for a testbed, whoever the learner is, since setup acts on
// machines. It doesn't wait: the error is ErrMaking where it is taken.
func (s *Store) TryMaking() (unlock func(), err error) {
	if err := os.MkdirAll(filepath.Dir(s.making), 0o700); err != nil {
		return nil, fmt.Errorf("making the progress folder: %w", err)
	}
	unlock, err = flock(s.making, unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return nil, ErrMaking
	}
	return unlock, err
}

// ErrGrading means that another process is grading at this moment.
var ErrGrading = errors.New("another nori is grading this learner's lab")

// TryGrading takes the lock under which a learner's steps are judged: what is tried out
// (a pod killed, a plug pulled) happens once, however many screens, shells and commands
// watch. It doesn't wait: the error is ErrGrading where it is taken.
func (s *Store) TryGrading() (unlock func(), err error) {
	err = s.user.Do(func() error {
		unlock, err = flock(filepath.Join(filepath.Dir(s.path), "grading.lock"), unix.LOCK_EX|unix.LOCK_NB)
		return err
	})
	if errors.Is(err, unix.EWOULDBLOCK) {
		return nil, ErrGrading
	}
	return unlock, err
}

func flock(path string, how int) (unlock func(), err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("locking the progress: %w", err)
	}
	_ = f.Chmod(0o600) // one of an older version: whoever may read a file may lock it
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
	err = errors.Join(err, f.Chmod(0o600), f.Sync(), f.Close())
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
