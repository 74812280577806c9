package screen

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/labs/progress"
	"noriter.dev/noriter/labs/quiz"
)

// Quiz leads through a quiz until it is finished (nil) or left (ErrLeft). Its
// world is taken away at the end, however that comes.
func (u *UI) Quiz(ctx context.Context, s *quiz.Session) error {
	err := u.quiz(ctx, s)
	if gone := s.Env.Gone; err != nil && gone != nil && gone() {
		u.Say("\n" + testbedGone(s.Env)) // of that alone its cluster did not answer
		return ErrLeft
	}
	return err
}

func (u *UI) quiz(ctx context.Context, s *quiz.Session) (err error) {
	defer func() { err = errors.Join(err, s.Close(ctx)) }()
	resumed, err := s.Start(ctx, u.Say)
	if err == nil {
		err = u.questions(ctx, s, resumed)
	}
	if err != nil && (errors.Is(err, ErrLeft) || ctx.Err() != nil) {
		width, _ := u.size()
		text := lang.T("Your answers are kept: `"+u.Command+" quiz "+s.Quiz.Word()+"` goes on here.",
			"답한 것은 저장했습니다. `"+u.Command+" quiz "+s.Quiz.Word()+"` 명령으로 이어서 할 수 있습니다.")
		return errors.Join(u.print(append([]string{""}, u.markdown(text, width)...)...), ErrLeft)
	}
	return err
}

func (u *UI) questions(ctx context.Context, s *quiz.Session, resumed int) error {
	if err := u.quizIntro(s, resumed); err != nil {
		return err
	}
	for {
		a, number, err := s.Next(ctx, u.Say)
		if err != nil {
			return err
		}
		if a == nil {
			return u.quizEnd(s)
		}
		if err := u.question(ctx, s, a, number); err != nil {
			return err
		}
	}
}

// question asks one question and says what came of it.
func (u *UI) question(ctx context.Context, s *quiz.Session, a *quiz.Asked, number int) error {
	width, _ := u.size()
	head := lang.T(fmt.Sprintf("Question %d of %d", number, len(s.Quiz.Questions)), fmt.Sprintf("문제 %d / %d", number, len(s.Quiz.Questions)))
	lines := append([]string{"", u.bold(head), strings.Repeat("-", width)}, u.markdown(a.Text, width)...)
	lines = append(lines, "")
	if err := u.print(lines...); err != nil {
		return err
	}
	given, err := u.answerTo(ctx, s, a, lines)
	if err != nil {
		return err
	}
	verdict, err := s.Answer(ctx, a, given)
	if err != nil {
		return err
	}
	return u.print(u.verdict(a, given, verdict, width)...)
}

func (u *UI) quizIntro(s *quiz.Session, resumed int) error {
	width, _ := u.size()
	total := len(s.Quiz.Questions)
	lines := []string{"", u.bold(lang.T("Quiz: ", "퀴즈: ") + s.Quiz.Title.String()), strings.Repeat("-", width)}
	text := lang.T(
		fmt.Sprintf("%d questions. Many are about **your** cluster: their answers are in the namespace `%s`, which goes away when you leave. Look with kubectl in another terminal, or open a shell from here.", total, s.Namespace),
		fmt.Sprintf("모두 %d문제입니다. 문제 가운데 상당수는 **여러분의** 클러스터를 살펴보아야 풀 수 있고, 답은 네임스페이스 `%s`에 있습니다. 퀴즈를 나가면 이 네임스페이스는 사라집니다. 다른 터미널에서 kubectl로 살펴보거나 여기에서 셸을 여세요.", total, s.Namespace))
	lines = append(lines, u.markdown(text, width)...)
	lines = append(lines, "", "    "+u.cyan("kubectl get all,ingress -n "+s.Namespace))
	if resumed > 0 {
		lines = append(lines, "", lang.T(fmt.Sprintf("You go on where you left: %d questions done.", resumed), fmt.Sprintf("지난번에 이어서 합니다. %d문제를 마쳤습니다.", resumed)))
	}
	return u.print(lines...)
}

// verdict lays out what came of an answer, and why.
func (u *UI) verdict(a *quiz.Asked, given []string, v quiz.Verdict, width int) []string {
	item := func(first, text string) []string {
		return indent(u.markdown(text, width-4), first, "    ")
	}
	lines := []string{""}
	if len(given) > 0 {
		lines = append(lines, wrapText(lang.T("Your answer: ", "내 답: ")+strings.Join(given, ", "), width, u.faint)...)
	}
	switch {
	case v.Right:
		lines = append(lines, item(u.green("[v]")+" ", u.emphasis(lang.T("Right!", "맞았습니다!")))...)
	case len(given) == 0:
		lines = append(lines, item("[ ] ", lang.T("No answer.", "답하지 않았습니다."))...)
	case len(v.Notes) == 0:
		lines = append(lines, item(u.red("[x]")+" ", u.emphasis(lang.T("That is right, but not all of it.", "맞지만, 그것이 전부는 아닙니다.")))...)
	default:
		lines = append(lines, item(u.red("[x]")+" ", u.emphasis(lang.T("Not right.", "틀렸습니다.")))...)
	}
	for _, n := range v.Notes {
		if n.Why == "" {
			continue
		}
		text := n.Why
		if len(given) > 1 {
			text = "**" + n.Given + "**: " + text
		}
		lines = append(lines, indent(u.markdown(text, width-4), "    ", "    ")...)
	}
	if !v.Right {
		lines = append(lines, indent(u.markdown(rightAnswer(a), width-4), "    ", "    ")...)
	}
	lines = append(lines, indent(u.markdown(a.Explain, width-4), "    ", "    ")...)
	if a.See != "" {
		lines = append(lines, "    "+lang.T("See for yourself:", "직접 확인해 보세요."), "    "+u.cyan(a.See))
	}
	return lines
}

func (u *UI) emphasis(text string) string { return "**" + text + "**" }

// rightAnswer says what would have been right.
func rightAnswer(a *quiz.Asked) string {
	right := strings.Join(a.Right, ", ")
	if a.Question.Kind == quiz.Text && len(a.Right) > 1 {
		right = strings.Join(a.Right, lang.T(" or ", " 또는 "))
	}
	return lang.T("The answer: ", "정답: ") + "**" + right + "**"
}

// offerQuiz says at the end of a lab that there is a quiz on it.
func (u *UI) offerQuiz(topic string, width int) []string {
	if !slices.Contains(quiz.Topics(), topic) {
		return nil
	}
	return u.markdown(lang.T("How much of it stayed? `"+u.Command+" quiz "+topic+"` asks.",
		"얼마나 기억에 남았을까요? `"+u.Command+" quiz "+topic+"`로 확인해 보세요."), width)
}

// quizEnd closes the attempt and shows the score.
func (u *UI) quizEnd(s *quiz.Session) error {
	done, best, err := s.Finish()
	if err != nil {
		return err
	}
	width, _ := u.size()
	right, asked := done.Score()
	score := lang.T(fmt.Sprintf("%d of %d right.", right, asked), fmt.Sprintf("%d문제 중 %d문제를 맞혔습니다.", asked, right))
	lines := []string{"", strings.Repeat("-", width), u.green(u.bold(score))}
	if best != nil {
		r, of := best.Score()
		lines = append(lines, lang.T(fmt.Sprintf("Your best so far: %d of %d right.", r, of), fmt.Sprintf("지금까지 최고 기록: %d문제 중 %d문제", of, r)))
	}
	wrong, unanswered := missedNumbers(s.Quiz, &done)
	if wrong != "" {
		lines = append(lines, lang.T("Not right: ", "틀린 문제: ")+wrong)
	}
	if unanswered != "" {
		lines = append(lines, lang.T("Not answered: ", "답하지 않은 문제: ")+unanswered)
	}
	if wrong+unanswered != "" {
		lines = append(lines, u.markdown(lang.T(fmt.Sprintf("To practise once more: `%s lab start %s`, and to read: `%[1]s cheat %[2]s`.", u.Command, s.Quiz.Topic),
			fmt.Sprintf("다시 연습하려면 `%s lab start %s`, 읽어 보려면 `%[1]s cheat %[2]s` 명령을 쓰세요.", u.Command, s.Quiz.Topic)), width)...)
	}
	lines = append(lines, u.markdown(lang.T(
		fmt.Sprintf("The next time names and numbers will differ; `--seed %d` asks the same again.", done.Seed),
		fmt.Sprintf("다음에는 이름과 숫자가 달라집니다. 같은 문제를 다시 풀려면 `--seed %d` 옵션을 붙이세요.", done.Seed)), width)...)
	return u.print(lines...)
}

// questions names some by their numbers.
func questions(numbers []string) string {
	list := strings.Join(numbers, ", ")
	switch len(numbers) {
	case 0:
		return ""
	case 1:
		return lang.T("question "+list, list)
	}
	return lang.T("questions "+list, list)
}

// missedNumbers lists the questions that were answered wrongly, and those that weren't.
func missedNumbers(z *quiz.Quiz, a *progress.QuizAttempt) (wrong, unanswered string) {
	var lists [2][]string
	for i := range z.Questions {
		for _, answer := range a.Answers {
			if answer.Question != z.Questions[i].ID || answer.Right || answer.Skipped != "" {
				continue
			}
			to := &lists[0]
			if len(answer.Given) == 0 {
				to = &lists[1]
			}
			*to = append(*to, lang.T(fmt.Sprint(i+1), fmt.Sprintf("%d번", i+1)))
		}
	}
	return questions(lists[0]), questions(lists[1])
}
