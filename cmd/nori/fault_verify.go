package main

import (
	"context"
	"fmt"

	"github.com/fatih/color"
	"github.com/spf13/cobra"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/internal/printable"
	"noriter.dev/noriter/testbed/fault"
)

func newFaultVerifyCommand(g *globals) *cobra.Command {
	var o fault.Options
	var all bool
	c := &cobra.Command{
		Use: "verify [FAULT…]", ValidArgsFunction: completeFault,
		Short: lang.T("See whether what is in is mended; with names, prove that faults go in and out", "주입한 장애를 고쳤는지 확인하기. 이름을 주면 장애의 주입과 복구를 검증하기"),
		Long: lang.T(`Looks whether what "nori fault inject" broke is mended, by what is seen and not by how
it was done. If it is, it tells the time and the score, and what was to be learnt.

With the names of faults, or --all, it puts each of them in and takes it out, proving both.`,
			`"nori fault inject"로 망가뜨린 것을 고쳤는지 확인합니다. 어떻게 고쳤는지가 아니라 증상을
봅니다. 고쳤으면 걸린 시간과 점수, 배울 점을 알려 줍니다.

장애의 이름이나 --all을 주면 장애를 하나씩 주입하고 복구하며, 주입과 복구를 모두 검증합니다.`),
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) == 0 && !all {
				return g.gradeFaults(c.Context())
			}
			var faults []*fault.Fault
			if all {
				faults = fault.All()
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
	c.Flags().BoolVar(&all, "all", false, lang.T("prove all faults", "모든 장애를 검증"))
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
