package main

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/labs/format"
	"noriter.dev/noriter/labs/prove"
)

func newLabProveCommand(g *globals) *cobra.Command {
	var all bool
	var o prove.Options
	cmd := &cobra.Command{
		Use:   "prove [LAB…|--all]",
		Short: lang.T("Prove that labs can be failed, solved, and not cheated", "실습이 제대로 채점되는지 검증하기"),
		Long: lang.T(
			"Each lab is gone through five ways: untouched (nothing passes), by its solution (all of it passes),\n"+
				"by each wrong fix (it fails at the check named for it), by each other right fix (it passes),\n"+
				"and by what its solution and checks suggest by themselves (derived: shortcuts, none of which may\n"+
				"pass, but for those that the lab allows with a reason, and the solution by other commands, which must).\n"+
				"Every way works in a namespace of its own; your own labs are not touched. A lab that\n"+
				"changes the nodes themselves is not proven while you are in the middle of it.",
			"실습마다 다섯 가지 경로를 모두 가 봅니다. 아무것도 하지 않으면 하나도 통과하지 않고, 풀이대로\n"+
				"하면 모두 통과하며, 틀린 풀이는 저마다 정해진 검사에서 걸리고, 다른 올바른 풀이는 통과해야\n"+
				"합니다. 풀이와 검사에서 저절로 나오는 경로(derived)도 가 봅니다. 지름길은 실습이 이유를 들어 허용한\n"+
				"것 말고는 통과하면 안 되고, 풀이와 뜻이 같은 다른 명령은 통과해야 합니다. 경로마다 따로 만든 네임스페이스에서 진행하므로 여러분의 실습은 건드리지 않습니다.\n"+
				"노드 자체를 바꾸는 실습은 여러분이 진행하는 동안에는 검증하지 않습니다."),
		ValidArgsFunction: completeLab,
		RunE: func(c *cobra.Command, args []string) error {
			if o.Sample < 0 {
				return g.usage("--sample is a whole number from 1", "--sample은 1 이상의 정수여야 합니다")
			}
			if o.Jobs < 1 || o.Patience < 1 {
				return g.usage("--jobs and --patience are whole numbers from 1", "--jobs와 --patience는 1 이상의 정수여야 합니다")
			}
			for _, w := range o.Ways {
				if kind, _, _ := strings.Cut(w, "/"); !prove.IsKind(kind) {
					return g.usage("--ways: %q is none of %s, one of them with /NAME, or a kind of derived way, such as twice",
						"--ways: %q은(는) 쓸 수 없습니다. %s 중 하나이거나, 거기에 /NAME을 붙인 것이거나, twice 같은 derived 경로의 종류여야 합니다", w, strings.Join(prove.Kinds, ", "))
				}
			}
			labs, err := g.labsToProve(args, all)
			if err != nil {
				return err
			}
			return g.prove(c.Context(), labs, o)
		},
	}
	cmd.Flags().BoolVar(&all, "all", false, lang.T("prove every lab", "모든 실습을 검증"))
	cmd.Flags().IntVarP(&o.Jobs, "jobs", "j", 2, lang.T("how many ways at once", "동시에 가 볼 경로의 수"))
	cmd.Flags().IntVar(&o.Patience, "patience", 1, lang.T("multiply the time limits, for slow machines", "제한 시간을 몇 배로 늘릴지 (느린 머신용)"))
	cmd.Flags().StringSliceVar(&o.Ways, "ways", nil, lang.T("go only these: untouched, solution, wrong, other, derived, one kind of those, or one way as wrong/NAME",
		"이 경로만 가기: untouched, solution, wrong, other, derived, derived의 한 종류, 또는 wrong/NAME처럼 하나"))
	cmd.Flags().IntVar(&o.Sample, "sample", 0, lang.T("of each lab's derived ways go only so many (default: all)", "실습마다 derived 경로를 이만큼만 가기 (기본값: 모두)"))
	cmd.Flags().Uint64Var(&o.Draw, "draw", 0, lang.T("draw the sample from this", "표본을 뽑는 시드"))
	cmd.Flags().BoolVar(&o.Keep, "keep", false, lang.T("keep the namespaces of ways that fail", "실패한 경로의 네임스페이스를 남겨 둠"))
	cmd.Flags().Uint64Var(&o.Seed, "seed", 0, lang.T("draw the learner's variables from this (default: others for each way)", "학습자의 변수를 정하는 시드 (기본값: 경로마다 다름)"))
	return g.outputFlag(cmd)
}

func (g *globals) labsToProve(args []string, all bool) ([]*format.Lab, error) {
	if all == (len(args) > 0) {
		return nil, g.usage("name the labs to prove, or give --all", "검증할 실습을 지정하거나 --all을 쓰세요")
	}
	if all {
		return allLabs()
	}
	var out []*format.Lab
	for _, id := range args {
		l, err := g.findLab(id)
		if err != nil {
			return nil, err
		}
		out = append(out, l)
	}
	return out, nil
}

// prove goes all ways of the labs and ends with exit code 1 if one of them
// broke its promise.
func (g *globals) prove(ctx context.Context, labs []*format.Lab, o prove.Options) error {
	env, ui, err := g.labScreen(ctx)
	if err != nil {
		return err
	}
	began := time.Now()
	var outcomes []prove.Outcome
	if g.output != "json" {
		o.Report = func(out prove.Outcome) {
			// A report that can't be printed shows in the exit code all the same.
			_ = ui.Outcome(out)
		}
	}
	for _, l := range labs { // before the work on the others is lost
		if err := g.agree(env, ui, l.Path, l.Hash, l.Effects()); err != nil {
			return err
		}
		err := prove.May(env, l)
		if errors.Is(err, prove.ErrUnderway) {
			return g.usage("you are in the middle of lab %[1]s, and its proof changes the same nodes: finish it first, or prove it on another testbed (nori up --name proof && nori --name proof lab prove %[1]s)",
				"실습 %[1]s을(를) 진행하는 중인데, 검증도 같은 노드를 바꿉니다. 먼저 실습을 마치거나 다른 테스트베드에서 검증하세요 (nori up --name proof && nori --name proof lab prove %[1]s)", l.ID)
		}
		if err != nil {
			return err
		}
	}
	for _, l := range labs {
		some, err := prove.Lab(ctx, env, l, o)
		if err != nil {
			return err
		}
		outcomes = append(outcomes, some...)
	}
	var broken []prove.Outcome
	for _, out := range outcomes {
		if !out.OK {
			broken = append(broken, out)
		}
	}
	if g.output == "json" {
		if err := g.printJSON(outcomes); err != nil {
			return err
		}
	} else {
		printTable(g, countTable(outcomes))
		n, took := len(outcomes), time.Since(began).Round(time.Second)
		ui.Say(lang.Textf("%d ways, %d broken, %s", "경로 %d개 중 %d개 실패, %s", n, len(broken), took).String())
		// Once more at the end, where somebody looks who comes back to it.
		for _, out := range broken {
			if err := ui.Outcome(out); err != nil {
				return err
			}
		}
	}
	if len(broken) > 0 {
		return &exitStatus{exitFailed}
	}
	return nil
}

// countTable says of each kind of way how many were tried, and what came of them.
func countTable(outcomes []prove.Outcome) [][]string {
	rows := [][]string{{lang.T("KIND", "종류"), lang.T("TRIED", "시도"), lang.T("FAILED AS IT MUST", "실패해야 하고 실패함"),
		lang.T("PASSED AS IT MUST", "통과해야 하고 통과함"), lang.T("ALLOWED", "허용함"), lang.T("BROKEN", "어긋남")}}
	for _, c := range prove.CountByKind(outcomes) {
		row := []string{c.Kind}
		for _, n := range []int{c.Tried, c.Failed, c.Passed, c.Allowed, c.Broken} {
			row = append(row, strconv.Itoa(n))
		}
		rows = append(rows, row)
	}
	return rows
}
