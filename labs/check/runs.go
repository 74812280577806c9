package check

import "strings"

// Where says where something runs that the author of a lab has written.
type Where string

// The places.
const (
	OnHost    Where = "host"
	OnMachine Where = "machine"
	InPod     Where = "pod"
	OnObjects Where = "objects"
	// OverNetwork is an address that is asked, wherever it leads.
	OverNetwork Where = "network"
)

// Ran is told of each thing that runs: where, and what, as it was written.
type Ran func(where Where, what string)

// runner is a kind or an act that runs what the author of a lab has written, or changes
// what is there. Whoever starts a lab from elsewhere is told of it before.
type runner interface{ Runs(on Ran) }

// Runs tells what the check runs.
func (c *Check) Runs(on Ran) {
	if k, ok := c.Kind.(runner); ok {
		k.Runs(on)
	}
}

// Runs is the script.
func (sc *Script) Runs(on Ran) { on(OnHost, sc.Run) }

// Runs is the command.
func (n *Node) Runs(on Ran) { on(OnMachine, n.On.Source()+": "+n.Run.Source()) }

// Runs is the command.
func (e *Exec) Runs(on Ran) {
	words := []string{e.Pod.Source() + ":"}
	for _, w := range e.Command {
		words = append(words, w.Source())
	}
	on(InPod, strings.Join(words, " "))
}

// Runs is the address, where one is given; else the cluster's own are asked.
func (h *HTTP) Runs(on Ran) {
	if h.URL == nil {
		return
	}
	from := h.From.Source()
	if from == "" {
		from = "host"
	}
	on(OverNetwork, h.URL.Source()+" (from: "+from+")")
}

// Runs is the act, and the check that follows it.
func (t *Triggered) Runs(on Ran) {
	if r, ok := t.Act.(runner); ok {
		r.Runs(on)
	}
	if t.Then != nil {
		t.Then.Runs(on)
	}
}

// Runs is what is deleted.
func (d *Delete) Runs(on Ran) { on(OnObjects, "delete "+d.Target().written()) }

// Runs is what is scaled.
func (sc *Scale) Runs(on Ran) { on(OnObjects, "scale "+sc.Target().written()) }

// Runs is what is labelled.
func (l *Label) Runs(on Ran) { on(OnObjects, "label "+l.Target().written()) }

// Runs is what is done to the machine.
func (n *NodeAct) Runs(on Ran) {
	switch {
	case n.Power != "":
		on(OnMachine, n.On.Source()+": power "+n.Power)
	case n.Stop != "":
		on(OnMachine, n.On.Source()+": systemctl stop "+n.Stop)
	default:
		on(OnMachine, n.On.Source()+": systemctl start "+n.Start)
	}
}

// written is the target as lab.yaml says it.
func (t Target) written() string { return t.describe(t.Name.Source(), t.Selector.Source()).EN }
