package main

import (
	"context"
	"errors"
	"net"
	"sync"
	"time"

	"noriter.dev/noriter/labs"
	"noriter.dev/noriter/provision/machine"
	"noriter.dev/noriter/provision/remote"
	"noriter.dev/noriter/testbed"
)

// nodes lets labs act on machines. Connections are kept until the program
// ends: a check that looks twice a second must not log in each time.
type nodes struct {
	testbed *testbed.Testbed

	mu   sync.Mutex
	kept map[string]*remote.Client
}

// What labs may also ask of machines is asked of these.
var (
	_ labs.Dialer = (*nodes)(nil)
	_ labs.Power  = (*nodes)(nil)
)

// commandLimit is how long a command may take that its context does not end before.
const commandLimit = 5 * time.Minute

// loginLimit is how long a machine may take to let us in, if it is a fast one.
const loginLimit = 15 * time.Second

// Names are the machines' names, the control node first.
func (n *nodes) Names() []string { return n.testbed.Machines() }

// client is the connection to a machine.
func (n *nodes) client(ctx context.Context, node string) (*remote.Client, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if m := n.kept[node]; m != nil {
		return m, nil
	}
	ctx, cancel := context.WithTimeout(ctx, n.testbed.Patient(loginLimit))
	defer cancel()
	m, err := n.testbed.Dial(ctx, node)
	if err != nil {
		return nil, err
	}
	if n.kept == nil {
		n.kept = map[string]*remote.Client{}
	}
	n.kept[node] = m
	return m, nil
}

// forget closes the connection to a machine, if there is one.
func (n *nodes) forget(node string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if m := n.kept[node]; m != nil {
		_ = m.Close() // it may be dead already
		delete(n.kept, node)
	}
}

// Run runs one command line; a status other than 0 is no error.
func (n *nodes) Run(ctx context.Context, node, line string) (stdout, stderr string, code int, err error) {
	m, err := n.client(ctx, node)
	if err != nil {
		return "", "", 0, err
	}
	// As long as ctx lets it: an emulated machine takes minutes for some.
	out, err := m.Run(ctx, machine.Command{Line: line, Timeout: commandLimit})
	var exit *machine.ExitError
	if errors.As(err, &exit) && exit.Status >= 0 {
		return string(out.Stdout), string(out.Stderr), exit.Status, nil
	}
	return string(out.Stdout), string(out.Stderr), 0, err
}

// Dial connects from a machine's own network.
func (n *nodes) Dial(ctx context.Context, node, network, address string) (net.Conn, error) {
	m, err := n.client(ctx, node)
	if err != nil {
		return nil, err
	}
	return m.Dial(ctx, network, address)
}

// Off switches a machine off.
func (n *nodes) Off(ctx context.Context, node string) error {
	n.forget(node)
	return n.testbed.Off(ctx, node)
}

// On switches a machine on.
func (n *nodes) On(ctx context.Context, node string) error { return n.testbed.On(ctx, node) }
