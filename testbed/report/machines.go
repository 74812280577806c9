package report

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"noriter.dev/noriter/cluster/install"
	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/provision/machine"
	"noriter.dev/noriter/testbed"
)

const (
	// dialLimit is how long a machine may take to answer.
	dialLimit = 10 * time.Second
	// journalLimit is how long it may take to tell of itself; an emulated one is slow.
	journalLimit = 60 * time.Second
)

// looks are commands on a machine whose output is told, by the file's name.
var looks = []struct{ file, line string }{
	{"units.txt", "systemctl list-units --all --no-pager 'nori-*' containerd.service; systemctl --failed --no-pager; systemctl --version | head -n 1"},
	{"resources.txt", "uname -srm; uptime; free -m; df -h -x tmpfs; cat /proc/pressure/* 2>/dev/null; sysctl fs.inotify net.ipv4.ip_forward 2>/dev/null"},
	{"network.txt", "ip -br address; ip route; nft list tables; nft list ruleset | wc -l"},
	{"containers.txt", "ctr --namespace k8s.io tasks list 2>&1; ctr --namespace k8s.io images list -q 2>&1; ctr version 2>&1; runc --version 2>&1"},
	{"warnings.txt", "journalctl --no-pager --output short-iso --priority warning --lines %[1]d"},
}

// machines asks all that run, at once.
func (r *run) machines(ctx context.Context) error {
	infos, err := r.Testbed.List(ctx)
	errs := []error{err}
	state := map[string]machine.State{}
	for _, i := range infos {
		state[i.Name] = i.State
		r.add("machines/"+i.Name+"/state.txt", fmt.Sprintf("%s %s\n", i.State, i.Detail))
	}
	var mu sync.Mutex
	var wg sync.WaitGroup
	for _, name := range r.Testbed.Machines() {
		// Where the driver does not tell, only the machine can.
		if s := state[name]; err == nil && s != machine.Running {
			errs = append(errs, lang.Errorf("%s is not on", "%s이(가) 켜져 있지 않습니다", name))
			continue
		}
		wg.Go(func() {
			if err := r.machine(ctx, name); err != nil {
				mu.Lock()
				defer mu.Unlock()
				errs = append(errs, lang.Errorf("%s does not tell: %w", "%s에서 알아낼 수 없습니다: %w", name, err))
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// machine adds what one of them tells. Each look is one command, so that one that fails
// costs only itself.
func (r *run) machine(ctx context.Context, name string) error {
	connect, cancel := context.WithTimeout(ctx, dialLimit)
	defer cancel()
	m, err := r.Testbed.Dial(connect, name)
	if err != nil {
		return err
	}
	defer m.Close()
	var errs []error
	ask := func(file, line string) {
		out, err := m.Run(ctx, machine.Command{Line: line, Timeout: journalLimit})
		var exit *machine.ExitError
		if err != nil && !errors.As(err, &exit) {
			errs = append(errs, err)
			return
		}
		r.add("machines/"+name+"/"+file, string(out.Stdout)+string(out.Stderr))
	}
	for _, l := range looks {
		line := l.line
		if strings.Contains(line, "%") {
			line = fmt.Sprintf(line, r.Lines)
		}
		ask(l.file, line)
	}
	for _, unit := range append([]string{"containerd"}, install.Units(name == testbed.ControlName)...) {
		ask("journal-"+unit+".txt", fmt.Sprintf("journalctl --no-pager --output short-iso --lines %d --unit %s", r.Lines, unit))
	}
	return errors.Join(errs...)
}
