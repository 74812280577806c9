package nspawn

import (
	"os"
	"strconv"
	"strings"
)

// inotifyInstances is enough for ten machines: the kernel's 128 are shared by
// all processes of root, in machines too.
const inotifyInstances = 4096

// inotifyLimit is the host's limit, which is raised while there are machines.
type inotifyLimit struct {
	limit string
	// note is where the limit of before is kept. Like the limit it goes with a
	// reboot.
	note string
}

var hostInotify = inotifyLimit{limit: "/proc/sys/fs/inotify/max_user_instances", note: "/run/noriter-inotify"}

// raise raises the limit, if it is low and may be raised. A host on which it can't be
// shows where machines need it.
func (l inotifyLimit) raise() {
	was, ok := number(l.limit)
	if !ok || was >= inotifyInstances {
		return
	}
	// Noted first: a limit that was raised and not noted would stay.
	if err := os.WriteFile(l.note, []byte(strconv.Itoa(was)), 0o644); err == nil {
		_ = os.WriteFile(l.limit, []byte(strconv.Itoa(inotifyInstances)), 0)
	}
}

// putBack undoes raise when the last machine is gone. A limit that somebody has changed
// since is left as they want it.
func (l inotifyLimit) putBack() {
	was, noted := number(l.note)
	if is, ok := number(l.limit); noted && ok && is == inotifyInstances {
		_ = os.WriteFile(l.limit, []byte(strconv.Itoa(was)), 0)
	}
	_ = os.Remove(l.note)
}

func number(file string) (int, bool) {
	b, err := os.ReadFile(file)
	if err != nil {
		return 0, false
	}
	n, err := strconv.Atoi(strings.TrimSpace(string(b)))
	return n, err == nil
}
