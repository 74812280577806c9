package testbed

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
)

func TestParseSpec(t *testing.T) {
	s, err := ParseSpec("t.yaml", []byte(`
apiVersion: noriter.dev/v1
kind: Testbed
name: class-a
driver: nspawn
nodes: 4
isolated: true
memory: {node: 1024}
`))
	if err != nil {
		t.Fatal(err)
	}
	if s.Name != "class-a" || s.Nodes != 4 || !s.Isolated || s.Memory.Node != 1024 || s.Memory.Control != DefaultControlMiB || s.CPUs.Node != 1 {
		t.Errorf("read %+v", s)
	}
}

func TestParseSpecMistakes(t *testing.T) {
	for in, want := range map[string]string{
		"nods: 3":                            `t.yaml:1:1: unknown field "nods"; did you mean "nodes"?`,
		"memory: {controll: 3}":              `unknown field "memory.controll"; did you mean "control"?`,
		"nodes: 0":                           "nodes: 0 is not between 1 and 9",
		"nodes: 10":                          "nodes: 10 is not between 1 and 9",
		"name: Big":                          `name: "Big" must be`,
		"name: this-name-is-much-too-long":   "must be 1 to 20",
		"driver: docker":                     `driver: "docker" is none of`,
		"driver: libvrt":                     `did you mean "libvirt"?`,
		"subnet: 10.244.3.0/24":              "which the cluster uses inside",
		"subnet: 8.8.8.0/24":                 "must be a private IPv4 /24",
		"subnet: 10.77.3.0/23":               "must be a private IPv4 /24",
		"subnet: lan":                        "is not of the form",
		"driver: nspawn\nconnect: qemu:///x": "connect: goes with the driver libvirt",
		"isolated: true\nconnect: qemu:///x": "an isolated testbed has a libvirt of its own",
		"memory: {control: 10}":              "memory.control: 10 MiB is too little",
		"cpus: {node: 0}":                    "at least 1",
		"kind: Pod":                          `kind is "Pod"`,
		"apiVersion: v2":                     `apiVersion is "v2"`,
	} {
		_, err := ParseSpec("t.yaml", []byte(in))
		var u *UsageError
		if !errors.As(err, &u) || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %s", in, err, want)
		}
	}
}

func FuzzParseSpec(f *testing.F) {
	f.Add([]byte("name: x\nnodes: 3\nmemory: {control: 2048}\nsubnet: 10.1.2.0/24"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if s, err := ParseSpec("t.yaml", data); err == nil && s.Validate() != nil {
			t.Errorf("a spec was accepted that is not valid: %+v", s)
		}
	})
}

func TestMerge(t *testing.T) {
	have := State{Spec: DefaultSpec(), Subnet: netip.MustParsePrefix("10.77.1.0/24")}
	have.Spec.Driver = Nspawn
	change := func(f func(*Spec), g Given) (State, error) {
		want := DefaultSpec()
		f(&want)
		return merge(have, want, g)
	}
	if s, err := change(func(s *Spec) { s.Nodes = 7; s.Isolated = true }, Given{}); err != nil || s.Spec.Nodes != 2 || s.Spec.Isolated {
		t.Errorf("what was not given changed the testbed: %+v, %v", s, err)
	}
	if s, err := change(func(s *Spec) { s.Nodes = 5 }, Given{Nodes: true}); err != nil || s.Spec.Nodes != 5 {
		t.Errorf("adding workers: %+v, %v", s, err)
	}
	for name, c := range map[string]struct {
		f func(*Spec)
		g Given
	}{
		"driver":   {func(s *Spec) { s.Driver = Libvirt }, Given{Driver: true}},
		"isolated": {func(s *Spec) { s.Isolated = true }, Given{Isolated: true}},
		"subnet":   {func(s *Spec) { s.Subnet = "10.9.9.0/24" }, Given{Subnet: true}},
		"memory":   {func(s *Spec) { s.Memory.Node = 999 }, Given{Memory: true}},
	} {
		_, err := change(c.f, c.g)
		var u *UsageError
		if !errors.As(err, &u) || !strings.Contains(err.Error(), "nori down") {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if _, err := change(func(s *Spec) { s.Nodes = 1 }, Given{Nodes: true}); err == nil || !strings.Contains(err.Error(), "nori node remove") {
		t.Errorf("fewer workers: got %v", err)
	}
	if _, err := change(func(s *Spec) { s.Driver = Auto }, Given{Driver: true}); err != nil {
		t.Errorf("--driver auto must fit any testbed: %v", err)
	}
}

func TestAddresses(t *testing.T) {
	p := netip.MustParsePrefix("10.77.3.0/24")
	if a := address(p, ControlName).String(); a != "10.77.3.10" {
		t.Errorf("control has %s", a)
	}
	if a := address(p, "node9").String(); a != "10.77.3.19" {
		t.Errorf("node9 has %s", a)
	}
}
