package histories

import (
	"encoding/json"
	"testing"
)

// TestCompare: what a status may say of machines and a cluster that are all well, and
// what not.
func TestCompare(t *testing.T) {
	well := sight{
		machines: map[string]machineSight{"control": {alive: true, answers: "ok"}, "node1": {alive: true, answers: "ok"}},
		api:      "ok", nodes: map[string]bool{"control": true, "node1": true},
	}
	deaf := well
	deaf.noDHCP = true
	off := sight{
		machines: map[string]machineSight{"control": {alive: true, answers: "ok"}, "node1": {answers: "no route"}},
		api:      "ok", nodes: map[string]bool{"control": true},
	}
	const machines = `"machines": [{"name": "control", "state": "running", "ssh": "ok"}, {"name": "node1", "state": "running", "ssh": "ok"}]`
	for name, c := range map[string]struct {
		status string
		seen   sight
		holds  bool
	}{
		"ready, and no DHCP server":          {`"ready": true, ` + machines, deaf, false},
		"not ready, and no DHCP server":      {`"problems": [{"fact": "network"}], ` + machines, deaf, true},
		"ready, and all is well":             {`"ready": true, ` + machines, well, true},
		"ready, and one is off":              {`"ready": true, ` + machines, off, false},
		"not ready, and all is well":         {`"problems": [{"fact": "node"}], ` + machines, well, false},
		"not ready, and why is not said":     {`"problems": [], ` + machines, well, false},
		"a join was interrupted at its end":  {`"problems": [{"fact": "join-interrupted"}], ` + machines, well, true},
		"a reset was interrupted at its end": {`"problems": [{"fact": "reset-interrupted"}], ` + machines, well, true},
		"the disk is full":                   {`"problems": [{"fact": "host-disk-full"}], ` + machines, well, true},
		"interrupted, and what is not so":    {`"problems": [{"fact": "join-interrupted"}, {"fact": "unit"}], ` + machines, well, false},
	} {
		t.Run(name, func(t *testing.T) {
			var s status
			if err := json.Unmarshal([]byte("{"+c.status+"}"), &s); err != nil {
				t.Fatal(err)
			}
			if err := compare(s, c.seen, c.seen); (err == nil) != c.holds {
				t.Errorf("it holds: %v, want %v (%v)", err == nil, c.holds, err)
			}
		})
	}
}
