package libvirt

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	golibvirt "github.com/digitalocean/go-libvirt"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/internal/mountinfo"
	"noriter.dev/noriter/provision/machine"
)

// Leftovers lists what virtual machines have on this host, with or without the files
// of their testbeds: the processes of testbeds' own libvirtds, and what libvirt at these
// addresses (empty: the host's) has with the mark of a testbed. Where one can't be asked,
// the error says so, and the rest is listed.
func Leftovers(ctx context.Context, connects ...string) ([]machine.Leftover, error) {
	found, err := lostDaemons()
	for _, connect := range connects {
		marked, merr := lostMarked(ctx, connect)
		found, err = append(found, marked...), errors.Join(err, merr)
	}
	return found, err
}

// lostDaemons are the processes of testbeds' own libvirtds. They see a folder of
// their testbed as /run/libvirt, and go on seeing it when it is removed.
func lostDaemons() ([]machine.Leftover, error) {
	own, err := mountinfo.Own()
	if err != nil {
		return nil, err
	}
	dirs, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return nil, err
	}
	byDir := map[string][]int{}
	for _, p := range dirs {
		pid, err := strconv.Atoi(filepath.Base(p))
		if err != nil {
			continue
		}
		if dir := daemonOf(pid, own); dir != "" {
			byDir[dir] = append(byDir[dir], pid)
		}
	}
	var found []machine.Leftover
	for _, dir := range slices.Sorted(maps.Keys(byDir)) {
		pids := byDir[dir]
		found = append(found, machine.Leftover{
			Testbed: filepath.Base(dir), Dir: dir, Processes: pids,
			What:   lang.Textf("%d processes of its own libvirtd", "전용 libvirtd의 프로세스 %d개", len(pids)),
			Remove: func(ctx context.Context) error { return endLost(ctx, pids, dir) },
		})
	}
	return found, nil
}

// daemonOf is the folder of the testbed whose own libvirtd a process belongs to; ""
// if it belongs to none, has ended, or may not be looked at.
func daemonOf(pid int, own []mountinfo.Mount) string {
	mounts, err := mountinfo.Of(pid)
	if err != nil {
		return ""
	}
	for _, m := range mounts {
		if m.Point != bound[0].over {
			continue
		}
		for _, p := range mountinfo.Paths(own, m.Device, m.Root) {
			if dir, ok := strings.CutSuffix(p, "/"+driverDir+"/"+bound[0].name); ok {
				return dir
			}
		}
	}
	return ""
}

// endLost ends the processes of a libvirtd whose files may be gone.
func endLost(ctx context.Context, pids []int, dir string) error {
	return endAll(ctx, pids, func(pid int) bool {
		own, err := mountinfo.Own()
		return err == nil && daemonOf(pid, own) == dir
	})
}

// lostMarked are the domains and networks with the mark of a testbed.
func lostMarked(ctx context.Context, connect string) ([]machine.Leftover, error) {
	t, err := parseConnect(connect)
	if err != nil {
		return nil, err
	}
	c, err := dial(ctx, t)
	if nobodyThere(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer func() { _ = c.close() }() // it was only asked
	marks, err := allMarks(ctx, c)
	if err != nil {
		return nil, err
	}
	return leftoversOf(marks, connect), nil
}

// nobodyThere is a host without libvirt, or one whose libvirt this user may not use:
// it has nothing of theirs.
func nobodyThere(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission)
}

// allMarks are those of all domains and networks. A network has no machine.
func allMarks(ctx context.Context, c *conn) (marks []mark, err error) {
	doms, err := listDomains(ctx, c)
	if err != nil {
		return nil, err
	}
	for _, dom := range doms {
		x, err := readDomain(ctx, c, dom)
		if isCode(err, golibvirt.ErrNoDomain) {
			continue // it went in between
		}
		if err != nil {
			return nil, err
		}
		if m, ok := marked(domainMetadata(x)); ok {
			marks = append(marks, m)
		}
	}
	nets, err := ask(ctx, c, lang.Text{EN: "listing the networks", KO: "네트워크 목록 읽기"}, func(lv *golibvirt.Libvirt) ([]golibvirt.Network, error) {
		n, _, err := lv.ConnectListAllNetworks(1, golibvirt.ConnectListNetworksActive|golibvirt.ConnectListNetworksInactive)
		return n, err
	})
	if err != nil {
		return nil, err
	}
	for _, n := range nets {
		_, x, err := findNetwork(ctx, c, n.Name)
		if isCode(err, golibvirt.ErrNoNetwork) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if m, ok := marked(networkMetadata(x)); ok {
			marks = append(marks, m)
		}
	}
	return marks, nil
}

// leftoversOf has one leftover for each testbed.
func leftoversOf(marks []mark, connect string) (found []machine.Leftover) {
	type bed struct{ name, dir string }
	counts := map[bed]struct{ domains, networks int }{}
	for _, m := range marks {
		n := counts[bed{m.Name, m.Dir}]
		if m.Machine == "" {
			n.networks++
		} else {
			n.domains++
		}
		counts[bed{m.Name, m.Dir}] = n
	}
	beds := slices.SortedFunc(maps.Keys(counts), func(a, b bed) int {
		return cmp.Or(cmp.Compare(a.name, b.name), cmp.Compare(a.dir, b.dir))
	})
	for _, b := range beds {
		n := counts[b]
		found = append(found, machine.Leftover{
			Testbed: b.name, Dir: b.dir,
			What: lang.Textf("libvirt's domains (%d) and networks (%d)", "libvirt의 도메인(%d개)과 네트워크(%d개)", n.domains, n.networks),
			Remove: func(ctx context.Context) error {
				p, err := New(machine.Testbed{Name: b.name, Dir: b.dir}, Image{}, Options{Connect: connect})
				if err != nil {
					return err
				}
				return p.Remove(ctx)
			},
		})
	}
	return found
}
