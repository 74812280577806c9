package ingress

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// accepting are nginx's workers that take new connections. One that was told to end
// finishes what it has begun; it says so in its title, right before it closes its sockets
// (nginx, src/os/unix/ngx_process_cycle.c, ngx_worker_process_cycle).
func (n *nginx) accepting() ([]int, error) {
	if n.process == nil {
		return nil, nil
	}
	// The master has one thread. A file that is not there is that of a master which has
	// ended, or of a kernel that doesn't tell (CONFIG_PROC_CHILDREN).
	children, err := os.ReadFile(fmt.Sprintf("/proc/%[1]d/task/%[1]d/children", n.process.Process.Pid))
	if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ESRCH) {
		return nil, fmt.Errorf("listing nginx's workers: %w", err)
	}
	var pids []int
	for field := range strings.FieldsSeq(string(children)) {
		title, err := os.ReadFile(filepath.Join("/proc", field, "cmdline"))
		if err != nil || strings.Contains(string(title), "shutting down") {
			continue // it has ended, or is about to
		}
		pid, err := strconv.Atoi(field)
		if err != nil {
			return nil, fmt.Errorf("listing nginx's workers: %w", err)
		}
		pids = append(pids, pid)
	}
	return pids, nil
}

// stillAccepting are those of some workers that do.
func (n *nginx) stillAccepting(workers []int) ([]int, error) {
	now, err := n.accepting()
	return slices.DeleteFunc(now, func(pid int) bool { return !slices.Contains(workers, pid) }), err
}
