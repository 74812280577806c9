package netns

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/provision/machine"
)

// A namespace, and each card that a testbed puts on the host, says whose it is: the
// kernel keeps an alias with each network card, up to 255 bytes that it makes nothing
// of (IFLA_IFALIAS). A namespace wears its mark on the loopback, which each one has.

const (
	markPrefix = "noriter:"
	// markLimit is IFALIASZ of linux/if.h without its closing zero.
	markLimit = 255
)

// MarkOf is the mark of what belongs to the testbed in a folder.
func MarkOf(folder string) string {
	m := markPrefix + folder
	if len(m) <= markLimit {
		return m
	}
	sum := sha256.Sum256([]byte(folder))
	return markPrefix + "sha256:" + hex.EncodeToString(sum[:])
}

// FolderOf reads a mark: the folder of the testbed that it names, and "" for what is
// no mark of a testbed's.
func FolderOf(mark string) string {
	if len(mark) <= len(markPrefix) || mark[:len(markPrefix)] != markPrefix {
		return ""
	}
	return mark[len(markPrefix):]
}

// Taken is the error for a network namespace or card of a testbed's name that belongs
// to something else: its mark tells to what, and remove is the command that removes it.
func Taken(what lang.Text, mark, remove string) error {
	if folder := FolderOf(mark); folder != "" {
		return &machine.HostError{
			What:   lang.Textf("%s belongs to the testbed in %s", "%s은(는) %s에 있는 테스트베드의 것입니다", what, folder).String(),
			Remedy: "nori up --name OTHER",
		}
	}
	return &machine.HostError{
		What:   lang.Textf("%s is there, and no testbed made it", "%s이(가) 이미 있는데 테스트베드가 만든 것이 아닙니다", what).String(),
		Remedy: "nori up --name OTHER   # or, if nobody needs it: " + remove,
	}
}

// Mark is what the testbed's namespace is marked with; empty for one that is not.
func Mark(name string) (string, error) {
	var alias string
	err := Do(name, func() error {
		lo, err := loopback()
		if err == nil {
			alias = lo.Attrs().Alias
		}
		return err
	})
	return alias, err
}

// Adopt marks a namespace that an older version made, and which therefore has no mark.
// One that has another's is left as it is.
func Adopt(name, folder string) error {
	if !Exists(name) {
		return nil
	}
	return Do(name, func() error {
		if lo, err := loopback(); err != nil || lo.Attrs().Alias != "" {
			return err
		}
		return mark(folder)
	})
}

// claim checks whose the namespace is, and brings its loopback up.
func claim(name, folder string) error {
	return Do(name, func() error {
		lo, err := loopback()
		if err != nil {
			return err
		}
		if alias := lo.Attrs().Alias; alias != MarkOf(folder) {
			return Taken(lang.Textf("the network namespace %s", "네트워크 네임스페이스 %s", prefix+name), alias, "ip netns delete "+prefix+name)
		}
		return netlink.LinkSetUp(lo)
	})
}

// mark marks the namespace that the thread is in.
func mark(folder string) error {
	lo, err := loopback()
	if err == nil {
		err = netlink.LinkSetAlias(lo, MarkOf(folder))
	}
	if err != nil {
		return lang.Errorf("marking the network namespace: %w", "네트워크 네임스페이스에 표시 남기기: %w", err)
	}
	return nil
}

func loopback() (netlink.Link, error) {
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		return nil, lang.Errorf("looking for its loopback: %w", "루프백 찾기: %w", err)
	}
	return lo, nil
}

// lostOf looks for a namespace of the folder that has no file any more, but processes:
// whoever unmounted the file has not ended it. The answer is a file of one of them.
func lostOf(folder string) string {
	files, err := filepath.Glob("/proc/[0-9]*/ns/net")
	if err != nil {
		return ""
	}
	seen := map[uint64]bool{}
	for _, f := range files {
		var st unix.Stat_t
		if unix.Stat(f, &st) != nil || seen[st.Ino] {
			continue
		}
		seen[st.Ino] = true
		if isOf(f, folder) {
			return f
		}
	}
	return ""
}

// isOf says whether the namespace in a file wears the mark of a folder; one that can't
// be entered does not.
func isOf(file, folder string) bool {
	ns, err := os.Open(file)
	if err != nil {
		return false
	}
	defer ns.Close()
	err = onThread(func() error {
		if err := unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET); err != nil {
			return err
		}
		lo, err := loopback()
		if err != nil {
			return err
		}
		if lo.Attrs().Alias != MarkOf(folder) {
			return fmt.Errorf("%s is another's", file)
		}
		return nil
	})
	return err == nil
}

// OnHost runs f with its thread in the namespace of the host's first process.
func OnHost(f func() error) error {
	ns, err := os.Open("/proc/1/ns/net")
	if err != nil {
		return lang.Errorf("opening the host's network namespace: %w", "호스트의 네트워크 네임스페이스 열기: %w", err)
	}
	defer ns.Close()
	return onThread(func() error {
		if err := unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET); err != nil {
			return lang.Errorf("entering the host's network namespace: %w", "호스트의 네트워크 네임스페이스 진입: %w", err)
		}
		return f()
	})
}
