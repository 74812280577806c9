package histories

import (
	"os"
	"path/filepath"
	"strings"
	"time"
)

// neighbour is the world of the testbed beside, which nothing happens to.
func (w *world) neighbour() *world {
	n := *w
	n.home, n.cash = filepath.Join(w.dir, "beside"), w.common
	return &n
}

// beside runs nori on the testbed beside.
func (w *world) beside(limit time.Duration, args ...string) result {
	n := w.neighbour()
	r := &running{w: n, cmd: n.command(args...), begun: time.Now(), args: append([]string{"(beside)"}, args...), done: make(chan error, 1)}
	for i, a := range r.cmd.Args {
		if a == name {
			r.cmd.Args[i] = other
			break
		}
	}
	r.cmd.Stdout, r.cmd.Stderr = &r.out, &r.out
	go func() { r.done <- r.cmd.Run() }()
	return r.end(limit)
}

// ensureBeside has the testbed beside run or not, as the history wants.
func (w *world) ensureBeside() error {
	up := false
	if _, err := os.Stat(filepath.Join(w.neighbour().home, "testbeds", other)); err == nil {
		up = true
	}
	switch {
	case up && !w.bed.beside:
		w.endBeside()
	case !up && w.bed.beside:
		if r := w.beside(5*time.Minute, "up", "--driver", "nspawn", "--nodes", "1"); r.code != 0 {
			return breaks(upServes, "the testbed beside: %s", said(r.out))
		}
	}
	return nil
}

func (w *world) endBeside() {
	if _, err := os.Stat(filepath.Join(w.neighbour().home, "testbeds", other)); err == nil {
		w.beside(time.Minute, "down")
	}
}

// checkBeside holds the testbed beside to be ready as before.
func (w *world) checkBeside() error {
	if !w.bed.beside {
		return nil
	}
	var r result
	for range 5 { // beside other work a look may come late
		if r = w.beside(30*time.Second, "status"); r.code == 0 {
			return nil
		}
		time.Sleep(2 * time.Second)
	}
	return breaks(hostWhole, "the testbed beside is not ready any more: %s", strings.Join(strings.Fields(r.out), " "))
}
