package testbed

import (
	"errors"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"
)

func TestParseSpec(t *testing.T) {
	s, given, err := ParseSpec("t.yaml", []byte(`
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
	if s.Name != "class-a" || s.Nodes != 4 || !s.Isolated || s.Memory.Node != 1024 || s.Memory.Control != DefaultControlMiB || s.CPUs != (CPUs{}) {
		t.Errorf("read %+v", s)
	}
	if want := (Given{"driver", "nodes", "isolated", "memory.node"}); !slices.Equal(given, want) {
		t.Errorf("given: %v, want %v", given, want)
	}
}

func TestParseSpecMistakes(t *testing.T) {
	for in, want := range map[string]string{
		"nods: 3":                            `t.yaml:1:1: unknown field "nods" (did you mean "nodes"?)`,
		"memory: {controll: 3}":              `unknown field "controll" (did you mean "control"?)`,
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
		"cpus: {control: -1}":                "cpus.control: -1 is too little",
		"cpus: {node: -1}":                   "cpus.node: -1 is too little",
		"disk: {node: -1}":                   "disk.node: -1 GiB is too little; at least 2 GiB",
		"disk: {control: 1}":                 "disk.control: 1 GiB is too little; at least 2 GiB",
		"driver: libvirt\ndisk: {node: 9}":   "disk.node: goes with container machines",
		"kind: Pod":                          `kind is "Pod"`,
		"apiVersion: v2":                     `apiVersion is "v2"`,
	} {
		_, _, err := ParseSpec("t.yaml", []byte(in))
		var u *UsageError
		if !errors.As(err, &u) || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %s", in, err, want)
		}
	}
}

func FuzzParseSpec(f *testing.F) {
	f.Add([]byte("name: x\nnodes: 3\nmemory: {control: 2048}\nsubnet: 10.1.2.0/24"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if s, _, err := ParseSpec("t.yaml", data); err == nil && s.Validate() != nil {
			t.Errorf("a spec was accepted that is not valid: %+v", s)
		}
	})
}

// TestEveryKeyHasARow: what a testbed file can say is in the table, so that it
// gets validated, has its flag, and is applied or refused. The head of the file
// and the testbed's name are no properties of a testbed.
func TestEveryKeyHasARow(t *testing.T) {
	have := map[string]bool{"apiVersion": true, "kind": true, "name": true}
	for _, k := range keys {
		if have[k.Name] {
			t.Errorf("%s has two rows", k.Name)
		}
		have[k.Name] = true
		if k.Flag == "" || k.Help.EN == "" || k.Help.KO == "" {
			t.Errorf("%s lacks a flag or its help", k.Name)
		}
	}
	var visit func(prefix string, s reflect.Type)
	visit = func(prefix string, s reflect.Type) {
		for i := range s.NumField() {
			name := prefix + s.Field(i).Tag.Get("yaml")
			if s.Field(i).Type.Kind() == reflect.Struct {
				visit(name+".", s.Field(i).Type)
			} else if !have[name] {
				t.Errorf("%s has no row in keys", name)
			}
		}
	}
	visit("", reflect.TypeFor[Spec]())
}

// other is a spec in which one key has another valid value.
func other(t *testing.T, k Key) Spec {
	t.Helper()
	s := DefaultSpec()
	switch v := k.Value(&s).(type) {
	case *int:
		*v += 3
	case *bool:
		*v = !*v
	case *string:
		*v = map[string]string{"driver": "libvirt", "connect": "qemu+ssh://big/system", "subnet": "10.9.9.0/24"}[k.Name]
	}
	if err := s.Validate(); err != nil {
		t.Fatalf("%s: %v", k.Name, err)
	}
	return s
}

// TestMerge goes through every key: on a testbed that exists it is applied or
// refused with the way to do it, never ignored; one that was not given changes
// nothing.
func TestMerge(t *testing.T) {
	have := State{Spec: DefaultSpec(), Subnet: netip.MustParsePrefix("10.77.1.0/24")}
	have.Spec.Driver = "nspawn"
	for _, k := range keys {
		want := other(t, k)
		if got, err := merge(have, want, nil); err != nil || !reflect.DeepEqual(got, have) {
			t.Errorf("%s was not given and changed the testbed: %+v, %v", k.Name, got, err)
		}
		got, err := merge(have, want, Given{k.Name})
		var u *UsageError
		switch {
		case err == nil && k.Get(got.Spec) == k.Get(want):
		case errors.As(err, &u) && strings.Contains(err.Error(), k.Name) && strings.Contains(err.Error(), "`nori down --name noriter`"):
		default:
			t.Errorf("%s is neither applied nor refused: %+v, %v", k.Name, got.Spec, err)
		}
		// A default in a file, and the same again, fit every testbed.
		if _, err := merge(have, DefaultSpec(), Given{k.Name}); err != nil {
			t.Errorf("%s as it is: %v", k.Name, err)
		}
	}
	want := DefaultSpec()
	want.Nodes = 1
	if _, err := merge(have, want, Given{"nodes"}); err == nil || !strings.Contains(err.Error(), "nori node remove") {
		t.Errorf("fewer workers: got %v", err)
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
