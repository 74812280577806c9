package machine

import (
	"context"

	"noriter.dev/noriter/internal/lang"
)

// Leftover is something on this host that a testbed made. It was found by looking at
// the host and not by asking the testbed, whose state may be lost.
type Leftover struct {
	// Testbed is the name of the testbed, and Dir its folder; empty if nothing tells it.
	Testbed, Dir string
	// What it is, for a list in a sentence: "3 processes".
	What lang.Text
	// Processes are those that are part of it.
	Processes []int
	// Remove removes it. It is only called for what is surely the testbed's.
	Remove func(ctx context.Context) error
}

// Look says where leftovers are looked for.
type Look struct {
	// Testbeds is the folder in which the testbeds' own folders lie.
	Testbeds string
	// Names are testbeds that may have left something there, and Machines the names
	// that their machines may have: not all that is left tells whose it is.
	Names, Machines []string
}
