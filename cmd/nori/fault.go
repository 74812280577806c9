package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/fatih/color"
	"github.com/spf13/cobra"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/internal/printable"
	"noriter.dev/noriter/provision/step"
	"noriter.dev/noriter/testbed"
	"noriter.dev/noriter/testbed/fault"
)

func newFaultCommand(g *globals) *cobra.Command {
	c := &cobra.Command{
		Use:   "fault",
		Short: lang.T("Break the testbed on purpose, and mend it", "테스트베드에 일부러 장애를 일으키고 복구하기"),
	}
	g.groupOnly(c)
	list := &cobra.Command{
		Use: "list", Args: cobra.NoArgs,
		Short: lang.T("List the faults, and whether those that are in still show", "장애 목록과 주입한 장애의 증상 보기"),
		RunE:  func(c *cobra.Command, _ []string) error { return g.listFaults(c.Context()) },
	}
	g.outputFlag(list)
	c.AddCommand(list, newFaultInjectCommand(g), newFaultRecoverCommand(g), newFaultVerifyCommand(g))
	return c
}

// faultOptions are the flags that inject and verify share.
func (g *globals) faultOptions(c *cobra.Command, o *fault.Options) {
	c.Flags().Uint64Var(&o.Seed, "seed", 0, lang.T("choose by this number; the same number chooses the same again (default: a new one)",
		"대상을 고르는 시드. 시드가 같으면 대상도 같음 (기본값: 새 시드)"))
	c.Flags().StringVarP(&o.Namespace, "namespace", "n", "", lang.T("break something in this namespace (default: a small shop that is brought along)",
		"이 네임스페이스의 오브젝트를 망가뜨림 (기본값: 연습용으로 만드는 작은 가게)"))
}

// settleFault fills in what no flag says.
func (g *globals) settleFault(c *cobra.Command, o *fault.Options) {
	if !c.Flags().Changed("seed") {
		o.Seed = rand.Uint64N(1_000_000)
	}
	o.Waiting = g.waitingFor
}

func completeFault(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	var out []string
	for _, f := range fault.All() {
		out = append(out, f.Name+"\t"+f.What.String())
	}
	return out, cobra.ShellCompDirectiveNoFileComp
}

// faultLine is one line of `nori fault list`.
type faultLine struct {
	Name    string         `json:"name"`
	What    string         `json:"what"`
	Symptom string         `json:"symptom"`
	In      *testbed.Fault `json:"in,omitempty"`
	// Shows and Seen are of a fault that is in.
	Shows bool   `json:"shows,omitempty"`
	Seen  string `json:"seen,omitempty"`
}

// listFaults works without a testbed, too: one may want to read before `nori up`.
func (g *globals) listFaults(ctx context.Context) error {
	t, err := g.open(ctx)
	if err != nil && !errors.Is(err, testbed.ErrNoTestbed) {
		return err
	}
	in, sights := map[string]testbed.Fault{}, map[string]fault.Sight{}
	if err == nil {
		for _, r := range t.Faults() {
			in[r.Name] = r
		}
		sights = fault.Look(ctx, t)
	}
	var lines []faultLine
	for _, f := range fault.All() {
		l := faultLine{Name: f.Name, What: f.What.String(), Symptom: f.Symptom.String()}
		if r, ok := in[f.Name]; ok {
			r.Undo = nil // there may be a secret in it
			l.In, l.Shows, l.Seen = &r, sights[f.Name].State == fault.Broken, sights[f.Name].Seen.String()
		}
		lines = append(lines, l)
	}
	return g.show(lines, func() { g.printFaults(lines) })
}

func (g *globals) printFaults(lines []faultLine) {
	rows := [][]string{{lang.T("FAULT", "장애"), lang.T("WHAT", "내용")}}
	for _, l := range lines {
		rows = append(rows, []string{l.Name, l.What})
	}
	printTable(g, rows)
	for _, l := range lines {
		if l.In == nil {
			continue
		}
		state := color.RedString(lang.T("it shows", "증상 있음"))
		if !l.Shows {
			state = color.GreenString(lang.T("it no longer shows", "증상 없음"))
		}
		fmt.Fprintln(g.stdout, lang.Textf("\nIn: %s, %s, for %s (seed %d). Now %s: %s", "\n주입한 장애: %s, %s, %s 전 (시드 %d). 지금 %s: %s",
			color.New(color.Bold).Sprint(l.Name), fault.TargetOf(*l.In), time.Since(l.In.Since).Round(time.Second), l.In.Seed, state, printable.Text(l.Seen)))
	}
}

func newFaultInjectCommand(g *globals) *cobra.Command {
	var o fault.Options
	c := &cobra.Command{
		Use: "inject FAULT", Args: cobra.ExactArgs(1), ValidArgsFunction: completeFault,
		Short: lang.T("Put a fault into the testbed, and prove that it took effect", "테스트베드에 장애를 주입하고 효과 확인하기"),
		Long: lang.T(`Looks that the testbed is steady, chooses a target by the seed, breaks it, and waits
until the effect can be seen. "nori fault recover" takes it out again; "nori reset" does, too.`,
			`테스트베드가 정상인지 확인하고, 시드로 대상을 골라 망가뜨린 뒤, 효과가 나타날 때까지
기다립니다. "nori fault recover"로 복구합니다. "nori reset"을 해도 없어집니다.`),
		RunE: func(c *cobra.Command, args []string) error {
			f, err := fault.Find(args[0])
			if err != nil {
				return err
			}
			g.settleFault(c, &o)
			return g.injectFault(c.Context(), f, o)
		},
	}
	g.faultOptions(c, &o)
	c.Flags().StringVar(&o.Node, "node", "", lang.T("break this worker (default: the seed chooses)", "이 워커를 망가뜨림 (기본값: 시드로 고름)"))
	return c
}

func (g *globals) injectFault(ctx context.Context, f *fault.Fault, o fault.Options) error {
	t, err := g.open(ctx)
	if err != nil {
		return err
	}
	var r testbed.Fault
	err = g.showSteps(func(report step.Reporter) error {
		o.Report = report
		r, err = fault.Inject(ctx, t, f, o)
		return err
	})
	if err != nil {
		return err
	}
	g.tell("%s is in: %s (seed %d)", "%s 장애를 주입했습니다: %s (시드 %d)", color.New(color.Bold).Sprint(r.Name), fault.TargetOf(r), r.Seed)
	g.tell("What is seen: %s.", "나타나는 증상: %s.", f.Symptom)
	g.tell("To take it out: %s", "복구하려면: %s", color.CyanString(t.Command("fault recover "+r.Name)))
	return nil
}

func newFaultRecoverCommand(g *globals) *cobra.Command {
	return &cobra.Command{
		Use: "recover [FAULT]", Args: cobra.MaximumNArgs(1), ValidArgsFunction: completeFault,
		Short: lang.T("Take a fault out, or all of them", "장애를 하나 또는 모두 복구하기"),
		RunE: func(c *cobra.Command, args []string) error {
			t, err := g.open(c.Context())
			if err != nil {
				return err
			}
			name := ""
			if len(args) > 0 {
				name = args[0]
			}
			var out []testbed.Fault
			err = g.showSteps(func(report step.Reporter) error {
				out, err = fault.Recover(c.Context(), t, name, fault.Options{Report: report, Waiting: g.waitingFor})
				return err
			})
			if err != nil {
				return err
			}
			if len(out) == 0 && name == "" {
				g.tell("no fault is in; nothing to do", "주입한 장애가 없습니다. 할 일이 없습니다")
			}
			for _, r := range out {
				g.tell("%s is out: %s", "%s 장애를 복구했습니다: %s", r.Name, fault.TargetOf(r))
			}
			return nil
		},
	}
}

func newFaultVerifyCommand(g *globals) *cobra.Command {
	var o fault.Options
	c := &cobra.Command{
		Use: "verify [FAULT…]", ValidArgsFunction: completeFault,
		Short: lang.T("Put each fault in and take it out, proving both", "장애를 하나씩 주입하고 복구하며, 주입과 복구를 모두 검증하기"),
		RunE: func(c *cobra.Command, args []string) error {
			faults := fault.All()
			if len(args) > 0 {
				faults = nil
			}
			for _, a := range args {
				f, err := fault.Find(a)
				if err != nil {
					return err
				}
				faults = append(faults, f)
			}
			g.settleFault(c, &o)
			return g.verifyFaults(c.Context(), faults, o)
		},
	}
	g.faultOptions(c, &o)
	return g.outputFlag(c)
}

func (g *globals) verifyFaults(ctx context.Context, faults []*fault.Fault, o fault.Options) error {
	t, err := g.open(ctx)
	if err != nil {
		return err
	}
	people := g.output != "json"
	if people {
		fmt.Fprintln(g.stdout, lang.Textf("seed %d", "시드 %d", o.Seed))
	}
	var all []fault.Verdict
	err = fault.Verify(ctx, t, faults, o, func(v fault.Verdict) {
		all = append(all, v)
		if people {
			g.printVerdict(v)
		}
	})
	if !people {
		if err := g.printJSON(all); err != nil {
			return err
		}
	}
	if err != nil {
		return err
	}
	for _, v := range all {
		if !v.OK {
			return &exitStatus{exitFailed}
		}
	}
	return nil
}

func (g *globals) printVerdict(v fault.Verdict) {
	mark := color.GreenString("ok  ")
	if !v.OK {
		mark = color.RedString("FAIL")
	}
	fmt.Fprintln(g.stdout, lang.Textf("%s %-19s %-19s in and proven %5.1f s, out and steady %5.1f s",
		"%s %-19s %-19s 주입하고 확인 %5.1f초, 복구하고 확인 %5.1f초", mark, v.Fault, v.Target, v.Inject, v.Recover))
	if v.Error != "" {
		fmt.Fprintln(g.stdout, "     "+printable.Text(v.Error))
	}
}
