package install

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/provision/machine"
	"noriter.dev/noriter/provision/step"
)

// joining are the steps of Steps that a node takes which joins a cluster that
// runs already; what is the control plane's alone is left out.
var joining = []string{"pki", "runtime", "node", "images", "agent", "proxy", "ready", "apps"}

// JoinSteps is the list that makes the nodes in c.Only part of a running
// cluster. The step named machines, which is the caller's, must have handed
// over all connections before.
func JoinSteps(c *Cluster, machines string) []step.Step {
	known := append([]string{machines}, joining...)
	var steps []step.Step
	for _, s := range Steps(c, machines) {
		if !slices.Contains(joining, s.ID) {
			continue
		}
		s.Needs = slices.DeleteFunc(slices.Clone(s.Needs), func(id string) bool { return !slices.Contains(known, id) })
		steps = append(steps, s)
	}
	return append(steps, step.Step{
		ID: "names", Title: lang.Text{EN: "The new name on the others", KO: "다른 머신에 새 이름 알리기"},
		Needs: []string{machines},
		Run:   func(ctx context.Context, _ func(string)) error { return c.introduce(ctx) },
	})
}

// introduce adds the targets to /etc/hosts of all other machines. What else is
// in that file may be a learner's and stays.
func (c *Cluster) introduce(ctx context.Context) error {
	var lines strings.Builder
	for _, n := range c.targets() {
		fmt.Fprintf(&lines, "grep -q '[[:space:]]%[2]s$' /etc/hosts || echo '%[1]s %[2]s' >> /etc/hosts\n", n.Address, n.Name)
	}
	return c.others(ctx, lines.String())
}

// Forget takes a node's name off all other machines.
func (c *Cluster) Forget(ctx context.Context, name string) error {
	// Not sed -i: it would replace the file, which may be mounted somewhere.
	return c.others(ctx, fmt.Sprintf("left=$(grep -v '[[:space:]]%s$' /etc/hosts) && echo \"$left\" > /etc/hosts", name))
}

// others runs a script on the connected machines that are no targets.
func (c *Cluster) others(ctx context.Context, script string) error {
	for _, n := range c.Nodes {
		m := c.Machine(n.Name)
		if m == nil || slices.ContainsFunc(c.targets(), func(t Node) bool { return t.Name == n.Name }) {
			continue
		}
		if _, err := m.Run(ctx, machine.Command{Line: script, Doing: lang.Text{EN: "changing /etc/hosts", KO: "/etc/hosts 고치기"}}); err != nil {
			return err
		}
	}
	return nil
}
