package testbed

import (
	"context"
	"errors"
	"net"
	"path/filepath"
	"strings"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/provision/machine"
	"noriter.dev/noriter/provision/netns"
)

var aNamespace = lang.Text{EN: "its network namespace", KO: "네트워크 네임스페이스"}

func isNamespace(l machine.Leftover) bool { return l.What == aNamespace }

// lostNetworks are testbeds' network namespaces, and the host's ends of links into
// them. Their marks say whose they are.
func lostNetworks(look machine.Look) (nets []machine.Leftover, err error) {
	files, err := filepath.Glob(netns.Path("*"))
	if err != nil {
		return nil, err
	}
	var errs []error
	for _, f := range files {
		name := strings.TrimPrefix(f, netns.Path(""))
		if !netns.Exists(name) {
			continue
		}
		mark, err := netns.Mark(name)
		if err != nil && !errors.Is(err, unix.EPERM) { // one that is root's, as seen by others
			errs = append(errs, err)
			continue
		}
		nets = append(nets, machine.Leftover{Testbed: name, Dir: folderOf(mark, look.Testbeds, name), What: aNamespace,
			Remove: func(context.Context) error { return removeNamespace(name) }})
	}
	links, err := netlink.LinkList()
	if err != nil {
		errs = append(errs, lang.Errorf("listing the network cards: %w", "네트워크 인터페이스 목록 읽기: %w", err))
	}
	for _, l := range links {
		dir := folderOf(l.Attrs().Alias, look.Testbeds, look.Names...)
		if dir == "" || isLoopback(l) { // a loopback wears the mark of the namespace that we are in
			continue
		}
		nets = append(nets, machine.Leftover{Testbed: filepath.Base(dir), Dir: dir,
			What:   lang.Textf("the network card %s", "네트워크 인터페이스 %s", l.Attrs().Name),
			Remove: func(context.Context) error { return removeLink(l) }})
	}
	return nets, errors.Join(errs...)
}

// folderOf is the folder of the testbed that a mark names; "" if it names none, or
// only the hash of a folder that is of none of these testbeds.
func folderOf(mark, testbeds string, names ...string) string {
	for _, name := range names {
		if dir := filepath.Join(testbeds, name); mark == netns.MarkOf(dir) {
			return dir
		}
	}
	if dir := netns.FolderOf(mark); filepath.IsAbs(dir) {
		return dir
	}
	return ""
}

// removeNamespace removes a namespace with its network cards: somebody's process may
// keep it alive, and whoever finds it again must not find old bridges in it.
func removeNamespace(name string) error {
	err := netns.Do(name, func() error {
		links, err := netlink.LinkList()
		if err != nil {
			return lang.Errorf("listing the network cards: %w", "네트워크 인터페이스 목록 읽기: %w", err)
		}
		for _, l := range links {
			if isLoopback(l) {
				continue
			}
			if err := removeLink(l); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return netns.Delete(name)
}

func isLoopback(l netlink.Link) bool { return l.Attrs().Flags&net.FlagLoopback != 0 }

func removeLink(l netlink.Link) error {
	var missing netlink.LinkNotFoundError
	if _, err := netlink.LinkByName(l.Attrs().Name); errors.As(err, &missing) {
		return nil // it went with the namespace
	}
	if err := netlink.LinkDel(l); err != nil {
		return lang.Errorf("removing the network card %s: %w", "네트워크 인터페이스 %s 지우기: %w", l.Attrs().Name, err)
	}
	return nil
}
