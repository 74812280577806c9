package main

import (
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/fatih/color"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/labs/labtest"
	"noriter.dev/noriter/provision/machine"
	"noriter.dev/noriter/testbed"
	"noriter.dev/noriter/testbed/fault"
)

var update = flag.Bool("update", false, "write the golden files anew")

// TestScreens draws tables of nori in a real terminal and compares what one sees with the
// files in testdata/screens.
func TestScreens(t *testing.T) {
	if labtest.Scene() != "" {
		drawScene(t)
		labtest.Drawn()
	}
	for _, scene := range []string{"faults", "status"} {
		labtest.Golden(t, scene, *update, nil)
	}
}

func drawScene(t *testing.T) {
	t.Helper()
	scene, view := labtest.SceneView(t)
	lang.Set(view.Language)
	color.NoColor = view.Plain
	g := &globals{stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr, plain: view.Plain, noColor: view.Plain, called: "bin/nori"}
	newRootCommand(g)
	switch scene {
	case "faults":
		var lines []faultLine
		for _, f := range fault.All() {
			lines = append(lines, faultLine{Name: f.Name, Level: f.Level, What: f.What.String(), Symptom: f.Symptom.String()})
		}
		g.printFaults(lines)
	case "status":
		g.printStatus(nil, testbed.Status{
			Name: "noriter", Driver: "nspawn", Subnet: "10.77.0.0/24",
			Machines: []testbed.MachineStatus{
				{Name: "control", Address: "10.77.0.10", State: machine.Running, Node: "Ready", Pods: 3},
				{Name: "node1", Address: "10.77.0.11", State: machine.Running, Node: "Ready", Cordoned: true},
				{Name: "node2", Address: "10.77.0.12", State: machine.Stopped, Node: "NotReady"},
			},
			Problems: []testbed.Problem{{Text: lang.T("node2 is off", "node2가 꺼져 있습니다"), Remedy: "nori up"}},
		})
	}
}

// TestWords: no line of a cell is wider than there is room, and no word is cut.
func TestWords(t *testing.T) {
	cell := "워커의 서비스 프록시를 멈추고 규칙을 지움"
	lines := words(cell, 20)
	if len(lines) < 2 || strings.Join(lines, " ") != cell {
		t.Errorf("%q", lines)
	}
	for _, l := range lines {
		if visible(l) > 20 {
			t.Errorf("%d columns: %q", visible(l), l)
		}
	}
}
