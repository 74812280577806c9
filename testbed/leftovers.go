package testbed

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/internal/mountinfo"
	"noriter.dev/noriter/internal/shell"
	"noriter.dev/noriter/provision/machine"
	"noriter.dev/noriter/provision/netns"
)

// Leftovers are what is on this host of a testbed that has no state, or none that can
// be used. They are found on the host, by what tells there whose they are.
type Leftovers struct {
	home Home
	name string
	// own are those of this home, in the order in which they are to be removed.
	own []machine.Leftover
	// others are of testbeds of the same name in other homes.
	others []machine.Leftover
	// Unseen is why something could not be looked at.
	Unseen error
}

// Leftovers looks for what is left of a testbed.
func (h Home) Leftovers(ctx context.Context, name string) Leftovers {
	l := Leftovers{home: h, name: name}
	found, err := h.scan(ctx, name)
	l.Unseen = err
	for _, f := range found {
		switch {
		case f.Testbed != name:
		case f.Dir == h.testbed(name):
			l.own = append(l.own, f)
		default:
			l.others = append(l.others, f)
		}
	}
	return l
}

// Lost are the testbeds of this home of which something is left, and that have no
// state that can be used.
func (h Home) Lost(ctx context.Context) ([]string, error) {
	candidates, err := h.Names()
	if err != nil {
		return nil, err
	}
	locks, err := os.ReadDir(h.locks())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, lang.Errorf("listing the locks: %w", "잠금 목록 읽기: %w", err)
	}
	for _, e := range locks {
		if name := strings.TrimSuffix(e.Name(), faultLock); ValidateName(name) == nil {
			candidates = append(candidates, name)
		}
	}
	found, unseen := h.scan(ctx, candidates...)
	var lost []string
	for _, f := range found {
		if f.Dir != h.testbed(f.Testbed) || slices.Contains(lost, f.Testbed) || ValidateName(f.Testbed) != nil {
			continue
		}
		if _, err := h.readState(f.Testbed); err != nil {
			lost = append(lost, f.Testbed)
		}
	}
	slices.Sort(lost)
	return lost, unseen
}

// scan lists what there is on this host of testbeds, of this home or another. Not all
// that there is tells a name: of the names given, it is found all the same.
func (h Home) scan(ctx context.Context, names ...string) (found []machine.Leftover, unseen error) {
	look := machine.Look{Testbeds: h.testbeds(), Names: names, Machines: State{Spec: Spec{Nodes: MaxNodes}}.machineNames()}
	connects := []string{""}
	for _, n := range names {
		if c := h.salvage(n, "connect"); c != "" && !slices.Contains(connects, c) {
			connects = append(connects, c)
		}
	}
	for _, d := range drivers {
		more, err := d.leftovers(ctx, look, connects)
		found, unseen = append(found, more...), errors.Join(unseen, err)
	}
	nets, err := lostNetworks(look)
	found, unseen = append(found, nets...), errors.Join(unseen, err)
	for _, n := range names {
		found = append(found, h.lostFiles(n)...)
	}
	return found, unseen
}

// lostFiles are a testbed's folder, or what is in its place, and its locks.
func (h Home) lostFiles(name string) (found []machine.Leftover) {
	dir := h.testbed(name)
	if fi, err := os.Lstat(dir); err == nil {
		what := lang.Textf("the folder %s", "폴더 %s", dir)
		if fi.Mode()&fs.ModeSymlink != 0 {
			what = lang.Textf("the symbolic link %s (what it leads to stays)", "심볼릭 링크 %s(가리키는 것은 남음)", dir)
		}
		found = append(found, machine.Leftover{Testbed: name, Dir: dir, What: what,
			Remove: func(context.Context) error { return removeFolder(dir) }})
	}
	for _, lock := range []string{h.lockFile(name), h.lockFile(name + faultLock)} {
		if !abandoned(lock) {
			continue
		}
		found = append(found, machine.Leftover{Testbed: name, Dir: dir,
			What: lang.Text{EN: "a lock's file", KO: "잠금 파일"},
			Remove: func(context.Context) error {
				if err := os.Remove(lock); err != nil && !errors.Is(err, fs.ErrNotExist) {
					return lang.Errorf("removing a lock's file: %w", "잠금 파일 지우기: %w", err)
				}
				return nil
			}})
	}
	return found
}

// removeFolder removes a testbed's folder, but nothing behind a mount: that is of
// somebody else, since what is ours was unmounted before.
func removeFolder(dir string) error {
	mounted, err := mountinfo.Under(dir)
	if err != nil {
		return err
	}
	if len(mounted) > 0 {
		return &machine.HostError{
			What:   lang.Textf("something else is mounted in the testbed's folder: %s", "테스트베드의 폴더 안에 다른 것이 마운트되어 있습니다: %s", strings.Join(mounted, " ")).String(),
			Remedy: "umount " + shell.Quote(mounted[len(mounted)-1]),
		}
	}
	if err := os.RemoveAll(dir); err != nil {
		return lang.Errorf("removing the testbed's folder: %w", "테스트베드의 폴더 지우기: %w", err)
	}
	return nil
}

// Any says that something of this home is left.
func (l Leftovers) Any() bool { return len(l.own) > 0 }

// What lists it: "3 processes, the folder X".
func (l Leftovers) What() lang.Text {
	var en, ko []string
	for _, f := range l.own {
		en, ko = append(en, f.What.EN), append(ko, f.What.KO)
	}
	return lang.Text{EN: strings.Join(en, ", "), KO: strings.Join(ko, ", ")}
}

// holdsFiles says that there is more than what machines that ran in it leave of a
// folder that was removed: a person may want some of it.
func (l Leftovers) holdsFiles() bool {
	dir, found := l.home.testbed(l.name), false
	mounted, err := mountinfo.Under(dir)
	if err != nil {
		return true // as it may be
	}
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil
		case err != nil:
			return err
		case slices.Contains(mounted, path):
			return fs.SkipDir
		case !d.IsDir():
			found = true
			return fs.SkipAll
		}
		return nil
	})
	return found || err != nil
}

// remove removes what is left; what fails leaves the others alone.
func (l Leftovers) remove(ctx context.Context) error {
	var errs []error
	for _, f := range l.own {
		if err := f.Remove(ctx); err != nil {
			errs = append(errs, err)
		}
	}
	err := errors.Join(errs...)
	if err == nil {
		return nil
	}
	if os.Geteuid() != 0 && (errors.Is(err, unix.EPERM) || errors.Is(err, unix.EACCES)) {
		return &machine.HostError{Err: err,
			What:   lang.Textf("what is left of testbed %q belongs to another user", "남아 있는 테스트베드 %q의 것은 다른 사용자의 것입니다", l.name).String(),
			Remedy: "sudo " + removeFrom(l.home.testbed(l.name))}
	}
	return lang.Errorf("removing what is left of testbed %q: %w", "남아 있는 테스트베드 %q의 것 지우기: %w", l.name, err)
}

// Elsewhere is a sentence about testbeds of the same name in other homes, with what to
// type; empty if there is none.
func (l Leftovers) Elsewhere() string {
	for _, f := range l.others {
		if f.Dir == "" {
			continue
		}
		return lang.Textf("a testbed %q of the state folder %s is on this host: `%s` removes it",
			"상태 폴더 %[2]s의 테스트베드 %[1]q이(가) 이 호스트에 있습니다. `%[3]s` 명령으로 지울 수 있습니다",
			l.name, homeOf(f.Dir), removeFrom(f.Dir)).String()
	}
	if len(l.others) > 0 {
		f := l.others[0]
		return lang.Textf("a testbed %q of another state folder is on this host (%s)", "다른 상태 폴더의 테스트베드 %q이(가) 이 호스트에 있습니다(%s)", l.name, f.What).String()
	}
	return ""
}

// inTheWay refuses a new testbed where a network namespace of its name is another's.
func (l Leftovers) inTheWay() error {
	if !netns.Exists(l.name) || slices.ContainsFunc(l.own, isNamespace) {
		return nil
	}
	remedy := "nori up --name OTHER"
	what := lang.Textf("the network namespace %s is there, and no testbed of the state folder %s made it",
		"네트워크 네임스페이스 %s이(가) 있는데 상태 폴더 %s의 테스트베드가 만든 것이 아닙니다", netns.Path(l.name), l.home.Dir)
	if i := slices.IndexFunc(l.others, func(f machine.Leftover) bool { return f.Dir != "" }); i >= 0 {
		what = lang.Textf("a testbed %q of the state folder %s is on this host", "상태 폴더 %[2]s의 테스트베드 %[1]q이(가) 이 호스트에 있습니다", l.name, homeOf(l.others[i].Dir))
		remedy += "   # or remove that one: " + removeFrom(l.others[i].Dir)
	}
	return &machine.HostError{What: what.String(), Remedy: remedy}
}

// removeFrom is the command that removes the testbed of a folder of another home.
func removeFrom(dir string) string {
	return "NORI_HOME=" + shell.Quote(homeOf(dir)) + " nori down --name " + filepath.Base(dir)
}

// homeOf is the home of a testbed's folder.
func homeOf(testbed string) string { return filepath.Dir(filepath.Dir(testbed)) }

// Sweep removes what is left of a testbed that has no state that can be used, and says
// what that was.
func (h Home) Sweep(ctx context.Context, name string, waiting func(holder string)) (Leftovers, error) {
	lock, err := h.lock(ctx, name, "down", waiting)
	if err != nil {
		return Leftovers{}, err
	}
	defer lock.release()
	if _, err := h.readState(name); err == nil {
		return Leftovers{}, lang.Errorf("testbed %q was made meanwhile; `%s` removes it", "그 사이에 테스트베드 %q이(가) 만들어졌습니다. `%s` 명령으로 지울 수 있습니다", name, h.Command(name, "down"))
	}
	if d := h.salvage(name, "driver"); d != "" && d != Auto {
		if _, ok := driverNamed(d); !ok {
			return Leftovers{}, unknownDriver(name, d)
		}
	}
	left := h.Leftovers(ctx, name)
	if err := left.remove(ctx); err != nil {
		return left, err
	}
	if err := h.removeNote(name); err != nil {
		return left, err
	}
	lock.remove()
	if still := h.Leftovers(ctx, name); still.Any() {
		return left, lang.Errorf("of testbed %q is still left: %s", "테스트베드 %q의 것이 아직 남아 있습니다: %s", name, still.What())
	}
	return left, nil
}
