package machine

import (
	"fmt"
	"strings"

	"noriter.dev/noriter/internal/lang"
)

// ExitError is a command that ran and failed.
type ExitError struct {
	Machine string
	Line    string
	// Status is the exit status, or -1 if a signal or the time limit ended it.
	Status int
	// Reason is set where Status is -1: the signal, or the limit.
	Reason string
	// Lost says that the connection broke while it ran.
	Lost bool
	// Output is the tail of what it printed, standard error last.
	Output string
}

// Error gives the command, the status and, below, what it printed.
func (e *ExitError) Error() string {
	how := fmt.Sprintf("exit status %d", e.Status)
	if e.Status == -1 {
		how = e.Reason
	}
	s := fmt.Sprintf("on %s: %s: %s", e.Machine, FirstLine(e.Line), how)
	if out := strings.TrimSpace(e.Output); out != "" {
		s += "\n    " + strings.ReplaceAll(out, "\n", "\n    ")
	}
	return s
}

// HostError is something this host lacks; the command ends with exit code 3.
type HostError struct {
	// What is missing or wrong.
	What string
	// Remedy is what a person should do, as a command where there is one.
	Remedy string
	Err    error
}

// Error gives what is wrong and the remedy.
func (e *HostError) Error() string {
	s := e.What
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	if e.Remedy != "" {
		s += "\n    " + lang.T("remedy:", "해결책:") + " " + e.Remedy
	}
	return s
}

// Unwrap gives the cause.
func (e *HostError) Unwrap() error { return e.Err }

// FirstLine shortens a command line for a message.
func FirstLine(line string) string {
	first, rest, more := strings.Cut(strings.TrimSpace(line), "\n")
	if more && strings.TrimSpace(rest) != "" {
		return first + " …"
	}
	return first
}
