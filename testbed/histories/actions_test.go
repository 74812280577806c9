package histories

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// action is a row of what may happen to a testbed.
type action struct {
	// name is one word or several; what follows it in a history are its arguments.
	name   string
	weight int
	// on says that there must be a testbed, disk and cache that it must have
	// one of its own.
	on, disk, cache bool
	// driver is that of the only machines to which it happens; empty means all.
	driver string
	args   func(r *rand.Rand, b bed) []string
	do     func(w *world, args []string) error
}

// actions are all that may happen. The names of commands are those of nori.
var actions []action

func init() { // the rows name functions that look rows up
	actions = append(append(commands, breakages...), surroundings...)
}

// rowOf finds an action by its name.
func rowOf(name string) *action {
	for i := range actions {
		if actions[i].name == name {
			return &actions[i]
		}
	}
	return nil
}

// commands are what a person types.
var commands = []action{
	{name: "up", weight: 8, do: func(w *world, args []string) error { return w.up(args...) }},
	{name: "down", weight: 2, do: func(w *world, _ []string) error { return w.down() }},
	{name: "status", weight: 1, do: func(*world, []string) error { return nil }}, // it is looked at after each action
	{name: "reset", weight: 5, on: true, do: typed("reset")},
	{name: "snapshot save", weight: 3, on: true, args: anySnapshot, do: typed("snapshot save")},
	{name: "snapshot restore", weight: 3, on: true, args: anySnapshot, do: typed("snapshot restore")},
	{name: "snapshot delete", weight: 1, on: true, args: anySnapshot, do: typed("snapshot delete")},
	{name: "node add", weight: 2, on: true, do: typed("node add")},
	{name: "node remove", weight: 2, on: true, args: anyWorker, do: typed("node remove")},
	{name: "kubectl apply", weight: 2, on: true, do: theirs("kubectl", "create", "deployment", "web", "--image=noriter/hello:v1", "--replicas=2")},
	{name: "kubectl delete", weight: 1, on: true, do: theirs("kubectl", "delete", "deployment", "web", "--timeout=20s")},
	{name: "ssh poweroff", weight: 2, on: true, args: anyMachine, do: func(w *world, args []string) error {
		return theirs("ssh", args[0], "--", "systemctl poweroff")(w, nil)
	}},
	{name: "ssh reboot", weight: 2, on: true, args: anyMachine, do: func(w *world, args []string) error {
		return theirs("ssh", args[0], "--", "systemctl reboot")(w, nil)
	}},
	{name: "shell", weight: 1, on: true, do: theirs("shell", "-c", "kubectl get nodes")},
	{name: "fault inject", weight: 2, on: true, args: anyFault, do: typed("fault inject")},
	{name: "fault recover", weight: 2, on: true, args: anyFault, do: typed("fault recover")},
	{name: "lab start", weight: 1, on: true, do: theirs("lab", "start", "pods")},
	{name: "report", weight: 2, do: func(w *world, _ []string) error {
		archive := filepath.Join(w.dir, "report.tar.gz")
		_ = os.Remove(archive) // of an earlier one
		r, err := w.obey("report", "--yes", "--output", archive)
		if err == nil && r.code != 0 {
			err = breaks(exitCodes, "nori report, which is for what is broken, failed: %s", said(r.out))
		}
		return err
	}},
	{name: "cut", weight: 10, args: anyCut, do: cut},
	{name: "both", weight: 4, args: anyTwo, do: both},
}

// typed is a command that, where it fails, has to say what to type.
func typed(command string) func(*world, []string) error {
	return func(w *world, args []string) error {
		r, err := w.obey(append(strings.Fields(command), args...)...)
		switch {
		case err != nil:
			return err
		case r.code == 0 && (command == "reset" || command == "snapshot restore"):
			return w.serves("nori " + command)
		case r.code == 0 || r.code == 2, w.full, w.inTheWay:
			return nil
		}
		return w.follow(r)
	}
}

// theirs is a command that may fail as another program wants.
func theirs(args ...string) func(*world, []string) error {
	return func(w *world, _ []string) error {
		_, err := w.obey(args...)
		return err
	}
}

// cuttable are the commands that are killed in their middle, and about how long each
// takes, in seconds.
var cuttable = map[string]float64{
	"up": 20, "reset": 8, "down": 2, "snapshot save a": 2, "snapshot restore start": 8, "node add": 8, "node remove node2": 3, "status": 1,
}

func anyCut(r *rand.Rand, b bed) []string {
	command := one(r, "up", "up", "up", "reset", "reset", "down", "snapshot save a", "snapshot restore start", "node add", "node remove node2", "status")
	takes := cuttable[command]
	if b.driver == "libvirt" {
		takes *= 5
	}
	return append([]string{one(r, "KILL", "INT", "TERM"), fmt.Sprintf("%.2f", takes*r.Float64())}, strings.Fields(command)...)
}

var signals = map[string]syscall.Signal{"KILL": syscall.SIGKILL, "INT": syscall.SIGINT, "TERM": syscall.SIGTERM}

// cut sends a signal to a command after some seconds: cut SIGNAL SECONDS COMMAND.
func cut(w *world, args []string) error {
	var seconds float64
	if _, err := fmt.Sscan(args[1], &seconds); err != nil {
		return err
	}
	command := args[2:]
	if command[0] == "up" {
		command = append(command, w.upFlags()...)
	}
	r := w.start(command...).after(time.Duration(seconds*float64(time.Second)), signals[args[0]], w.limit("up"))
	if !r.hung && (r.code == -1 || r.code == 130) {
		return nil
	}
	return ended(r)
}

func anyTwo(r *rand.Rand, _ bed) []string {
	const these = "up up up reset down status"
	words := strings.Fields(these)
	return []string{one(r, words...), one(r, words...), fmt.Sprintf("%.2f", 4*r.Float64())}
}

// both runs two commands, the second some seconds after the first: both FIRST SECOND SECONDS.
func both(w *world, args []string) error {
	var seconds float64
	if _, err := fmt.Sscan(args[2], &seconds); err != nil {
		return err
	}
	start := func(command string) *running {
		if command == "up" {
			return w.start(append([]string{command}, w.upFlags()...)...)
		}
		return w.start(command)
	}
	first := start(args[0])
	time.Sleep(time.Duration(seconds * float64(time.Second)))
	second := start(args[1])
	limit := w.limit(args[0]) + w.limit(args[1])
	for _, r := range []result{first.end(limit), second.end(limit)} {
		if err := ended(r); err != nil {
			return err
		}
	}
	return nil
}

func anySnapshot(r *rand.Rand, _ bed) []string { return []string{one(r, "a", "a", "b", "start")} }
func anyWorker(r *rand.Rand, _ bed) []string   { return []string{one(r, "node1", "node2")} }

func anyMachine(r *rand.Rand, b bed) []string {
	machines := []string{"control", "node1"}
	if b.nodes > 1 {
		machines = append(machines, "node2")
	}
	return []string{one(r, machines...)}
}

func anyFault(r *rand.Rand, _ bed) []string {
	return []string{one(r, "agent-stopped", "scheduler-stopped", "containerd-stopped", "node-off", "node-cut", "dns-down")}
}
