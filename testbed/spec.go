// Package testbed is a declared playground: its spec, its life from nothing to
// a cluster that is ready and back to nothing, its snapshots and resets.
package testbed

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"regexp"
	"strings"

	"noriter.dev/noriter/cluster/install"
	"noriter.dev/noriter/internal/strict"
)

// Drivers.
const (
	Auto    = "auto"
	Libvirt = "libvirt"
	Nspawn  = "nspawn"
)

// Limits and defaults of a spec.
const (
	DefaultName       = "noriter"
	DefaultNodes      = 2
	MaxNodes          = 9
	DefaultControlMiB = 1536
	DefaultNodeMiB    = 768
)

// Spec is what a person declares, by flags or in a testbed file.
type Spec struct {
	APIVersion string `yaml:"apiVersion" json:"-"`
	Kind       string `yaml:"kind" json:"-"`
	// Name is a DNS label of at most 20 characters.
	Name string `yaml:"name" json:"name"`
	// Driver is auto, libvirt or nspawn.
	Driver string `yaml:"driver" json:"driver"`
	// Nodes is the number of workers, 1 to 9.
	Nodes int `yaml:"nodes" json:"nodes"`
	// Isolated puts all of the testbed into a network namespace of its own.
	Isolated bool `yaml:"isolated" json:"isolated"`
	// Connect is libvirt's URI; empty means qemu:///system.
	Connect string `yaml:"connect" json:"connect,omitempty"`
	// Subnet is a /24; empty means that a free one is chosen.
	Subnet string `yaml:"subnet" json:"subnet,omitempty"`
	// Memory and CPUs are what each machine gets.
	Memory Memory `yaml:"memory" json:"memory"`
	CPUs   CPUs   `yaml:"cpus" json:"cpus"`
}

// Memory is in MiB.
type Memory struct {
	Control int `yaml:"control" json:"control"`
	Node    int `yaml:"node" json:"node"`
}

// CPUs are virtual processors.
type CPUs struct {
	Control int `yaml:"control" json:"control"`
	Node    int `yaml:"node" json:"node"`
}

// The head of a testbed file.
const (
	fileAPIVersion = "noriter.dev/v1"
	fileKind       = "Testbed"
)

// UsageError is a spec that can't be meant; the command ends with exit code 2.
type UsageError struct{ Err error }

// Error is the cause's text.
func (e *UsageError) Error() string { return e.Err.Error() }

// Unwrap gives the cause.
func (e *UsageError) Unwrap() error { return e.Err }

func usage(format string, args ...any) error { return &UsageError{fmt.Errorf(format, args...)} }

// DefaultSpec is what `nori up` means without flags.
func DefaultSpec() Spec {
	return Spec{
		Name: DefaultName, Driver: Auto, Nodes: DefaultNodes,
		Memory: Memory{DefaultControlMiB, DefaultNodeMiB}, CPUs: CPUs{2, 1},
	}
}

// ReadSpec reads a testbed file over the defaults.
func ReadSpec(path string) (Spec, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return Spec{}, usage("reading the testbed file: %w", err)
	}
	return ParseSpec(path, data)
}

// ParseSpec is ReadSpec for content at hand; file is named in errors.
func ParseSpec(file string, data []byte) (Spec, error) {
	s := DefaultSpec()
	if err := strict.Unmarshal(file, data, &s); err != nil {
		return Spec{}, &UsageError{err}
	}
	if s.APIVersion != "" && s.APIVersion != fileAPIVersion {
		return Spec{}, usage("%s: apiVersion is %q; this version of nori reads %q", file, s.APIVersion, fileAPIVersion)
	}
	if s.Kind != "" && s.Kind != fileKind {
		return Spec{}, usage("%s: kind is %q; it must be %q", file, s.Kind, fileKind)
	}
	if err := s.Validate(); err != nil {
		return Spec{}, usage("%s: %w", file, err)
	}
	return s, nil
}

var nameRule = regexp.MustCompile(`^[a-z]([a-z0-9-]{0,18}[a-z0-9])?$`)

// Validate reports everything that is wrong with a spec.
func (s Spec) Validate() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if err := ValidateName(s.Name); err != nil {
		errs = append(errs, err)
	}
	switch s.Driver {
	case Auto, Libvirt, Nspawn:
	default:
		bad("driver: %q is none of auto, libvirt, nspawn%s", s.Driver, didYouMean(s.Driver, Auto, Libvirt, Nspawn))
	}
	if s.Nodes < 1 || s.Nodes > MaxNodes {
		bad("nodes: %d is not between 1 and %d", s.Nodes, MaxNodes)
	}
	if s.Connect != "" && s.Driver == Nspawn {
		bad("connect: goes with the driver libvirt, not with nspawn")
	}
	if s.Connect != "" && s.Isolated {
		bad("connect: an isolated testbed has a libvirt of its own; leave one of the two out")
	}
	if s.Memory.Control < 768 {
		bad("memory.control: %d MiB is too little; the control plane needs at least 768", s.Memory.Control)
	}
	if s.Memory.Node < 384 {
		bad("memory.node: %d MiB is too little; a node needs at least 384", s.Memory.Node)
	}
	if s.CPUs.Control < 1 || s.CPUs.Node < 1 {
		bad("cpus: every machine needs at least 1")
	}
	if err := validateSubnet(s.Subnet); err != nil {
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// ValidateName holds a testbed's name to its rule.
func ValidateName(name string) error {
	if !nameRule.MatchString(name) {
		return fmt.Errorf("name: %q must be 1 to 20 of a-z, 0-9 and '-', starting with a letter and not ending in '-'", name)
	}
	return nil
}

func validateSubnet(s string) error {
	if s == "" {
		return nil
	}
	p, err := netip.ParsePrefix(s)
	if err != nil {
		return fmt.Errorf("subnet: %q is not of the form 10.77.3.0/24", s)
	}
	if !p.Addr().Is4() || p.Bits() != 24 || p != p.Masked() || !p.Addr().IsPrivate() {
		return fmt.Errorf("subnet: %q must be a private IPv4 /24 such as 10.77.3.0/24", s)
	}
	for _, taken := range []string{install.PodCIDR, install.ServiceCIDR} {
		if netip.MustParsePrefix(taken).Overlaps(p) {
			return fmt.Errorf("subnet: %s lies in %s, which the cluster uses inside", s, taken)
		}
	}
	return nil
}

func didYouMean(got string, known ...string) string {
	if n := strict.Nearest(got, known); n != "" {
		return fmt.Sprintf("; did you mean %q?", n)
	}
	return ""
}

// ControlName is the control node's name.
const ControlName = "control"

// String is a short form for messages.
func (s Spec) String() string {
	parts := []string{s.Driver, fmt.Sprintf("%d workers", s.Nodes)}
	if s.Isolated {
		parts = append(parts, "isolated")
	}
	return strings.Join(parts, ", ")
}
