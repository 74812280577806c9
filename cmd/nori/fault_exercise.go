package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/fatih/color"
	"github.com/spf13/cobra"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/internal/printable"
	"noriter.dev/noriter/provision/step"
	"noriter.dev/noriter/testbed"
	"noriter.dev/noriter/testbed/fault"
)

// surprise breaks something, and says only that.
func (g *globals) surprise(c *cobra.Command, level int, o fault.Options) error {
	if o.Namespace != "" || o.Node != "" {
		return g.usage("--random chooses by itself; leave --namespace and --node out", "--random은 스스로 고릅니다. --namespace와 --node를 빼세요")
	}
	if c.Flags().Changed("level") && level == 0 {
		level = -1 // only who says nothing leaves it to the seed
	}
	t, err := g.open(c.Context())
	if err != nil {
		return err
	}
	var e *testbed.Exercise
	err = g.showSteps(func(report step.Reporter) error {
		o.Report = report
		e, err = fault.Surprise(c.Context(), t, level, o)
		return err
	})
	if err != nil {
		return err
	}
	_, most := fault.Worth(e)
	g.tell("Something is broken. Level %d, %d points; the same again: %s", "무언가가 망가졌습니다. 단계 %d, %d점. 같은 문제를 다시 내려면: %s",
		e.Level, most, color.CyanString(t.Command(fmt.Sprintf("fault inject --random --level %d --seed %d", e.Level, e.Seed))))
	g.tell("A small shop runs in the namespace %s; what is broken may be there, or anywhere else.", "네임스페이스 %s에서 작은 가게가 돌고 있습니다. 망가진 곳은 그 안일 수도, 밖일 수도 있습니다.", fault.Shop)
	g.tell("Find it and mend it, then: %s", "찾아서 고친 다음: %s", color.CyanString(t.Command("fault verify")))
	g.tell("A hint: %s; giving up: %s", "힌트 보기: %s, 포기하기: %s", color.CyanString(t.Command("fault hint")), color.CyanString(t.Command("fault reveal")))
	return nil
}

// surpriseIn says that something is to be found, and not what.
func surpriseIn(t *testbed.Testbed) string {
	e := t.Exercise()
	return lang.Textf("A surprise is in, of level %d, for %s (seed %d); `%s` names it and gives up", "단계 %d의 숨은 장애가 %s째 있습니다 (시드 %d). `%s` 명령은 정체를 알려 주고, 포기한 것으로 칩니다",
		e.Level, fault.Taken(e), e.Seed, t.Command("fault reveal")).String()
}

func newFaultHintCommand(g *globals) *cobra.Command {
	return g.outputFlag(&cobra.Command{
		Use: "hint", Args: cobra.NoArgs,
		Short: lang.T("Take the next of three hints; each costs points", "힌트 세 개 중 다음 것 보기 (점수가 깎임)"),
		RunE: func(c *cobra.Command, _ []string) error {
			t, err := g.open(c.Context())
			if err != nil {
				return err
			}
			h, err := fault.Hint(c.Context(), t, fault.Options{Waiting: g.waitingFor})
			if err != nil {
				return err
			}
			return g.show(h, func() {
				fmt.Fprintln(g.stdout, lang.Textf("Hint %d of %d: it cost %d points, %d are left", "힌트 %d/%d: %d점이 깎여 %d점 남음", h.Number, h.Of, h.Cost, h.Points))
				for _, text := range h.Texts {
					g.print("  " + text)
				}
			})
		},
	})
}

func newFaultRevealCommand(g *globals) *cobra.Command {
	return g.outputFlag(&cobra.Command{
		Use: "reveal", Args: cobra.NoArgs,
		Short: lang.T("Give up: tell what is broken, and how it is mended", "포기하고, 무엇이 망가졌고 어떻게 고치는지 보기"),
		RunE: func(c *cobra.Command, _ []string) error {
			t, err := g.open(c.Context())
			if err != nil {
				return err
			}
			all, err := fault.Reveal(c.Context(), t, fault.Options{Waiting: g.waitingFor})
			if err != nil {
				return err
			}
			if err := g.show(all, func() { g.printTold(all) }); err != nil {
				return err
			}
			g.tell("It is still in. To mend it by a command: %s", "장애는 아직 남아 있습니다. 명령으로 복구하려면: %s", color.CyanString(t.Command("fault recover")))
			return nil
		},
	})
}

// printTold tells all of each fault.
func (g *globals) printTold(all []fault.Told) {
	for _, f := range all {
		fmt.Fprintln(g.stdout, color.New(color.Bold).Sprint(f.Fault), printable.Text(f.Target))
		g.print("  " + lang.Textf("Cause: %s", "원인: %s", f.Cause).String())
		g.print("  " + lang.Textf("How it is mended: %s", "고치는 법: %s", f.Mend).String())
		g.print("  " + lang.Textf("What was to be learnt: %s", "배울 점: %s", f.Lesson).String())
	}
}

// gradeFaults says whether what is in is mended; with nothing in, whether all is well.
func (g *globals) gradeFaults(ctx context.Context) error {
	t, err := g.open(ctx)
	if err != nil {
		return err
	}
	grade, err := fault.Check(ctx, t, fault.Options{Waiting: g.waitingFor})
	if errors.Is(err, fault.ErrNoExercise) {
		return g.show(map[string]bool{"mended": true}, func() {
			fmt.Fprintln(g.stdout, lang.T("no fault is in, and the testbed is steady", "주입한 장애가 없고, 테스트베드는 정상입니다"))
		})
	}
	if err != nil {
		return err
	}
	if err := g.show(grade, func() { g.printGrade(t, grade) }); err != nil {
		return err
	}
	if !grade.Mended {
		return &exitStatus{exitFailed}
	}
	return nil
}

func (g *globals) printGrade(t *testbed.Testbed, v fault.Grade) {
	took := time.Duration(v.Seconds * float64(time.Second)).Round(time.Second)
	if v.Mended {
		fmt.Fprintln(g.stdout, lang.Textf("%s in %s: %d of %d points, %d hints", "%s 걸린 시간 %s, %[4]d점 중 %[3]d점, 힌트 %[5]d개",
			color.GreenString(lang.T("mended", "고쳤습니다.")), took, v.Points, v.Most, v.Hints))
		g.printTold(v.Faults)
		return
	}
	fmt.Fprintln(g.stdout, lang.Textf("%s after %s: faults that still show: %d of %d", "%s 지난 시간 %s, 장애 %[4]d개 중 %[3]d개 남음",
		color.RedString(lang.T("not mended yet", "아직 고치지 못했습니다.")), took, v.Still, v.Of))
	for _, seen := range v.Seen {
		g.print("  " + printable.Text(seen))
	}
	if v.Removed > 0 {
		fmt.Fprintln(g.stdout, "  "+lang.T("something was removed that should work again: removing it is no mend", "다시 동작해야 할 것이 지워졌습니다. 지우는 것은 고치는 것이 아닙니다"))
	}
	if v.Wrong != "" {
		g.print("  " + printable.Text(v.Wrong))
	}
	g.print("  " + lang.Textf("a hint: `%s`; to end it: `%s`", "힌트 보기: `%s`, 끝내기: `%s`", t.Command("fault hint"), t.Command("fault recover")).String())
}
