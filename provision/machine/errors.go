package machine

import (
	"strings"

	"noriter.dev/noriter/internal/lang"
)

// ExitError is a command that ran and failed.
type ExitError struct {
	Machine string
	Line    string
	// Doing is the command's.
	Doing lang.Text
	// Status is the exit status, or -1 if a signal or the time limit ended it.
	Status int
	// Reason is set where Status is -1: the signal, or the limit.
	Reason string
	// Lost says that the connection broke while it ran.
	Lost bool
	// Output is the tail of what it printed, standard error last.
	Output string
}

// Error gives what was being done, the status and, below, what it printed.
func (e *ExitError) Error() string {
	how := lang.Textf("exit status %d", "종료 상태 %d", e.Status).String()
	if e.Status == -1 {
		how = e.Reason
	}
	if doing := e.doing(); doing != "" {
		how = doing + ": " + how
	}
	s := lang.Textf("on %s: %s", "%s에서 %s", e.Machine, how).String()
	if out := strings.TrimSpace(e.Output); out != "" {
		s += "\n    " + strings.ReplaceAll(out, "\n", "\n    ")
	}
	return s
}

// doing names the command: by what it does, or else by itself. The first line of a
// script tells nobody anything.
func (e *ExitError) doing() string {
	line := strings.TrimSpace(e.Line)
	switch {
	case e.Doing != lang.Text{}:
		return e.Doing.String()
	case strings.Contains(line, "\n"):
		return ""
	}
	return line
}

// FullError is a machine whose disk has no room for what was to be put there.
type FullError struct {
	Machine string
	// Place is a folder on the disk, with the bytes that are free there and that
	// are needed; empty where they are not known.
	Place        string
	Free, Needed int64
	Err          error
}

// Error says what there is and what is needed.
func (e *FullError) Error() string {
	if e.Place == "" {
		return lang.Textf("the disk of %s is full: %v", "%s의 디스크가 가득 찼습니다: %v", e.Machine, e.Err).String()
	}
	const mib = 1 << 20
	return lang.Textf("the disk of %s is full: %.1f MiB are free at %s, %.1f MiB are needed", "%[1]s의 디스크가 가득 찼습니다: %[3]s에 %.1[2]f MiB가 남았고 %.1[4]f MiB가 필요합니다",
		e.Machine, float64(e.Free)/mib, e.Place, float64(e.Needed)/mib).String()
}

// Unwrap gives what failed for it.
func (e *FullError) Unwrap() error { return e.Err }

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
