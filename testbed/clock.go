package testbed

import (
	"context"
	"fmt"
	"sync"
	"time"

	"noriter.dev/noriter/provision/machine"
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

// setClock steps a virtual machine's clock to this host's: after its memory was
// restored it is as old as the snapshot. Container machines share ours.
func (t *Testbed) setClock(ctx context.Context, m machine.Machine) error {
	if t.state.Spec.Driver != Libvirt {
		return nil
	}
	line := fmt.Sprintf("date -s @%.3f >/dev/null && { ", float64(time.Now().UnixMilli())/1000) + fastClock + "; }"
	if _, err := m.Run(ctx, machine.Command{Line: line}); err != nil {
		return fmt.Errorf("setting the clock of %s: %w", m.Name(), err)
	}
	return nil
}

// steadyClocks makes the machines' clocks ready to be saved. One that can't be
// reached is saved as it is; going back to it only takes longer.
func (t *Testbed) steadyClocks(ctx context.Context, reached func(string) machine.Machine) {
	t.onVirtual(ctx, reached, steadyClock)
}

func (t *Testbed) fastClocks(ctx context.Context, reached func(string) machine.Machine) {
	t.onVirtual(ctx, reached, fastClock)
}

func (t *Testbed) onVirtual(ctx context.Context, reached func(string) machine.Machine, line string) {
	if t.state.Spec.Driver != Libvirt {
		return
	}
	var wg sync.WaitGroup
	for _, name := range t.Machines() {
		if m := reached(name); m != nil {
			wg.Go(func() { _, _ = m.Run(ctx, machine.Command{Line: line, Timeout: reachLimit}) })
		}
	}
	wg.Wait()
}

// reach connects to the virtual machines that answer; done ends the connections.
func (t *Testbed) reach(ctx context.Context) (reached func(string) machine.Machine, done func()) {
	machines := map[string]machine.Machine{}
	reached = func(name string) machine.Machine { return machines[name] }
	if t.state.Spec.Driver != Libvirt {
		return reached, func() {}
	}
	ctx, cancel := context.WithTimeout(ctx, reachLimit)
	defer cancel()
	var mu sync.Mutex
	var wg sync.WaitGroup
	for _, name := range t.Machines() {
		wg.Go(func() {
			m, err := t.Dial(ctx, name)
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
