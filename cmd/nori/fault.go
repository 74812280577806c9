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
	"noriter.dev/noriter/testbed"
	"noriter.dev/noriter/testbed/fault"
)

func newFaultCommand(g *globals) *cobra.Command {
	c := &cobra.Command{
		Use:   "fault",
		Short: lang.T("Break the testbed on purpose, and mend it", "테스트베드를 일부러 망가뜨리고 고치기"),
	}
	g.groupOnly(c)
	list := &cobra.Command{
		Use: "list", Args: cobra.NoArgs,
		Short: lang.T("List the faults, and whether those that are in still show", "고장 목록과, 넣은 고장이 아직 보이는지"),
		RunE:  func(c *cobra.Command, _ []string) error { return g.listFaults(c.Context()) },
	}
	g.outputFlag(list)
	c.AddCommand(list, newFaultInjectCommand(g), newFaultRecoverCommand(g), newFaultVerifyCommand(g))
	return c
}

// faultOptions are the flags that inject and verify share.
func (g *globals) faultOptions(c *cobra.Command, o *fault.Options) {
	c.Flags().Uint64Var(&o.Seed, "seed", 0, lang.T("choose by this number; the same number chooses the same again (default: a new one)", "이 숫자로 고름. 같은 숫자는 같은 것을 고름 (기본값: 새 숫자)"))
	c.Flags().StringVarP(&o.Namespace, "namespace", "n", "", lang.T("break something in this namespace (default: a small shop that is brought along)", "이 네임스페이스의 것을 망가뜨림 (기본값: 함께 준비하는 작은 가게)"))
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
	t, err := g.open()
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
	rows := [][]string{{lang.T("FAULT", "고장"), lang.T("WHAT", "내용")}}
	for _, l := range lines {
		rows = append(rows, []string{l.Name, l.What})
	}
	printTable(g, rows)
	for _, l := range lines {
		if l.In == nil {
			continue
		}
		state := color.RedString(lang.T("it shows", "고장 상태"))
		if !l.Shows {
			state = color.GreenString(lang.T("it no longer shows", "더는 보이지 않음"))
		}
		fmt.Fprintf(g.stdout, lang.T("\nIn: %s, %s, for %s (seed %d). Now %s: %s\n", "\n넣은 고장: %s, %s, %s 전 (시드 %d). 지금 %s: %s\n"),
			color.New(color.Bold).Sprint(l.Name), fault.TargetOf(*l.In), time.Since(l.In.Since).Round(time.Second), l.In.Seed, state, l.Seen)
	}
}

func newFaultInjectCommand(g *globals) *cobra.Command {
	var o fault.Options
	c := &cobra.Command{
		Use: "inject FAULT", Args: g.exactly(1), ValidArgsFunction: completeFault,
		Short: lang.T("Put a fault into the testbed, and prove that it took effect", "테스트베드에 고장을 넣고 효과를 증명하기"),
		Long: lang.T(`Looks that the testbed is steady, chooses a target by the seed, breaks it, and waits
until the effect can be seen. "nori fault recover" takes it out again; "nori reset" does, too.`,
			`테스트베드가 정상인지 보고, 시드로 대상을 골라 망가뜨린 뒤, 효과가 보일 때까지 기다립니다.
"nori fault recover"로 되돌립니다. "nori reset"으로도 사라집니다.`),
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
	c.Flags().StringVar(&o.Node, "node", "", lang.T("break this worker (default: the seed chooses)", "이 워커를 망가뜨림 (기본값: 시드가 고름)"))
	return c
}

func (g *globals) injectFault(ctx context.Context, f *fault.Fault, o fault.Options) error {
	t, err := g.open()
	if err != nil {
		return err
	}
	p := g.newStepView()
	o.Report = p.report
	r, err := fault.Inject(ctx, t, f, o)
	p.stop()
	if err != nil {
		return err
	}
	fmt.Fprintf(g.stderr, lang.T("%s is in: %s (seed %d)\n", "%s 고장을 넣었습니다: %s (시드 %d)\n"), color.New(color.Bold).Sprint(r.Name), fault.TargetOf(r), r.Seed)
	fmt.Fprintf(g.stderr, lang.T("What is seen: %s.\n", "보이는 것: %s.\n"), f.Symptom.String())
	fmt.Fprintln(g.stderr, lang.T("To take it out: ", "되돌리기: ")+color.CyanString("nori fault recover "+r.Name))
	return nil
}

func newFaultRecoverCommand(g *globals) *cobra.Command {
	return &cobra.Command{
		Use: "recover [FAULT]", Args: cobra.MaximumNArgs(1), ValidArgsFunction: completeFault,
		Short: lang.T("Take a fault out, or all of them", "고장 하나 또는 모두 되돌리기"),
		RunE: func(c *cobra.Command, args []string) error {
			t, err := g.open()
			if err != nil {
				return err
			}
			name := ""
			if len(args) > 0 {
				name = args[0]
			}
			p := g.newStepView()
			out, err := fault.Recover(c.Context(), t, name, fault.Options{Report: p.report, Waiting: g.waitingFor})
			p.stop()
			if err != nil {
				return err
			}
			if len(out) == 0 && name == "" {
				fmt.Fprintln(g.stderr, lang.T("no fault is in; nothing to do", "넣은 고장이 없습니다. 할 일이 없습니다"))
			}
			for _, r := range out {
				fmt.Fprintf(g.stderr, lang.T("%s is out: %s\n", "%s 고장을 되돌렸습니다: %s\n"), r.Name, fault.TargetOf(r))
			}
			return nil
		},
	}
}

func newFaultVerifyCommand(g *globals) *cobra.Command {
	var o fault.Options
	c := &cobra.Command{
		Use: "verify [FAULT…]", ValidArgsFunction: completeFault,
		Short: lang.T("Put each fault in and take it out, proving both", "고장을 하나씩 넣고 되돌리며 둘 다 증명하기"),
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
	t, err := g.open()
	if err != nil {
		return err
	}
	people := g.output != "json"
	if people {
		fmt.Fprintf(g.stdout, lang.T("seed %d\n", "시드 %d\n"), o.Seed)
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
	fmt.Fprintf(g.stdout, lang.T("%s %-19s %-19s in and proven %5.1f s, out and steady %5.1f s\n", "%s %-19s %-19s 넣고 증명 %5.1f초, 되돌리고 정상 %5.1f초\n"), mark, v.Fault, v.Target, v.Inject, v.Recover)
	if v.Error != "" {
		fmt.Fprintln(g.stdout, "     "+v.Error)
	}
}
