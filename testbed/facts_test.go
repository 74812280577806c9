package testbed

import (
	"errors"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/provision/machine"
	"noriter.dev/noriter/provision/remote"
)

// wholeStatus is that of a testbed in which nothing is wrong.
func wholeStatus() Status {
	free := int64(4096)
	return Status{Name: DefaultName, API: "ok", Machines: []MachineStatus{
		{Name: "control", State: machine.Running, SSH: "ok", Node: "Ready", FreeMiB: &free, Units: map[string]string{"nori-scheduler": "active"}},
		{Name: "node1", State: machine.Running, SSH: "ok", Node: "Ready", Units: map[string]string{"nori-agent": "active"}},
	}}
}

// spoils are, for each fact, a testbed of which it is true, and what a person has to
// type.
var spoils = map[string]struct {
	spoil   func(s *Status, node1 *MachineStatus)
	command string
}{
	"machine-absent": {func(_ *Status, m *MachineStatus) { m.State = machine.Absent }, "nori up"},
	"machine-off": {func(_ *Status, m *MachineStatus) {
		m.State, m.Node, m.Detail = machine.Stopped, "Unknown", "switched off"
	}, "nori up"},
	"machine-paused":    {func(_ *Status, m *MachineStatus) { m.State = machine.Paused }, "nori up"},
	"network":           {func(_ *Status, m *MachineStatus) { m.Fault = lang.T("no DHCP server", "DHCP 서버 없음") }, "nori up"},
	"host-key-changed":  {cannotEnter(remote.HostKeyChanged), "nori reset"},
	"key-refused":       {cannotEnter(remote.KeyRefused), "nori reset"},
	"barred":            {cannotEnter(remote.Barred), "nori reset"},
	"ssh-closed":        {cannotEnter(remote.Closed), "nori reset"},
	"ssh-hung-up":       {cannotEnter(remote.HungUp), "nori reset"},
	"ssh":               {cannotEnter(""), "nori up"},
	"disk-full":         {func(_ *Status, m *MachineStatus) { m.FreeMiB = new(int64) }, "nori ssh node1 -- df -h /"},
	"host-disk-full":    {func(s *Status, m *MachineStatus) { m.sharesDisk, m.FreeMiB = true, new(int64) }, "df -h"},
	"unit":              {func(_ *Status, m *MachineStatus) { m.Units["nori-agent"] = "inactive" }, "nori up"},
	"no-cluster":        {func(s *Status, _ *MachineStatus) { s.API, s.noCluster = "there is none", true }, "nori up"},
	"api":               {func(s *Status, _ *MachineStatus) { s.API = "refused" }, "nori up"},
	"node":              {func(_ *Status, m *MachineStatus) { m.Node = "NotReady" }, "nori up"},
	"node-cordoned":     {func(_ *Status, m *MachineStatus) { m.Cordoned = true }, "nori kubectl uncordon node1"},
	"reset-interrupted": {func(s *Status, _ *MachineStatus) { s.resetting = StartSnapshot }, "nori up"},
	"join-interrupted":  {func(s *Status, _ *MachineStatus) { s.joining = "node2" }, "nori node add"},
}

func cannotEnter(trouble remote.Trouble) func(*Status, *MachineStatus) {
	return func(_ *Status, m *MachineStatus) {
		m.Trouble = trouble
		m.SSH = (&remote.ConnectError{Machine: m.Name, Address: "10.77.0.11:22", Trouble: trouble, Err: errors.New("timeout")}).Error()
		m.Units = nil
	}
}

// TestFacts: a testbed is ready if no fact is found. Each is found by itself, is said in
// both languages, and names what mends it.
func TestFacts(t *testing.T) {
	if p := wholeStatus().Wrong(); len(p) > 0 {
		t.Fatalf("a whole testbed has problems: %+v", p)
	}
	hangul := regexp.MustCompile(`\p{Hangul}`)
	for _, f := range facts {
		c, ok := spoils[f.name]
		if !ok {
			t.Errorf("no test has thought of %s", f.name)
			continue
		}
		for _, language := range []string{lang.Korean, lang.English} {
			lang.Set(language)
			s := wholeStatus()
			c.spoil(&s, &s.Machines[1])
			found := s.Wrong()
			if len(found) != 1 || found[0].Fact != f.name || found[0].Command != c.command || !strings.Contains(found[0].Remedy, "`"+c.command+"`") {
				t.Errorf("%s: found %+v", f.name, found)
				continue
			}
			if p := found[0]; (language == lang.Korean) != (hangul.MatchString(p.Text) && hangul.MatchString(p.Remedy)) || strings.Contains(p.Text+p.Remedy, "%!") {
				t.Errorf("%s in %s: %+v", f.name, language, p)
			}
			if f.of != nil && found[0].Machine != "node1" {
				t.Errorf("%s: of %q", f.name, found[0].Machine)
			}
		}
	}
	if len(spoils) != len(facts) {
		t.Errorf("%d facts, %d tests", len(facts), len(spoils))
	}
}

// What is off is what is wrong: its node, and the API on it, follow.
func TestOnlyTheCauseIsSaid(t *testing.T) {
	s := wholeStatus()
	for i := range s.Machines {
		s.Machines[i].State, s.Machines[i].Node = machine.Stopped, ""
	}
	s.API = "no route to host"
	for _, p := range s.Wrong() {
		if p.Fact != "machine-off" {
			t.Errorf("found %+v", p)
		}
	}
}

// TestCommandsNameTheTestbed where another would be meant without.
func TestCommandsNameTheTestbed(t *testing.T) {
	s := wholeStatus()
	s.Name, s.Machines[1].Cordoned = "class-a", true
	if got := s.Wrong()[0].Command; got != "nori --name class-a kubectl uncordon node1" {
		t.Errorf("got %q", got)
	}
}

// TestMended: an error says what mends it, once.
func TestMended(t *testing.T) {
	b := bedOf(t, "node1")
	for want, err := range map[string]error{
		"node1 refuses the testbed's key: its authorized_keys was changed; `nori reset` puts it back": &remote.ConnectError{Machine: "node1", Trouble: remote.KeyRefused},
		"its host key was changed; `nori reset` puts it back":                                         &remote.ConnectError{Machine: "node1", Trouble: remote.HostKeyChanged},
		"its SSH server does not run; `nori reset` puts it back":                                      &remote.ConnectError{Machine: "node1", Address: "10.77.0.11:22", Trouble: remote.Closed},
		"`df -h` shows it; with more room":                                                            &machine.HostError{What: "x", Err: syscall.ENOSPC},
	} {
		once := b.mended(err)
		twice := b.mended(lang.Errorf("again: %w", "다시: %w", once))
		if !strings.Contains(once.Error(), want) || twice.Error() != "again: "+once.Error() || !errors.Is(once, err) {
			t.Errorf("got %q, and then %q", once, twice)
		}
	}
	full := &machine.FullError{Machine: "node1", Err: errors.New("x")}
	for driver, want := range map[string]string{"libvirt": "`nori ssh node1 -- df -h /` shows it, `nori reset` puts it back", "nspawn": "`df -h` shows it"} {
		b.state.Spec.Driver = driver
		if err := b.mended(full); !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v", driver, err)
		}
	}
	if other := errors.New("something else"); b.mended(other) != other {
		t.Error("an error that nothing is known of was changed")
	}
	if b.mended(nil) != nil {
		t.Error("no error became one")
	}
}
