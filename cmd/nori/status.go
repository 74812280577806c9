package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/fatih/color"
	"github.com/spf13/cobra"

	"noriter.dev/noriter/cluster/install"
	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/internal/printable"
	"noriter.dev/noriter/provision/machine"
	"noriter.dev/noriter/testbed"
	"noriter.dev/noriter/testbed/fault"
)

func newStatusCommand(g *globals) *cobra.Command {
	var space, faults bool
	c := &cobra.Command{
		Use:   "status",
		Short: lang.T("Show machines, nodes and components", "머신, 노드, 컴포넌트 보기"),
		Long: lang.T(`Shows the machines, nodes and components of a testbed. With --space it shows instead
what everything takes on the disk: what the cache keeps, and for whom, each testbed's
machines and snapshots, and learners' progress. "nori prune" removes what nobody needs.`,
			`테스트베드의 머신, 노드, 컴포넌트를 보여 줍니다. --space를 붙이면 대신 디스크 사용량을
보여 줍니다: 캐시에 있는 것과 그것이 필요한 곳, 테스트베드마다 머신과 스냅샷, 학습자의
진행 상황. 아무도 쓰지 않는 것은 "nori prune"으로 지웁니다.`),
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if space {
				return g.space(c.Context())
			}
			t, err := g.open(c.Context())
			if errors.Is(err, testbed.ErrNoTestbed) {
				return g.statusOfNone(c.Context(), err)
			}
			if err != nil {
				return err
			}
			s, err := t.Status(c.Context())
			if err != nil {
				return err
			}
			if err := g.showStatus(t, s, faults); err != nil {
				return err
			}
			if !s.Ready {
				return &exitStatus{exitFailed}
			}
			return nil
		},
	}
	c.Flags().BoolVar(&space, "space", false, lang.T("what this host's testbeds and the cache take on the disk", "테스트베드와 캐시의 디스크 사용량"))
	c.Flags().BoolVar(&faults, "faults", false, lang.T("name the faults that are in, too (a surprise keeps its secret)", "주입한 장애의 이름도 보기 (숨은 장애는 밝히지 않음)"))
	return g.outputFlag(c)
}

// showStatus shows a status, and the faults that are in if they are asked for: what is seen
// of them is in either.
func (g *globals) showStatus(t *testbed.Testbed, s testbed.Status, faults bool) error {
	if !faults {
		return g.show(s, func() { g.printStatus(t, s) })
	}
	all := struct {
		testbed.Status
		Faults   []inFault `json:"faults"`
		Surprise bool      `json:"surprise"`
	}{s, faultsIn(t), t.Exercise().Secret()}
	return g.show(all, func() {
		g.printStatus(t, s)
		switch {
		case all.Surprise:
			g.print(surpriseIn(t))
		case len(all.Faults) == 0:
			fmt.Fprintln(g.stdout, lang.T("no fault is in", "주입한 장애 없음"))
		}
		for _, f := range all.Faults {
			fmt.Fprintln(g.stdout, lang.Textf("fault in: %s, %s, for %s", "주입한 장애: %s, %s, %s 전", f.Name, f.Target, time.Since(f.Since).Round(time.Second)))
		}
	})
}

// inFault is a fault that is in, for the instructor.
type inFault struct {
	Name   string    `json:"name"`
	Target string    `json:"target"`
	Since  time.Time `json:"since"`
}

// faultsIn are the faults that are in and no secret.
func faultsIn(t *testbed.Testbed) []inFault {
	out := []inFault{}
	if t.Exercise().Secret() {
		return out
	}
	for _, f := range t.Faults() {
		out = append(out, inFault{f.Name, fault.TargetOf(f), f.Since})
	}
	return out
}

// statusOfNone is the status of a testbed that there is not: something may be left of it.
func (g *globals) statusOfNone(ctx context.Context, none error) error {
	home, name, err := g.meantToRemove(ctx)
	if err != nil {
		return err
	}
	left := home.Leftovers(ctx, name)
	if left.Any() {
		return lang.Errorf("testbed %q: %w, but something is left of one (%s); `%s` removes it",
			"테스트베드 %q: %w. 하지만 남은 것이 있습니다(%s). `%s` 명령으로 지우세요", name, testbed.ErrNoTestbed, left.What(), home.Command(name, "down"))
	}
	if other := left.Elsewhere(); other != "" {
		return lang.Errorf("%w\n      %s", "%w\n      %s", none, other)
	}
	return none
}

// show prints a value as JSON where that was asked for, or else for people.
func (g *globals) show(v any, people func()) error {
	if g.output != "json" {
		people()
		return nil
	}
	return g.printJSON(v)
}

func (g *globals) printStatus(t *testbed.Testbed, s testbed.Status) {
	kind := s.Driver
	if s.Isolated {
		kind += lang.T(", isolated", ", 격리")
	}
	fmt.Fprintf(g.stdout, "%s  %s  %s\n", color.New(color.Bold).Sprint(s.Name), kind, s.Subnet)
	rows := [][]string{{lang.T("MACHINE",
		"머신"), lang.T("ADDRESS", "주소"), lang.T("STATE", "상태"), lang.T("NODE", "노드"), lang.T("PODS", "파드"), lang.T("COMPONENTS", "컴포넌트")}}
	for _, m := range s.Machines {
		rows = append(rows, []string{m.Name, m.Address, stateWord(m.State), nodeWord(m), fmt.Sprint(m.Pods), components(m)})
	}
	printTable(g, rows)
	if s.Ready {
		fmt.Fprintln(g.stdout, color.GreenString(lang.T("ready", "준비됨")))
		return
	}
	fmt.Fprintln(g.stdout, color.YellowString(lang.T("not ready", "준비되지 않음")))
	for _, p := range s.Problems {
		g.print("  " + printable.Text(p.Text) + "; " + p.Remedy)
	}
}

func stateWord(s machine.State) string {
	switch s {
	case machine.Running:
		return lang.T("running", "켜짐")
	case machine.Stopped:
		return lang.T("stopped", "꺼짐")
	case machine.Paused:
		return lang.T("paused", "멈춤")
	}
	return lang.T("absent", "없음")
}

func nodeWord(m testbed.MachineStatus) string {
	switch {
	case m.Node == "":
		return "-"
	case m.Cordoned:
		return color.YellowString(m.Node + lang.T(", cordoned", ", cordon됨"))
	case m.Node == "Ready":
		return color.GreenString(m.Node)
	}
	return color.RedString(m.Node)
}

// components names the units of a machine that are not active, or says that
// all are.
func components(m testbed.MachineStatus) string {
	if m.Units == nil {
		return "-"
	}
	var down []string
	for _, u := range append([]string{"containerd"}, install.Units(m.Name == testbed.ControlName)...) {
		if w := m.Units[u]; w != "active" {
			down = append(down, strings.TrimPrefix(u, "nori-")+" "+w)
		}
	}
	if len(down) == 0 {
		return color.GreenString(lang.T("all active", "모두 활성"))
	}
	return color.RedString(strings.Join(down, ", "))
}
