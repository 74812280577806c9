package testbed

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"time"

	"golang.org/x/sys/unix"

	"noriter.dev/noriter/internal/build"
	"noriter.dev/noriter/internal/format"
	"noriter.dev/noriter/internal/lang"
)

// stateVersion is the form that states have now. It grows when an older nori would
// read a state wrongly. 2 brought limits of container machines' processors, and left
// those of virtual machines to the driver: an older one would make one of each.
const stateVersion = 2

// limitsVersion is the first form of states whose container machines are limited.
const limitsVersion = 2

// State is what must be remembered of a testbed. It is written before
// anything of the testbed is made, so that `nori down` always finds its way.
type State struct {
	// Version is stateVersion when it was written, and Nori the one that wrote it.
	Version int    `json:"version"`
	Nori    string `json:"nori"`
	// MadeBy is the nori that made the testbed; those before there were versions did
	// not say.
	MadeBy string `json:"madeBy,omitempty"`
	// Programs are those that the last `nori up` brought to the machines, and Saved
	// those that each snapshot has, by its name.
	Programs Programs            `json:"programs,omitzero"`
	Saved    map[string]Programs `json:"saved,omitempty"`

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
	// Exercise is what a learner has to find and to mend, or has mended last.
	Exercise *Exercise `json:"exercise,omitempty"`
	// Emulated says whether the machines' processors are imitated, as the
	// driver last saw; nil before it was asked.
	Emulated *bool `json:"emulated,omitempty"`
	// Why tells how auto came to its driver.
	Why string `json:"why,omitempty"`
	// Unlimited says that container machines may use all processors, whatever Spec says:
	// the testbed is of a nori that did not limit them.
	Unlimited bool `json:"unlimited,omitempty"`
}

// cpus are the processors that the machines get; 0 is all of the host's.
func (s State) cpus() CPUs {
	if d, ok := driverNamed(s.Spec.Driver); s.Unlimited && ok && !d.traits.OwnKernel {
		return CPUs{}
	}
	return s.choice(s.Spec.CPUs)
}

// choice puts the driver's choice where nothing is said.
func (s State) choice(want CPUs) CPUs {
	d, _ := driverNamed(s.Spec.Driver) // without one there are no machines to speak of
	return CPUs{cmp.Or(want.Control, d.cpus.Control), cmp.Or(want.Node, d.cpus.Node)}
}

// The state is kept twice: where a person or a crash has taken the first, the second
// takes its place, and the next command that changes something writes both.
const (
	stateFile = "state.json"
	stateCopy = "state.copy.json"
)

// ErrNoTestbed is a testbed that was never made, or is down.
var ErrNoTestbed = lang.Errorf("there is no such testbed", "그런 테스트베드가 없습니다")

// ErrNotUp is a testbed whose `nori up` has not come far enough for a cluster.
var ErrNotUp = lang.Errorf("there is no cluster yet", "아직 클러스터가 없습니다")

// Gone says that the testbed was removed since it was opened, or made anew.
func (t *Testbed) Gone() bool {
	now, err := t.home.readState(t.Name())
	return errors.Is(err, ErrNoTestbed) || err == nil && !now.Created.Equal(t.state.Created)
}

// NotUp is ErrNotUp of this testbed, with what to type.
func (t *Testbed) NotUp() error {
	return lang.Errorf("testbed %q: %w; `%s` makes one", "테스트베드 %q: %w. `%s` 명령으로 만드세요", t.Name(), ErrNotUp, t.Command("up"))
}

// removedMeanwhile is ErrNoTestbed of one that was there a moment before.
type removedMeanwhile struct{ error }

func (removedMeanwhile) Is(target error) bool { return target == ErrNoTestbed }

func removed(name string) error {
	return removedMeanwhile{lang.Errorf("testbed %q was removed meanwhile; `nori up --name %[1]s` makes it anew",
		"그 사이에 테스트베드 %q이(가) 지워졌습니다. `nori up --name %[1]s` 명령으로 새로 만드세요", name)}
}

// BrokenState is a state that is there and can't be used: it is damaged, or a newer
// nori wrote it. Such a testbed can be removed, and nothing else.
type BrokenState struct{ Err error }

// Error says what is wrong with it, and what to do.
func (e *BrokenState) Error() string { return e.Err.Error() }

// Unwrap gives the cause.
func (e *BrokenState) Unwrap() error { return e.Err }

func (h Home) readState(name string) (State, error) {
	if err := h.isFolder(name); err != nil {
		return State{}, h.broken(name, err)
	}
	s, err := h.readStateFile(name, stateFile)
	if !h.replaceable(name, err) {
		return s, err
	}
	if second, e := h.readStateFile(name, stateCopy); e == nil {
		return second, nil
	}
	return s, err
}

// replaceable says that a state is gone or damaged, and that nothing is in its place
// which could not be written over. That of a newer nori is neither.
func (h Home) replaceable(name string, err error) bool {
	var broken *BrokenState
	var newer *format.NewerError
	if errors.Is(err, ErrNoTestbed) {
		return true
	}
	fi, lerr := os.Lstat(filepath.Join(h.testbed(name), stateFile))
	return errors.As(err, &broken) && !errors.As(err, &newer) && lerr == nil && fi.Mode().IsRegular()
}

// readStateFile reads one of the two.
func (h Home) readStateFile(name, file string) (State, error) {
	data, err := os.ReadFile(filepath.Join(h.testbed(name), file))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return State{}, h.noTestbed(name)
	case errors.Is(err, unix.EISDIR), errors.Is(err, unix.ELOOP):
		return State{}, h.broken(name, err)
	case err != nil:
		return State{}, lang.Errorf("reading the state of testbed %q: %w", "테스트베드 %q의 상태 읽기: %w", name, err)
	}
	s, err := parseState(name, data)
	var newer *format.NewerError
	switch {
	case errors.As(err, &newer):
		return State{}, &BrokenState{lang.Errorf("%w; `%s` removes the testbed", "%w. `%s` 명령으로 테스트베드를 지울 수 있습니다", err, h.Command(name, "down"))}
	case err != nil:
		return State{}, h.broken(name, err)
	}
	return s, nil
}

// noTestbed is ErrNoTestbed with what to type, which is another command where files are
// in the way.
func (h Home) noTestbed(name string) error {
	if (Leftovers{home: h, name: name}).holdsFiles() {
		return lang.Errorf("testbed %q: %w any more, only what is left of one: `%s` removes it, then `nori up --name %[1]s` makes a new one",
			"테스트베드 %q: %w. 남은 것만 있습니다. `%s` 명령으로 지운 뒤 `nori up --name %[1]s` 명령으로 새로 만드세요", name, ErrNoTestbed, h.Command(name, "down"))
	}
	return lang.Errorf("testbed %q: %w; `%s` makes one", "테스트베드 %q: %w. `%s` 명령으로 만드세요", name, ErrNoTestbed, h.Command(name, "up"))
}

// isFolder refuses what is in the place of a testbed's folder: a link's other end is
// not ours to write to, and what is mounted there has another name.
func (h Home) isFolder(name string) error {
	fi, err := os.Lstat(h.testbed(name))
	switch {
	case err != nil, fi.IsDir():
		return nil // the state says what is wrong
	case fi.Mode()&fs.ModeSymlink != 0:
		return lang.Errorf("%s is a symbolic link", "%s은(는) 심볼릭 링크입니다", h.testbed(name))
	}
	return lang.Errorf("%s is no folder", "%s은(는) 폴더가 아닙니다", h.testbed(name))
}

// broken says of a state that can't be used what to do.
func (h Home) broken(name string, err error) error {
	return &BrokenState{lang.Errorf("the state of testbed %q is damaged (%w): `%s` removes the testbed, then `nori up --name %[1]s` makes it anew",
		"테스트베드 %q의 상태가 손상되었습니다(%w). `%s` 명령으로 테스트베드를 지운 뒤 `nori up --name %[1]s` 명령으로 새로 만드세요",
		name, err, h.Command(name, "down"))}
}

// parseState reads the state of the testbed of that name. What it gives can be
// relied upon: all that is made of it later has a subnet and names that are some.
func parseState(name string, data []byte) (s State, err error) {
	if len(bytes.TrimSpace(data)) == 0 {
		return s, lang.Errorf("%s is empty", "%s이(가) 비어 있습니다", stateFile)
	}
	var form struct {
		Version int    `json:"version"`
		Nori    string `json:"nori"`
	}
	if json.Unmarshal(data, &form) == nil {
		what := lang.Textf("the state of testbed %q", "테스트베드 %q의 상태", name)
		if err := format.Check(what, form.Version, stateVersion, form.Nori); err != nil {
			return s, err
		}
	}
	if err := json.Unmarshal(data, &s); err != nil {
		return s, lang.Errorf("%s: %w", "%s: %w", stateFile, err)
	}
	if s.Version < limitsVersion {
		s.Unlimited = true
	}
	if s.Spec.Name != name {
		return s, lang.Errorf("%s is of a testbed called %q", "%s이(가) 이름이 %q인 테스트베드의 것입니다", stateFile, s.Spec.Name)
	}
	if err := errors.Join(validateSubnet(s.Subnet.String()), between("nodes", s.Spec.Nodes, 1, MaxNodes)); err != nil {
		return s, lang.Errorf("%s: %w", "%s: %w", stateFile, err)
	}
	for _, w := range s.workers() {
		if err := checkWorker(w); err != nil {
			return s, lang.Errorf("%s: %w", "%s: %w", stateFile, err)
		}
	}
	return s, nil
}

// salvage reads a text out of a state that can't be used, or its copy; "" if it is not
// in there.
func (h Home) salvage(name, key string) string {
	form := regexp.MustCompile(`"` + regexp.QuoteMeta(key) + `":\s*"([^"\\]*)"`)
	for _, file := range []string{stateFile, stateCopy} {
		data, err := os.ReadFile(filepath.Join(h.testbed(name), file))
		if err != nil {
			continue
		}
		if m := form.FindSubmatch(data); m != nil {
			return string(m[1])
		}
	}
	return ""
}

func (h Home) writeState(name string, s State) error {
	s.Version, s.Nori = stateVersion, build.Version()
	data, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return err
	}
	for _, file := range []string{stateFile, stateCopy} {
		if err := writeFile(filepath.Join(h.testbed(name), file), append(data, '\n'), 0o600); err != nil {
			return lang.Errorf("keeping the state of testbed %q: %w", "테스트베드 %q의 상태 저장: %w", name, err)
		}
	}
	return nil
}

// writeState keeps the testbed's state.
func (t *Testbed) writeState() error { return t.home.writeState(t.Name(), t.state) }

// reread reads the state anew. Whoever held the testbed's lock before may have
// changed it, so nothing that was read before counts once the lock is held. Of a
// testbed that is gone the lock goes, too.
func (t *Testbed) reread(l *lock) error {
	state, err := t.home.readState(t.Name())
	if errors.Is(err, ErrNoTestbed) {
		l.remove()
		return removed(t.Name())
	}
	if err != nil {
		return err
	}
	t.state = state
	return nil
}
