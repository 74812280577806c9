package main

import (
	"context"

	"github.com/spf13/cobra"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/labs/quiz"
)

func newQuizProveCommand(g *globals) *cobra.Command {
	var all bool
	seed := uint64(1)
	cmd := &cobra.Command{
		Use:   "prove [TOPIC…|--all]",
		Short: lang.T("Prove that quizzes are graded rightly", "퀴즈가 제대로 채점되는지 검증하기"),
		Long: lang.T(
			"Each computed answer must be what kubectl says; the right answer must be graded right,\nand every wrong one wrong, with a reason.",
			"계산한 답이 kubectl의 출력과 같은지, 정답은 정답으로, 오답은 이유와 함께 오답으로\n채점되는지 확인합니다."),
		ValidArgsFunction: completeQuiz,
		RunE: func(c *cobra.Command, args []string) error {
			if all == (len(args) > 0) {
				return g.usage("name the quizzes to prove, or give --all", "검증할 퀴즈를 지정하거나 --all을 쓰세요")
			}
			if all {
				args = quiz.Topics()
			}
			return g.proveQuizzes(c.Context(), args, seed)
		},
	}
	cmd.Flags().BoolVar(&all, "all", false, lang.T("prove every quiz", "모든 퀴즈를 검증"))
	cmd.Flags().Uint64Var(&seed, "seed", seed, lang.T("seed of names, numbers and order", "이름, 숫자, 순서를 정하는 시드"))
	return g.outputFlag(cmd)
}

// proveQuizzes ends with exit code 1 if a question is not as it should be.
func (g *globals) proveQuizzes(ctx context.Context, topics []string, seed uint64) error {
	var quizzes []*quiz.Quiz
	for _, topic := range topics {
		z, err := g.findQuiz(topic)
		if err != nil {
			return err
		}
		quizzes = append(quizzes, z)
	}
	env, ui, err := g.labScreen(ctx)
	if err != nil {
		return err
	}
	for _, z := range quizzes {
		if err := g.agree(env, ui, z.Path, z.Hash, z.Effects()); err != nil {
			return err
		}
	}
	outcomes, broken := []quiz.Outcome{}, 0
	report := func(o quiz.Outcome) {
		outcomes = append(outcomes, o)
		if !o.OK {
			broken++
		}
		if g.output != "json" {
			_ = ui.QuizOutcome(o) // one that can't be printed shows in the exit code all the same
		}
	}
	say := ui.Say
	if g.output == "json" {
		say = func(string) {}
	}
	for _, z := range quizzes {
		if err := quiz.Prove(ctx, env, z, seed, say, report); err != nil {
			return lang.Errorf("proving the quiz %s: %w", "퀴즈 %s 검증: %w", z.Topic, err)
		}
	}
	if g.output == "json" {
		err = g.printJSON(outcomes)
	} else {
		ui.Say(lang.Textf("%d questions, %d broken", "문제 %d개 중 %d개 실패", len(outcomes), broken).String())
	}
	if err == nil && broken > 0 {
		return &exitStatus{exitFailed}
	}
	return err
}
