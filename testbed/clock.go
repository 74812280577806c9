package testbed

import (
	"context"
	"fmt"
	"sync"
	"time"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/provision/machine"
	"noriter.dev/noriter/provision/remote"
)

// QEMU's emulation does not let the processor's counter of cycles (TSC) go back
// (cpu_get_ticks in softmmu/cpu-timers.c). To a guest whose clock is counted by it
// and whose older memory is loaded, all the time since the snapshot passes in one
// moment: every timer fires, watchdogs and leases run out, and the cluster needs
// tens of seconds to recover. The ACPI timer does go back, but takes longer to read
// (no vDSO). So a machine's clock is counted by the one while it is saved, and by
// the other while it runs. With KVM it is kvm-clock, and all this does nothing.
const (
	clockSource = "c=/sys/devices/system/clocksource/clocksource0; n=$(cat $c/current_clocksource); "
	steadyClock = clockSource + `[ "$n" != tsc ] || echo acpi_pm > $c/current_clocksource`
	fastClock   = clockSource + `[ "$n" != acpi_pm ] || ! grep -qw tsc $c/available_clocksource || echo tsc > $c/current_clocksource`
)

// reachLimit is how long a machine that is to be saved may take to answer.
const reachLimit = 15 * time.Second

// clocks are those of a testbed's machines, as far as they have clocks of their
// own. Where they share this host's there is nothing to do.
type clocks struct {
	own      bool
	machines []string
	dial     func(ctx context.Context, name string) (*remote.Client, error)
	// limit is how long a machine that is to be saved may take to answer.
	limit time.Duration
}

func (t *Testbed) clocks() clocks {
	return clocks{own: t.Traits().OwnClock, machines: t.Machines(), dial: t.Dial, limit: t.Patient(reachLimit)}
}

// set steps a machine's clock to this host's: after its memory was restored it
// is as old as the snapshot.
func (c clocks) set(ctx context.Context, m machine.Machine) error {
	if !c.own {
		return nil
	}
	line := fmt.Sprintf("date -s @%.3f >/dev/null && { ", float64(time.Now().UnixMilli())/1000) + fastClock + "; }"
	_, err := m.Run(ctx, machine.Command{Line: line, Doing: lang.Text{EN: "setting the clock", KO: "시계 맞추기"}})
	return err
}

// steady makes the machines' clocks ready to be saved. One that can't be
// reached is saved as it is; going back to it only takes longer.
func (c clocks) steady(ctx context.Context, reached func(string) machine.Machine) {
	c.run(ctx, reached, steadyClock)
}

// fast makes the machines' clocks quick to read again.
func (c clocks) fast(ctx context.Context, reached func(string) machine.Machine) {
	c.run(ctx, reached, fastClock)
}

func (c clocks) run(ctx context.Context, reached func(string) machine.Machine, line string) {
	if !c.own {
		return
	}
	var wg sync.WaitGroup
	for _, name := range c.machines {
		if m := reached(name); m != nil {
			wg.Go(func() { _, _ = m.Run(ctx, machine.Command{Line: line, Timeout: reachLimit}) })
		}
	}
	wg.Wait()
}

// reach connects to the machines that answer; done ends the connections.
func (c clocks) reach(ctx context.Context) (reached func(string) machine.Machine, done func()) {
	machines := map[string]machine.Machine{}
	reached = func(name string) machine.Machine { return machines[name] }
	if !c.own {
		return reached, func() {}
	}
	ctx, cancel := context.WithTimeout(ctx, c.limit)
	defer cancel()
	var mu sync.Mutex
	var wg sync.WaitGroup
	for _, name := range c.machines {
		wg.Go(func() {
			m, err := c.dial(ctx, name)
			if err != nil {
				return
			}
			mu.Lock()
			defer mu.Unlock()
			machines[name] = m
		})
	}
	wg.Wait()
	return reached, func() {
		for _, m := range machines {
			_ = m.Close() // all that was asked of it is done
		}
	}
}
