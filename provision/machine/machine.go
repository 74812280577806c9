// Package machine says what a machine of a testbed is: something that runs
// commands, takes files and can be dialled. Both drivers hand out the same
// thing, a Debian host with systemd, sshd and containerd, so nothing above
// this seam knows whether a virtual machine or a container is behind it.
//
// It is a leaf: of the project it imports only the languages of texts.
package machine

import (
	"context"
	"io/fs"
	"net"
	"net/netip"
	"time"

	"noriter.dev/noriter/internal/lang"
)

// Machine is a running host that was reached over SSH with a key and a host
// key known before its first boot.
type Machine interface {
	// Name is the host name, which is also the node's name in the cluster.
	Name() string
	// Address is the machine's address on the testbed's network.
	Address() netip.Addr
	// Run runs a command to its end. A non-zero exit status is an
	// *ExitError, with the tail of the output in it.
	Run(ctx context.Context, cmd Command) (Result, error)
	// Upload puts files in place, each whole or not at all: written beside
	// the target, verified by SHA-256, then renamed. A file that is there
	// already with the same content is left alone.
	Upload(ctx context.Context, files ...File) error
	// Dial connects from the machine's own network, so that addresses which
	// only the machine reaches (its loopback, pod addresses) can be used.
	Dial(ctx context.Context, network, address string) (net.Conn, error)
	// Close ends the connection; the machine runs on.
	Close() error
}

// Command is one shell command line for a machine.
type Command struct {
	// Line is handed to /bin/sh -c.
	Line string
	// Doing says what is done by it, as in "setting up containerd" ("containerd
	// 설정"): errors name that, and so does whoever waits for it. Without it, errors
	// show the line, if it is one.
	Doing lang.Text
	// Stdin is what the command reads; nil is an empty input.
	Stdin []byte
	// Timeout ends the command; 0 means DefaultTimeout. It is that of a machine as
	// fast as this host: a slow one gets more (Traits.Patience).
	Timeout time.Duration
}

// DefaultTimeout is how long a command may take that names no limit.
const DefaultTimeout = 60 * time.Second

// Result is what a finished command printed.
type Result struct {
	Stdout, Stderr []byte
}

// File is one file to put on a machine. Content or Source is set.
type File struct {
	// Path is the absolute target; parent folders are made.
	Path string
	// Mode is the target's permission bits; 0 means 0644.
	Mode fs.FileMode
	// Content is the file's content, for small files.
	Content []byte
	// Source is a local path whose content is sent, for large files.
	Source string
}

// Spec is what a machine shall be.
type Spec struct {
	Name      string
	Address   netip.Addr
	MemoryMiB int // 0 leaves it unlimited where the driver can
	CPUs      int // 0 means 1, or all of the host's where the machine shares its kernel
	DiskGiB   int // 0 means the driver's default, or no limit
}

// State says where a machine is in its life.
type State string

// The states of a machine.
const (
	Running State = "running"
	Stopped State = "stopped"
	// Paused is a machine that is switched on and stands still.
	Paused State = "paused"
	// Absent is a machine that was never made, or was removed.
	Absent State = "absent"
)

// Info is what a provider knows of one machine.
type Info struct {
	Name    string
	Address netip.Addr
	State   State
	// Detail is for people: the unit's or domain's name, the reason of a stop.
	Detail string
	// Console is the end of what a machine printed that does not run, if it is known.
	Console string
	// Fault is why a machine that runs can't be reached, as far as the driver knows.
	Fault string
}

// Testbed names the testbed whose machines a provider makes, and carries what
// all of its machines share.
type Testbed struct {
	// Name is the testbed's name: a DNS label of at most 20 characters.
	Name string
	// Dir is the testbed's own folder on this host; a provider keeps what it
	// must remember in a sub-folder named after itself.
	Dir string
	// Subnet is the testbed's /24; its first address is the bridge's.
	Subnet netip.Prefix
	// AuthorizedKey is the public key, in authorized_keys form, that root
	// of every machine accepts.
	AuthorizedKey string
	// HostKeys are the machines' SSH host keys (OpenSSH PEM), by name, laid
	// down before the first boot.
	HostKeys map[string][]byte
}

// Provider makes and removes the machines of one testbed. Its life is
//
//	Prepare → Ensure (each machine) → Stop/Start … → Remove
//
// Every call is idempotent and takes up what an interrupted one left, so the
// caller answers any doubt by calling again.
type Provider interface {
	// Traits say what the machines are like on this host.
	Traits(ctx context.Context) (Traits, error)
	// Prepare makes what the machines share: the bridge, the pool.
	Prepare(ctx context.Context) error
	// Ensure makes the machine if it is absent and starts it if it is
	// stopped. It returns when the machine is switched on, not when it answers.
	Ensure(ctx context.Context, spec Spec) error
	// Stop switches the machine off at once, as if its power failed.
	Stop(ctx context.Context, name string) error
	// List tells of every machine of the testbed, in order of name.
	List(ctx context.Context) ([]Info, error)
	// RemoveMachine removes one machine with its disk.
	RemoveMachine(ctx context.Context, name string) error
	// Remove removes all of the testbed: machines, disks, snapshots, network.
	Remove(ctx context.Context) error
}

// Snapshotter is a provider that can go back.
type Snapshotter interface {
	// Save keeps the state of all machines under a name. An existing
	// snapshot of that name is replaced only when the new one is complete.
	Save(ctx context.Context, name string) error
	// Restore puts the machines back that the snapshot has and that are still
	// there; they run when it returns. Machines that came after the snapshot
	// are left as they are. Whether they must boot first is the driver's
	// affair and reported by Snapshot.Memory.
	Restore(ctx context.Context, name string) error
	// Snapshots lists the complete snapshots, oldest first.
	Snapshots(ctx context.Context) ([]Snapshot, error)
	// DeleteSnapshot forgets one.
	DeleteSnapshot(ctx context.Context, name string) error
}

// Snapshot is one saved state.
type Snapshot struct {
	Name    string
	Created time.Time
	// Machines are those that can be put back to it.
	Machines []string
	// Memory says that the machines' memory is in it, so that going back
	// needs no boot.
	Memory bool
	// Bytes is the space it takes on this host, 0 if unknown.
	Bytes int64
	// Damaged says that nothing but its name can be known: it can be deleted, or
	// saved anew.
	Damaged bool
}
