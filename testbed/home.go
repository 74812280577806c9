package testbed

import (
	"encoding/json"
	"errors"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"sort"
	"time"

	"noriter.dev/noriter/internal/lang"
)

// Home is the folder in which Noriter keeps everything of its own.
type Home struct{ Dir string }

// FindHome is $NORI_HOME, or else /var/lib/noriter for root and
// ~/.local/share/noriter for others.
func FindHome() (Home, error) {
	if d := os.Getenv("NORI_HOME"); d != "" {
		abs, err := filepath.Abs(d)
		return Home{abs}, err
	}
	if os.Geteuid() == 0 {
		return Home{"/var/lib/noriter"}, nil
	}
	if d := os.Getenv("XDG_DATA_HOME"); d != "" {
		return Home{filepath.Join(d, "noriter")}, nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return Home{}, lang.Errorf("looking for a home folder: %w", "홈 폴더 찾기: %w", err)
	}
	return Home{filepath.Join(home, ".local", "share", "noriter")}, nil
}

// Cache holds what takes long to make and may be kept: images. $NORI_CACHE
// puts it elsewhere, so that several homes can share one.
func (h Home) Cache() string {
	if d := os.Getenv("NORI_CACHE"); d != "" {
		return d
	}
	return filepath.Join(h.Dir, "cache")
}

// Learner holds progress and scores. Nothing but the learner removes them.
func (h Home) Learner() string { return filepath.Join(h.Dir, "learner") }

// StateFile is where the state of a testbed is kept.
func (h Home) StateFile(name string) string { return filepath.Join(h.testbed(name), stateFile) }

func (h Home) testbeds() string        { return filepath.Join(h.Dir, "testbeds") }
func (h Home) testbed(n string) string { return filepath.Join(h.testbeds(), n) }
func (h Home) locks() string           { return filepath.Join(h.Dir, "locks") }

// State is what must be remembered of a testbed. It is written before
// anything of the testbed is made, so that `nori down` always finds its way.
type State struct {
	Spec   Spec         `json:"spec"`
	Subnet netip.Prefix `json:"subnet"`
	// ImageID is the machine image that the machines were made from.
	ImageID string    `json:"imageID,omitempty"`
	Created time.Time `json:"created"`
	// Ready says that `nori up` once came to its end.
	Ready bool `json:"ready"`
	// Workers are the workers' names; empty means node1 to nodeN, as Spec says.
	Workers []string `json:"workers,omitempty"`
	// Joining is a worker whose `nori node add` has not come to its end.
	Joining string `json:"joining,omitempty"`
	// Resetting is the snapshot of a reset that has not come to its end.
	Resetting string `json:"resetting,omitempty"`
	// Faults are those that `nori fault` has put in and not taken out.
	Faults []Fault `json:"faults,omitempty"`
	// Emulated says whether the machines' processors are imitated, as the
	// driver last saw; nil before it was asked.
	Emulated *bool `json:"emulated,omitempty"`
	// Why tells how auto came to its driver.
	Why string `json:"why,omitempty"`
}

const stateFile = "state.json"

// ErrNoTestbed is a testbed that was never made, or is down.
var ErrNoTestbed = lang.Errorf("there is no such testbed; `nori up` makes one", "그런 테스트베드가 없습니다. `nori up`으로 만드세요")

// ErrNotUp is a testbed whose `nori up` has not come far enough for a cluster.
var ErrNotUp = lang.Errorf("there is no cluster yet; `nori up` makes one", "아직 클러스터가 없습니다. `nori up`으로 만드세요")

func (h Home) readState(name string) (State, error) {
	var s State
	data, err := os.ReadFile(filepath.Join(h.testbed(name), stateFile))
	if errors.Is(err, fs.ErrNotExist) {
		return s, lang.Errorf("testbed %q: %w", "테스트베드 %q: %w", name, ErrNoTestbed)
	}
	if err != nil {
		return s, lang.Errorf("reading the state of testbed %q: %w", "테스트베드 %q의 상태 읽기: %w", name, err)
	}
	if err := json.Unmarshal(data, &s); err != nil {
		return s, lang.Errorf("reading the state of testbed %q: %w; mend or remove the file in %s", "테스트베드 %q의 상태 읽기: %w. %s에 있는 파일을 고치거나 지우세요", name, err, h.testbed(name))
	}
	return s, nil
}

func (h Home) writeState(name string, s State) error {
	data, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return err
	}
	if err := writeFile(filepath.Join(h.testbed(name), stateFile), append(data, '\n'), 0o600); err != nil {
		return lang.Errorf("keeping the state of testbed %q: %w", "테스트베드 %q의 상태 저장: %w", name, err)
	}
	return nil
}

// writeState keeps the testbed's state.
func (t *Testbed) writeState() error { return t.home.writeState(t.Name(), t.state) }

// reread reads the state anew. Whoever held the testbed's lock before may have
// changed it, so nothing that was read before counts once the lock is held.
func (t *Testbed) reread() error {
	state, err := t.home.readState(t.Name())
	if err != nil {
		return err
	}
	t.state = state
	return nil
}

// Names lists the testbeds of this home.
func (h Home) Names() ([]string, error) {
	entries, err := os.ReadDir(h.testbeds())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, lang.Errorf("listing the testbeds: %w", "테스트베드 목록 읽기: %w", err)
	}
	var names []string
	for _, e := range entries {
		if e.IsDir() {
			names = append(names, e.Name())
		}
	}
	sort.Strings(names)
	return names, nil
}

// writeFile writes a file whole or not at all.
func writeFile(path string, data []byte, mode fs.FileMode) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
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
