package histories

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"

	"noriter.dev/noriter/provision/netns"
)

// sight is what was seen of a testbed by a look of one's own.
type sight struct {
	noDHCP   bool // virtual machines have their addresses from a server
	machines map[string]machineSight
	api      string // "ok", or why not
	nodes    map[string]bool
}

type machineSight struct {
	alive   bool // its first process is there
	answers string
	units   string // those that are not active
}

// whole says that everything is as it should be, and else what is not.
func (s sight) whole() (bool, string) {
	var bad []string
	if s.noDHCP {
		bad = append(bad, "nobody gives machines their addresses")
	}
	if s.api != "ok" {
		bad = append(bad, "API: "+s.api)
	}
	for name, m := range s.machines {
		switch {
		case !m.alive:
			bad = append(bad, name+" is off")
		case m.answers != "ok":
			bad = append(bad, name+": SSH: "+m.answers)
		case m.units != "":
			bad = append(bad, name+": "+m.units)
		}
		if !s.nodes[name] {
			bad = append(bad, name+" is not Ready")
		}
	}
	if len(s.machines) == 0 {
		bad = append(bad, "there are no machines")
	}
	return len(bad) == 0, strings.Join(bad, "; ")
}

// look looks at everything at once.
func (w *world) look() sight {
	// The keys of a testbed that was made anew are others: with the old ones its SSH
	// servers would soon take no connection from here at all, nori's neither.
	st, ok := w.state()
	if ok && !st.Created.Equal(w.keys.of) {
		w.keys = keys{}
	}
	if w.keys.client == nil {
		_ = w.learn() // there may be nothing to learn yet
	}
	s := sight{machines: map[string]machineSight{}, nodes: map[string]bool{}}
	s.noDHCP = w.bed.driver == "libvirt" && len(w.named("", "dnsmasq")) == 0
	var mu sync.Mutex
	var wg sync.WaitGroup
	for _, m := range w.machines() {
		wg.Go(func() {
			seen := machineSight{alive: w.initOf(m) > 0}
			seen.answers, seen.units = w.askUnits(m)
			mu.Lock()
			defer mu.Unlock()
			s.machines[m] = seen
		})
	}
	wg.Go(func() {
		api, nodes := w.askAPI()
		mu.Lock()
		defer mu.Unlock()
		s.api, s.nodes = api, nodes
	})
	wg.Wait()
	return s
}

// initOf is the process in which a machine lives, or 0.
func (w *world) initOf(machine string) int {
	if w.bed.driver == "libvirt" {
		for _, pid := range w.processes() {
			if line := commandLine(pid); strings.Contains(line, "guest=nori-"+name+"-"+machine+",") {
				return pid
			}
		}
		return 0
	}
	first, depth := 0, 0 // the first process of a pod lies deeper
	for _, pid := range w.inGroups(machine) {
		b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		for line := range strings.Lines(string(b)) {
			f := strings.Fields(line)
			if len(f) > 2 && f[0] == "NSpid:" && f[len(f)-1] == "1" && (first == 0 || len(f) < depth) {
				first, depth = pid, len(f)
			}
		}
	}
	return first
}

func commandLine(pid int) string {
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	return strings.ReplaceAll(string(b), "\x00", " ")
}

// processes are those whose command line names the testbed's folder, those in its
// network namespace, and those of its cgroups.
func (w *world) processes() []int {
	seen := map[int]bool{}
	for _, pid := range w.inGroups("") {
		seen[pid] = true
	}
	if netns.Exists(name) {
		in, _ := netns.Processes(name)
		for _, pid := range in {
			seen[pid] = true
		}
	}
	dirs, _ := filepath.Glob("/proc/[0-9]*")
	for _, d := range dirs {
		pid, _ := strconv.Atoi(filepath.Base(d))
		if strings.Contains(commandLine(pid), w.folder()+"/") {
			seen[pid] = true
		}
	}
	delete(seen, os.Getpid()) // it is in the namespace while it dials there
	var out []int
	for pid := range seen {
		if b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid)); err == nil && !bytes.Contains(b, []byte(") Z ")) {
			out = append(out, pid)
		}
	}
	return out
}
