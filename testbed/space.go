package testbed

import (
	"context"
	"os"
	"path/filepath"

	"noriter.dev/noriter/internal/du"
	"noriter.dev/noriter/internal/lang"
)

// Space is what a home and its cache take on the disk. Each file counts once, where it
// is first met: in the cache, then in machines, then in snapshots. So all together is
// what du says of the two folders.
type Space struct {
	Home  string `json:"home"`
	Cache string `json:"cache"`
	Bytes int64  `json:"bytes"`
	// Entries are those of the cache.
	Entries  []Entry        `json:"entries"`
	Testbeds []TestbedSpace `json:"testbeds"`
	// Progress is what learners have done.
	Progress int64 `json:"progress"`
	// Other is the rest: locks, notes, folders.
	Other int64 `json:"other"`
}

// TestbedSpace is what one testbed takes.
type TestbedSpace struct {
	Name  string `json:"name"`
	Bytes int64  `json:"bytes"`
	// Machines and Snapshots are the disks. Snapshots take what they have in addition
	// to machines; where they lie within the machines' disks, they are counted there.
	Machines  int64 `json:"machines"`
	Snapshots int64 `json:"snapshots"`
	// Within says that they do.
	Within bool `json:"snapshotsWithinMachines"`
	// Other are keys, certificates, and what is sent to machines.
	Other int64 `json:"other"`
	// Elsewhere is a folder outside of home and cache that has the machines' disks,
	// and ElsewhereBytes what it takes, which is in no sum.
	Elsewhere      string `json:"elsewhere,omitempty"`
	ElsewhereBytes int64  `json:"elsewhereBytes,omitempty"`
}

// Space measures all that there is.
func (h Home) Space(ctx context.Context, binDir string) (Space, error) {
	s := Space{Home: h.Dir, Cache: h.Cache()}
	var err error
	if s.Entries, err = h.Entries(ctx, binDir); err != nil {
		return s, err
	}
	m := &measure{}
	for i := range s.Entries {
		e := &s.Entries[i]
		e.Bytes = m.add(e.entry.Paths...)
		s.Bytes += e.Bytes
	}
	names, err := h.Names()
	if err != nil {
		return s, err
	}
	for _, name := range names {
		t := h.testbedSpace(m, name)
		s.Testbeds = append(s.Testbeds, t)
		s.Bytes += t.Bytes
	}
	s.Progress = m.add(h.Learner())
	s.Other = m.add(h.Dir, h.Cache())
	s.Bytes += s.Progress + s.Other
	return s, m.err
}

func (h Home) testbedSpace(m *measure, name string) TestbedSpace {
	t := TestbedSpace{Name: name}
	dir := h.testbed(name)
	state, err := h.readState(name)
	if err != nil {
		state.Spec.Driver = h.salvage(name, "driver")
	}
	d, known := driverNamed(state.Spec.Driver)
	if known {
		t.Machines = m.add(within(dir, d.machines)...)
		t.Snapshots = m.add(within(dir, d.snapshots)...)
		t.Within = len(d.snapshots) == 0
	}
	t.Other = m.add(dir)
	t.Bytes = t.Machines + t.Snapshots + t.Other
	if known && err == nil && d.elsewhere != nil {
		t.Elsewhere = d.elsewhere(&Testbed{home: h, state: state})
	}
	if _, err := os.Stat(t.Elsewhere); t.Elsewhere == "" || err != nil {
		t.Elsewhere = ""
		return t
	}
	t.ElsewhereBytes = m.add(t.Elsewhere)
	return t
}

func within(dir string, folders []string) (paths []string) {
	for _, f := range folders {
		paths = append(paths, filepath.Join(dir, f))
	}
	return paths
}

// measure adds up, and keeps the first error.
type measure struct {
	counter du.Counter
	err     error
}

func (m *measure) add(paths ...string) (sum int64) {
	for _, p := range paths {
		n, err := m.counter.Add(p)
		if err != nil && m.err == nil {
			m.err = lang.Errorf("adding up: %w", "합계 구하기: %w", err)
		}
		sum += n
	}
	return sum
}
