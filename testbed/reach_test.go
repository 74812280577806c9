package testbed

import (
	"context"
	"errors"
	"strings"
	"testing"

	"noriter.dev/noriter/provision/machine"
)

// TestCheck: a machine that is off, stands still or can't get an address is not waited
// for, and it is said what mends that.
func TestCheck(t *testing.T) {
	b := bedOf(t, "node1")
	for name, c := range map[string]struct {
		info    *machine.Info
		booting bool
		want    []string // parts of the error; none is no error
	}{
		"runs": {&machine.Info{State: machine.Running, Detail: "container x"}, false, nil},
		"off":  {&machine.Info{State: machine.Stopped, Detail: "switched off"}, false, []string{"node1 is off (switched off); `nori up` switches it on"}},
		"ended while booting": {&machine.Info{State: machine.Stopped, Detail: "exit status 1", Console: "Kernel panic"}, true,
			[]string{"node1 ended while it was starting (exit status 1)", "Kernel panic"}},
		"paused":  {&machine.Info{State: machine.Paused, Detail: "a snapshot was interrupted"}, false, []string{"node1 stands still (a snapshot was interrupted)", "`nori up`"}},
		"no DHCP": {&machine.Info{State: machine.Running, Fault: "no DHCP server answers"}, true, []string{"no DHCP server answers; `nori up` repairs it"}},
		"absent":  {nil, false, []string{"node1 is not there", "`nori up`"}},
	} {
		var infos []machine.Info
		if c.info != nil {
			c.info.Name = "node1"
			infos = []machine.Info{*c.info}
		}
		err := b.check(t.Context(), func(context.Context) ([]machine.Info, error) { return infos, nil }, "node1", c.booting)
		if (err == nil) != (c.want == nil) {
			t.Errorf("%s: got %v", name, err)
			continue
		}
		for _, part := range c.want {
			if !strings.Contains(err.Error(), part) {
				t.Errorf("%s: got %q, which lacks %q", name, err, part)
			}
		}
	}
	if err := b.check(t.Context(), func(context.Context) ([]machine.Info, error) { return nil, errors.New("no driver") }, "node1", false); err != nil {
		t.Errorf("what can't be seen ended the wait: %v", err)
	}
}
