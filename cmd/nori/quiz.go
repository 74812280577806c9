package main

import (
	"context"
	"errors"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/labs"
	"noriter.dev/noriter/labs/quiz"
	"noriter.dev/noriter/labs/run"
	"noriter.dev/noriter/labs/screen"
)

func newQuizCommand(g *globals) *cobra.Command {
	var seed uint64
	cmd := &cobra.Command{
		Use:   "quiz [TOPIC]",
		Short: lang.T("Answer questions about your own cluster", "내 클러스터에 대한 문제 풀기"),
		Long: lang.T(
			"A quiz makes a small world in a namespace of its own and asks about it. Names and\n"+
				"numbers are others each time; what you answered is kept if you leave.",
			"퀴즈는 따로 만든 네임스페이스에 작은 환경을 꾸미고 그것에 대해 묻습니다. 이름과 숫자는\n"+
				"매번 다르고, 도중에 나가도 답한 것은 남습니다."),
		Args: cobra.MaximumNArgs(1), ValidArgsFunction: completeQuiz,
		RunE: func(c *cobra.Command, args []string) error { return g.takeQuiz(c.Context(), args, seed) },
	}
	cmd.Flags().Uint64Var(&seed, "seed", 0, lang.T("begin anew with this seed: the same seed makes the same questions", "이 시드로 새로 시작: 시드가 같으면 문제도 같음"))
	g.trustFlag(cmd)
	cmd.AddCommand(newQuizListCommand(g), newQuizHistoryCommand(g), newQuizProveCommand(g))
	return cmd
}

// completeQuiz offers the topics to shell completion.
func completeQuiz(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return quiz.Topics(), cobra.ShellCompDirectiveNoFileComp
}

// findQuiz finds a quiz by its topic, or by its path: ./my-quiz.
func (g *globals) findQuiz(topic string) (*quiz.Quiz, error) {
	if strings.ContainsRune(topic, filepath.Separator) {
		return quizAt(topic)
	}
	z, err := quiz.Find(topic)
	if z != nil || err != nil {
		return z, err
	}
	topics := strings.Join(quiz.Topics(), ", ")
	return nil, g.usage("there is no quiz on %q; there are: %s", "%q에 대한 퀴즈는 없습니다. 있는 퀴즈: %s", topic, topics)
}

// takeQuiz asks the quiz that is named, or chosen from the list.
func (g *globals) takeQuiz(ctx context.Context, args []string, seed uint64) error {
	if len(args) > 0 { // a wrong name is said before the testbed is looked for
		if _, err := g.findQuiz(args[0]); err != nil {
			return err
		}
	}
	env, ui, err := g.labScreen(ctx)
	if err != nil {
		return err
	}
	z, err := g.chooseQuiz(env, ui, args)
	if err != nil {
		return err
	}
	if err := g.agree(env, ui, z.Path, z.Hash, z.Effects()); err != nil {
		return err
	}
	return playQuiz(ctx, env, ui, z, seed)
}

func playQuiz(ctx context.Context, env *labs.Env, ui *screen.UI, z *quiz.Quiz, seed uint64) error {
	s, err := quiz.New(env, z)
	if err != nil {
		return err
	}
	s.Seed = seed
	if err := ui.Quiz(ctx, s); !errors.Is(err, screen.ErrLeft) {
		return err
	}
	return nil
}

// offerQuiz asks at the end of a lab whether to go on with its quiz. Where
// nobody can be asked, the end screen has named the command.
func offerQuiz(ctx context.Context, env *labs.Env, ui *screen.UI, lab string) error {
	z, err := quiz.Find(lab)
	if z == nil || err != nil || !ui.Redraw {
		return err
	}
	yes, err := ui.Confirm(lang.T("Take the quiz now?", "지금 퀴즈를 풀어 볼까요?"))
	if err != nil || !yes {
		return err
	}
	return playQuiz(ctx, env, ui, z, 0)
}

func (g *globals) chooseQuiz(env *labs.Env, ui *screen.UI, args []string) (*quiz.Quiz, error) {
	if len(args) > 0 {
		return g.findQuiz(args[0])
	}
	all, err := quiz.All()
	if err != nil {
		return nil, err
	}
	state, err := run.StoreFor(env).Load()
	if err != nil {
		return nil, err
	}
	n, err := g.choose(ui, lang.T("Which quiz?", "어떤 퀴즈를 풀까요?"), labelsOf(screen.QuizEntries(all, state)),
		"name a topic: nori quiz TOPIC", "주제를 지정하세요: nori quiz TOPIC")
	if err != nil {
		return nil, err
	}
	return all[n], nil
}

// quizzes lists the quizzes, with the scores where a testbed has any.
func (g *globals) quizzes(ctx context.Context, topics []string) (*screen.UI, []screen.QuizEntry, error) {
	all, err := quiz.All()
	if err != nil {
		return nil, nil, err
	}
	if len(topics) > 0 {
		z, err := g.findQuiz(topics[0])
		if err != nil {
			return nil, nil, err
		}
		all = []*quiz.Quiz{z}
	}
	ui, state, err := g.screenWithProgress(ctx, "Your scores aren't shown:", "점수는 표시하지 않습니다:")
	if err != nil {
		return nil, nil, err
	}
	return ui, screen.QuizEntries(all, state), nil
}

func newQuizListCommand(g *globals) *cobra.Command {
	return g.outputFlag(&cobra.Command{
		Use: "list", Short: lang.T("List the quizzes and your scores", "퀴즈 목록과 점수 보기"), Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			ui, entries, err := g.quizzes(c.Context(), nil)
			switch {
			case err != nil:
				return err
			case g.output == "json":
				return g.printJSON(entries)
			}
			return ui.Quizzes(entries)
		},
	})
}

func newQuizHistoryCommand(g *globals) *cobra.Command {
	return g.outputFlag(&cobra.Command{
		Use: "history [TOPIC]", Short: lang.T("Show every attempt and what was not right", "지금까지의 기록과 틀린 문제 보기"),
		Args: cobra.MaximumNArgs(1), ValidArgsFunction: completeQuiz,
		RunE: func(c *cobra.Command, args []string) error {
			ui, entries, err := g.quizzes(c.Context(), args)
			switch {
			case err != nil:
				return err
			case g.output == "json":
				return g.printJSON(entries)
			}
			return ui.QuizHistory(entries)
		},
	})
}
