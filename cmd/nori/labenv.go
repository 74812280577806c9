package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"noriter.dev/noriter/labs"
	"noriter.dev/noriter/labs/lang"
	"noriter.dev/noriter/provision/machine"
	"noriter.dev/noriter/testbed"
)

// labEnv opens the testbed for the labs, which it must be up for.
func (g *globals) labEnv(ctx context.Context) (*labs.Env, error) {
	t, err := g.open()
	if err != nil {
		return nil, err
	}
	config, err := t.RESTConfig()
	if err != nil {
		return nil, err
	}
	if err := answering(ctx, t); err != nil {
		return nil, err
	}
	bin, err := kubectlDir(t.Dir())
	if err != nil {
		return nil, fmt.Errorf("preparing kubectl: %w", err)
	}
	command := "nori"
	if t.Name() != testbed.DefaultName {
		command += " --name " + t.Name()
	}
	return &labs.Env{
		Testbed: t.Name(), Kubeconfig: t.Kubeconfig(), Config: config, Nodes: nodes{t},
		BinDir: bin, ProgressDir: t.Home().Learner(), Command: command,
		Lang: lang.Current(), In: g.stdin, Out: g.stdout, Err: g.stderr,
	}, nil
}

// answering makes sure that the API server is there before a lab relies on it.
func answering(ctx context.Context, t *testbed.Testbed) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	if err := t.Answering(ctx); err != nil {
		return fmt.Errorf("the cluster of testbed %q does not answer; `nori up` repairs, `nori reset` puts back: %w", t.Name(), err)
	}
	return nil
}

// nodes lets labs run commands on machines.
type nodes struct{ t *testbed.Testbed }

// Names are the machines' names, the control node first.
func (n nodes) Names() []string { return n.t.Machines() }

// Run runs one command line; a status other than 0 is no error.
func (n nodes) Run(ctx context.Context, node, line string) (stdout, stderr string, code int, err error) {
	dial, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	m, err := n.t.Dial(dial, node)
	if err != nil {
		return "", "", 0, err
	}
	defer m.Close()
	out, err := m.Run(ctx, machine.Command{Line: line})
	var exit *machine.ExitError
	if errors.As(err, &exit) && exit.Status >= 0 {
		return string(out.Stdout), string(out.Stderr), exit.Status, nil
	}
	return string(out.Stdout), string(out.Stderr), 0, err
}
