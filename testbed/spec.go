package testbed

import (
	"io"
	"os"
	"regexp"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/internal/strict"
)

// Limits and defaults of a spec. Memory is in MiB.
const (
	DefaultName       = "noriter"
	DefaultNodes      = 2
	MaxNodes          = 9
	DefaultControlMiB = 1536
	DefaultNodeMiB    = 768
	minControlMiB     = 768
	minNodeMiB        = 384
)

// Spec is what a person declares, by flags or in a testbed file. What is done
// with each field is said by its row in keys.
type Spec struct {
	APIVersion string `yaml:"apiVersion" json:"-"`
	Kind       string `yaml:"kind" json:"-"`
	// Name is a DNS label of at most 20 characters.
	Name string `yaml:"name" json:"name"`
	// Driver is auto, or the name of a row of drivers.
	Driver string `yaml:"driver" json:"driver"`
	// Nodes is the number of workers, 1 to 9.
	Nodes int `yaml:"nodes" json:"nodes"`
	// Isolated puts all of the testbed into a network namespace of its own.
	Isolated bool `yaml:"isolated" json:"isolated"`
	// Connect is the address of the service that makes the machines, for
	// drivers that have one; empty means this host's.
	Connect string `yaml:"connect" json:"connect,omitempty"`
	// Subnet is a /24; empty means that a free one is chosen.
	Subnet string `yaml:"subnet" json:"subnet,omitempty"`
	// Memory, CPUs and Disk are what each machine gets.
	Memory Memory `yaml:"memory" json:"memory"`
	CPUs   CPUs   `yaml:"cpus" json:"cpus"`
	Disk   Disk   `yaml:"disk" json:"disk,omitzero"`
}

// Disk is in GiB: how much a container machine may write, what snapshots keep of it
// included. 0 is no limit. Virtual machines have disks of one size.
type Disk struct {
	Control int `yaml:"control" json:"control,omitempty"`
	Node    int `yaml:"node" json:"node,omitempty"`
}

// Memory is in MiB.
type Memory struct {
	Control int `yaml:"control" json:"control"`
	Node    int `yaml:"node" json:"node"`
}

// CPUs are processors; 0 leaves them to the driver. Virtual machines have so many, container
// machines may use so many of the host's.
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

func usage(en, ko string, args ...any) error { return &UsageError{lang.Errorf(en, ko, args...)} }

// DefaultSpec is what `nori up` means without flags.
func DefaultSpec() Spec {
	return Spec{
		Name: DefaultName, Driver: Auto, Nodes: DefaultNodes,
		Memory: Memory{DefaultControlMiB, DefaultNodeMiB},
	}
}

// sizes is the memory of each machine, the control node's first.
func (s Spec) sizes() []int {
	return append([]int{s.Memory.Control}, slices.Repeat([]int{s.Memory.Node}, s.Nodes)...)
}

// ReadSpec reads a testbed file over the defaults, and says which keys it gives.
func ReadSpec(path string) (Spec, Given, error) {
	data, err := readSome(path)
	if err != nil {
		return Spec{}, nil, usage("reading the testbed file: %w", "테스트베드 파일 읽기: %w", err)
	}
	if len(data) > specBytes {
		return Spec{}, nil, usage("%s: a testbed file has at most %d KiB", "%s: 테스트베드 파일은 %d KiB를 넘을 수 없습니다", path, specBytes>>10)
	}
	return ParseSpec(path, data)
}

// specBytes is a hundred times what the longest testbed file needs.
const specBytes = 256 << 10

// readSome reads a file that may have no end, as far as one byte too many.
func readSome(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, specBytes+1))
}

// ParseSpec is ReadSpec for content at hand; file is named in errors.
func ParseSpec(file string, data []byte) (Spec, Given, error) {
	s := DefaultSpec()
	if err := strict.Unmarshal(file, data, &s); err != nil {
		return Spec{}, nil, &UsageError{err}
	}
	if s.APIVersion != "" && s.APIVersion != fileAPIVersion {
		return Spec{}, nil, usage("%s: apiVersion is %q; this version of nori reads %q",
			"%s: apiVersion이 %q입니다. 이 버전의 nori는 %q을(를) 읽습니다", file, s.APIVersion, fileAPIVersion)
	}
	if s.Kind != "" && s.Kind != fileKind {
		return Spec{}, nil, usage("%s: kind is %q; it must be %q", "%s: kind가 %q입니다. %q이어야 합니다", file, s.Kind, fileKind)
	}
	if err := s.Validate(); err != nil {
		return Spec{}, nil, usage("%s: %w", "%s: %w", file, err)
	}
	given, err := givenKeys(data)
	if err != nil {
		return Spec{}, nil, usage("%s: %w", "%s: %w", file, err)
	}
	return s, given, nil
}

// givenKeys are the keys that a testbed file names.
func givenKeys(data []byte) (Given, error) {
	var content map[string]any
	if err := yaml.Unmarshal(data, &content); err != nil {
		return nil, err // it was read strictly before
	}
	var given Given
	for _, k := range keys {
		if there(content, strings.Split(k.Name, ".")) {
			given = append(given, k.Name)
		}
	}
	return given, nil
}

func there(content map[string]any, path []string) bool {
	v, ok := content[path[0]]
	if !ok || len(path) == 1 {
		return ok
	}
	below, ok := v.(map[string]any)
	return ok && there(below, path[1:])
}

var nameRule = regexp.MustCompile(`^[a-z]([a-z0-9-]{0,18}[a-z0-9])?$`)

// ValidateName holds a testbed's name to its rule.
func ValidateName(name string) error {
	if !nameRule.MatchString(name) {
		return lang.Errorf("name: %q must be 1 to 20 of a-z, 0-9 and '-', starting with a letter and not ending in '-'",
			"name: %q은(는) 안 됩니다. a-z, 0-9, '-'로 된 1~20자여야 하고, 글자로 시작하며 '-'로 끝나지 않아야 합니다", name)
	}
	return nil
}

// ControlName is the control node's name.
const ControlName = "control"
