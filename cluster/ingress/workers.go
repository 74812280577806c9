package ingress

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// accepting are nginx's workers that take new connections. One that was told to end
// finishes what it has begun; it says so in its title, right before it closes its sockets
// (nginx, src/os/unix/ngx_process_cycle.c, ngx_worker_process_cycle).
func (n *nginx) accepting() ([]int, error) {
	if n.process == nil {
		return nil, nil
	}
	lists, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", n.process.Process.Pid))
	if err != nil {
		return nil, err
	}
	var pids []int
	for _, list := range lists {
		children, err := os.ReadFile(list)
		if err != nil {
			return nil, fmt.Errorf("listing nginx's workers: %w", err)
		}
		for field := range strings.FieldsSeq(string(children)) {
			title, err := os.ReadFile(filepath.Join("/proc", field, "cmdline"))
			if err != nil || strings.Contains(string(title), "shutting down") {
				continue // it has ended, or is about to
			}
			if pid, err := strconv.Atoi(field); err == nil {
				pids = append(pids, pid)
			}
		}
	}
	return pids, nil
}

// stillAccepting are those of some workers that do.
func (n *nginx) stillAccepting(workers []int) ([]int, error) {
	now, err := n.accepting()
	return slices.DeleteFunc(now, func(pid int) bool { return !slices.Contains(workers, pid) }), err
}
