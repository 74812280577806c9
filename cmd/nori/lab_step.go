package main

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/labs/check"
	"noriter.dev/noriter/labs/progress"
	"noriter.dev/noriter/labs/run"
	"noriter.dev/noriter/labs/screen"
)

// labCommand is a command on the lab that is named, or open.
func (g *globals) labCommand(use, en, ko string, do func(context.Context, *run.Session, *screen.UI) error) *cobra.Command {
	return &cobra.Command{
		Use: use + " [LAB]", Short: lang.T(en, ko), Args: cobra.MaximumNArgs(1), ValidArgsFunction: completeLab,
		RunE: func(c *cobra.Command, args []string) error {
			s, ui, err := g.openLab(c.Context(), args, use != "stop")
			if err != nil {
				return err
			}
			err = do(c.Context(), s, ui)
			if errors.Is(err, run.ErrNotStarted) {
				return lang.Errorf("%w; `%s lab start %s` does", "%w. `%s lab start %s`(으)로 시작하세요", err, ui.Command, s.Lab.Word())
			}
			return err
		},
	}
}

// labStatus is `status -o json`.
type labStatus struct {
	Lab     string         `json:"lab"`
	Phase   progress.Phase `json:"phase"`
	Step    string         `json:"step"`
	Number  int            `json:"number"`
	Steps   int            `json:"steps"`
	Passed  bool           `json:"passed"`
	Points  int            `json:"points"`
	Max     int            `json:"max"`
	Results []check.Result `json:"results"`
	Hints   []string       `json:"hints"`
	Damage  []string       `json:"damage"`
}

func newLabStatusCommand(g *globals) *cobra.Command {
	return g.outputFlag(g.labCommand("status", "Look how far you are, and what is missing", "어디까지 했고 무엇이 남았는지 보기",
		func(ctx context.Context, s *run.Session, ui *screen.UI) error {
			up, err := s.Look(ctx)
			if err != nil {
				return err
			}
			if g.output != "json" {
				return ui.Status(ctx, s, up)
			}
			state, err := s.State()
			if err != nil {
				return err
			}
			out := labStatus{Lab: s.Lab.ID, Phase: state.Phase, Step: up.Step.ID, Number: s.Lab.Index(up.Step.ID) + 1,
				Steps: len(s.Lab.Steps), Passed: up.Passed, Results: up.Results,
				Hints: append([]string{}, up.Hints...), Damage: append([]string{}, up.Damage...)}
			out.Points, out.Max = run.Score(s.Lab, state)
			return g.printJSON(out)
		}))
}

func newLabHintCommand(g *globals) *cobra.Command {
	return g.labCommand("hint", "Get the next hint (it costs points)", "다음 힌트 보기 (점수가 깎임)",
		func(ctx context.Context, s *run.Session, ui *screen.UI) error {
			hints, err := s.Hint(ctx)
			if err != nil {
				return err
			}
			if len(hints) == 0 {
				ui.Say(lang.Textf("There are no more hints for this step; `%s lab solve` shows and types its solution.",
					"이 단계에는 힌트가 더 없습니다. `%s lab solve`가 풀이를 보여 주고 실행합니다.", ui.Command).String())
				return nil
			}
			return ui.Hint(s, hints, ui.Offer("lab hint"))
		})
}

func newLabStepCommand(g *globals) *cobra.Command {
	return g.labCommand("step", "Show the open step again", "지금 단계를 다시 보기",
		func(ctx context.Context, s *run.Session, ui *screen.UI) error {
			if err := s.Remember(ctx); err != nil {
				return err
			}
			return ui.Step(ctx, s)
		})
}

func newLabNextCommand(g *globals) *cobra.Command {
	return g.labCommand("next", "Go on to the next step, once this one has passed", "이 단계를 통과했으면 다음 단계로 가기", nextStep)
}

// nextStep opens the next step and prints it; a step that has not passed is
// looked at once more, and shown if it still doesn't.
func nextStep(ctx context.Context, s *run.Session, ui *screen.UI) error {
	up, err := s.Look(ctx)
	if err != nil {
		return err
	}
	if !up.Passed {
		return errors.Join(ui.Status(ctx, s, up), &exitStatus{exitFailed})
	}
	done, err := s.Advance(ctx)
	switch {
	case errors.Is(err, run.ErrReopened):
		ui.Reopened()
	case err != nil:
		return err
	case done:
		return ui.End(ctx, s)
	}
	if err := s.Remember(ctx); err != nil {
		return err
	}
	return ui.Step(ctx, s)
}

func newLabSolveCommand(g *globals) *cobra.Command {
	return g.labCommand("solve", "Show and type the solution of this step (no points for it)", "이 단계의 풀이를 보여 주고 실행하기 (점수 없음)",
		func(ctx context.Context, s *run.Session, ui *screen.UI) error {
			script, err := s.Solution()
			if err != nil {
				return err
			}
			if err := ui.Script(script); err != nil {
				return err
			}
			var up run.Update
			if err := s.Solve(ctx, func(u run.Update) { up = u }); err != nil {
				return err
			}
			if !up.Passed { // a screen or shell that watches may have opened the next step already
				if up, err = s.Look(ctx); err != nil {
					return err
				}
			}
			return ui.Status(ctx, s, up)
		})
}

// lostByReset says what a reset takes away.
func lostByReset(s *run.Session) string {
	if len(s.Lab.Effects().Machines) > 0 {
		return lang.Textf("Everything in the namespace %s goes, and what the lab has to do with on the machines (its files, images, labels).",
			"네임스페이스 %s의 모든 것과, 머신에서 이 실습과 관련된 것(파일, 이미지, 레이블)이 지워집니다.", s.Namespace).String()
	}
	return lang.Textf("Everything in the namespace %s goes.", "네임스페이스 %s의 모든 것이 지워집니다.", s.Namespace).String()
}

func newLabResetCommand(g *globals) *cobra.Command {
	var step bool
	cmd := g.labCommand("reset", "Put a lab back to its beginning; the scores are kept", "실습을 처음 상태로 되돌리기 (점수 기록은 남음)",
		func(ctx context.Context, s *run.Session, ui *screen.UI) error {
			if state, err := s.State(); step && err == nil && state.Phase == progress.Done {
				return g.usage("the lab %[1]s is finished, and has no open step; `%[2]s lab reset %[1]s` begins it anew",
					"실습 %[1]s은(는) 이미 끝나서 진행 중인 단계가 없습니다. `%[2]s lab reset %[1]s`(으)로 새로 시작할 수 있습니다", s.Lab.Word(), ui.Command)
			}
			question := lang.Text{EN: "Put the lab back to its beginning?", KO: "실습을 처음 상태로 되돌릴까요?"}
			if step {
				question = lang.Text{EN: "Build the lab again up to the open step?", KO: "지금 단계까지 실습을 다시 만들까요?"}
			}
			ui.Say(lostByReset(s))
			yes, err := ui.Confirm(question.String())
			if err != nil || !yes {
				return err
			}
			if err := s.Requirements(ctx); err != nil {
				return err
			}
			goOn := ui.Offer("lab start " + s.Lab.Word())
			if step {
				if err := s.ResetStep(sayWaits(ctx, ui.Say), ui.Say); err != nil {
					return err
				}
				ui.Say(lang.Textf("The open step is back at its beginning; what you had passed is kept. To go on: %s",
					"지금 단계를 처음 상태로 되돌렸습니다. 통과한 단계는 그대로입니다. 이어서 하려면: %s", goOn).String())
				return nil
			}
			if err := s.Reset(sayWaits(ctx, ui.Say), ui.Say); err != nil {
				return err
			}
			ui.Say(lang.Textf("The lab is back at its beginning. To start it: %s", "실습을 처음 상태로 되돌렸습니다. 시작하려면: %s", goOn).String())
			return nil
		})
	cmd.Flags().BoolVar(&step, "step", false, lang.T("only the open step: the lab is built again up to it, and what was passed is kept",
		"지금 단계만: 여기까지 실습을 다시 만들고, 통과한 단계는 유지"))
	return cmd
}

func newLabStopCommand(g *globals) *cobra.Command {
	return g.labCommand("stop", "Close the lab: the progress stays, kubectl goes back to its default namespace",
		"실습 닫기 (진행 상황은 남고, kubectl은 기본 네임스페이스로 돌아감)",
		func(_ context.Context, s *run.Session, ui *screen.UI) error {
			if err := s.Leave(); err != nil {
				return err
			}
			ui.Say(lang.Textf("Closed. %s goes on where you were.", "실습을 닫았습니다. %s 명령으로 이어서 할 수 있습니다.", ui.Offer("lab start "+s.Lab.Word())).String())
			return nil
		})
}
