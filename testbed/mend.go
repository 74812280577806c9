package testbed

import (
	"errors"
	"syscall"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/provision/machine"
	"noriter.dev/noriter/provision/remote"
)

// Mendable is an error with what mends it.
type Mendable struct {
	Err    error
	Remedy lang.Text
}

// Error says both.
func (e *Mendable) Error() string { return e.Err.Error() + "; " + e.Remedy.String() }

// Unwrap gives the error.
func (e *Mendable) Unwrap() error { return e.Err }

// mended adds to an error what mends it, if the table of facts knows.
func (t *Testbed) mended(err error) error {
	var known *Mendable
	if err == nil || errors.As(err, &known) {
		return err
	}
	var entry *remote.ConnectError
	var full *machine.FullError
	switch {
	case errors.As(err, &entry):
		if f, ok := factOf(entry.Trouble); ok {
			return t.mendedBy(f, entry.Machine, err)
		}
	case errors.As(err, &full) && !t.sharesDisk(full.Machine):
		return t.mendedBy(named("disk-full"), full.Machine, err)
	case errors.As(err, &full), errors.Is(err, syscall.ENOSPC) && t.state.Spec.Disk == (Disk{}): // else it may be either's
		return t.mendedBy(named("host-disk-full"), "", err)
	}
	return err
}

// factOf is the row of a machine that does not let us in.
func factOf(trouble remote.Trouble) (fact, bool) {
	seen := &MachineStatus{State: machine.Running, SSH: "no", Trouble: trouble}
	for _, f := range facts {
		if f.of != nil && len(f.of(&Status{}, seen)) > 0 {
			return f, true
		}
	}
	return fact{}, false
}

func (t *Testbed) mendedBy(f fact, machine string, err error) error {
	return &Mendable{Err: err, Remedy: f.remedy(t.typed(), machine)}
}

// typed makes of a command of nori what a person has to type for a testbed. The name
// stands before the command: what goes to other programs stays at the end.
type typed func(command string) string

func (t *Testbed) typed() typed {
	return func(command string) string {
		if t.home.isMeant(t.Name()) {
			return "nori " + command
		}
		return "nori --name " + t.Name() + " " + command
	}
}

// typed is that of the testbed whose status it is.
func (s Status) typed() typed {
	if s.say != nil {
		return s.say
	}
	return func(command string) string {
		if s.Name == DefaultName {
			return "nori " + command
		}
		return "nori --name " + s.Name + " " + command
	}
}
