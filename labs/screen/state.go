package screen

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/labs/check"
	"noriter.dev/noriter/labs/format"
	"noriter.dev/noriter/labs/progress"
	"noriter.dev/noriter/labs/run"
)

// title is the line above everything: lab, step, points.
func (u *UI) title(s *run.Session, step *format.Step, state *progress.Lab, width int) []string {
	points, most := run.Score(s.Lab, state)
	left := fmt.Sprintf("%s | %s", s.Lab.Title.String(), lang.T(
		fmt.Sprintf("step %d of %d", s.Lab.Index(step.ID)+1, len(s.Lab.Steps)),
		fmt.Sprintf("%d단계 / %d단계", s.Lab.Index(step.ID)+1, len(s.Lab.Steps))))
	right := lang.T(fmt.Sprintf("%d of %d points", points, most), fmt.Sprintf("%d점 / %d점", points, most))
	gap := max(width-cells.StringWidth(left)-cells.StringWidth(right), 1)
	return []string{u.bold(left) + strings.Repeat(" ", gap) + right, strings.Repeat("-", width)}
}

// stepText is the text of the open step.
func (u *UI) stepText(ctx context.Context, s *run.Session, width int) ([]string, error) {
	step, state, err := s.Step()
	if err != nil {
		return nil, err
	}
	section := s.Prose().Sections[step.ID]
	text, err := s.Render(ctx, section.Text, state)
	if err != nil {
		return nil, err
	}
	lines := u.title(s, step, state, width)
	if s.Lab.Index(step.ID) == 0 {
		intro, err := s.Render(ctx, s.Prose().Intro, state)
		if err != nil {
			return nil, err
		}
		lines = append(append(lines, u.markdown(intro, width)...), "")
	}
	lines = append(lines, wrapText(section.Heading, width, u.bold)...)
	lines = append(append(lines, ""), u.markdown(text, width)...)
	if namesTerminal.MatchString(text) {
		lines = append(append(lines, ""), u.markdown(lang.Textf(
			"(Another terminal knows nothing of your testbed yet. Open a shell there with `%s shell`: kubectl, `step`, `hint` and `status` work in it.)",
			"(다른 터미널은 아직 여러분의 테스트베드를 모릅니다. 그곳에서 `%s shell`을 실행하면 kubectl과 이 실습의 `step`, `hint`, `status`를 쓸 수 있는 셸이 열립니다.)", u.Command).String(), width)...)
	}
	return lines, nil
}

// stepAndHints is the text of the open step, and below it the hints that were paid for.
func (u *UI) stepAndHints(ctx context.Context, s *run.Session, width int) ([]string, error) {
	text, err := u.stepText(ctx, s, width)
	if err != nil {
		return nil, err
	}
	return append(text, u.taken(ctx, s, width)...), nil
}

// namesTerminal finds that a step's text asks for a terminal besides the lab's own.
var namesTerminal = regexp.MustCompile(`(another|second|one) terminal|(다른|한|두 번째) 터미널`)

// results lays out the checks of a step; detail shows all that is known.
func (u *UI) results(up run.Update, width int, detail bool) []string {
	var out []string
	for _, r := range up.Results {
		out = append(out, u.result(r, width, detail)...)
	}
	return out
}

func (u *UI) result(r check.Result, width int, detail bool) []string {
	item := func(mark, text string, style func(string) string) []string {
		return indent(wrapText(text, width-4, nil), style(mark)+" ", "    ")
	}
	note := func(label, text string) []string {
		if text == "" {
			return nil
		}
		return indent(wrapText(label+": "+text, width-6, u.faint), "      ", "      ")
	}
	switch r.State {
	case check.Holds:
		return item("[v]", r.Fact, u.green)
	case check.Acting:
		return item("[.]", r.Expected, u.yellow)
	case check.Waiting:
		return item("[ ]", r.Expected, u.faint)
	case check.Later:
		return append(item("[-]", r.Expected, u.faint), indent(wrapText(r.Why, width-6, u.faint), "      ", "      ")...)
	case check.Unknown:
		return append(item("[?]", r.Expected, u.yellow), note(lang.T("can't look", "볼 수 없음"), r.Found)...)
	}
	out := item("[ ]", r.Expected, u.red)
	// Where the lab has an explanation that is the answer. What the expression came to is
	// for authors: `lab prove` tells them.
	if r.Why == "" || detail && r.Found != "" {
		out = append(out, note(lang.T("found", "지금"), cmp.Or(r.Found, lang.T("not so yet", "아직 아닙니다")))...)
	}
	return append(out, note(lang.T("why", "이유"), r.Why)...)
}

// hasDetail tells whether something was found that isn't shown without being asked for.
func hasDetail(up run.Update) bool {
	return slices.ContainsFunc(up.Results, func(r check.Result) bool {
		return r.State == check.Fails && r.Why != "" && r.Found != ""
	})
}

func noDetail() string {
	return lang.T("There is nothing more to tell than what stands there.", "위에 적힌 것 말고 더 알려 드릴 것은 없습니다.")
}

// passed lays out what a step that has passed brought.
func (u *UI) passed(up run.Update, points int, width int) []string {
	text := lang.T(fmt.Sprintf("Passed! %d points.", points), fmt.Sprintf("통과했습니다! %d점을 얻었습니다.", points))
	return append(u.results(up, width, false), "", u.green(u.bold(text)))
}

// End prints the closing screen: what was learnt, where its source is, and
// the score.
func (u *UI) End(ctx context.Context, s *run.Session) error {
	state, err := s.State()
	if err != nil {
		return err
	}
	width, _ := u.size()
	section := s.Prose().Sections[format.End]
	text, err := s.Render(ctx, section.Text, state)
	if err != nil {
		return err
	}
	lines := []string{"", u.bold(section.Heading), strings.Repeat("-", width)}
	lines = append(lines, u.markdown(text, width)...)
	lines = append(lines, "", u.bold(lang.T("What you learnt", "배운 것")))
	for _, l := range s.Lab.Learnt {
		lines = append(lines, indent(wrapText(l.String(), width-2, nil), "- ", "  ")...)
	}
	lines = append(lines, "", u.bold(lang.T("The source that did it", "실제로 동작한 소스 코드")))
	for _, src := range s.Lab.Sources {
		lines = append(lines, indent(wrapText(sourceLine(&src), width-2, nil), "- ", "  ")...)
	}
	points, most := run.Score(s.Lab, state)
	score := lang.T(fmt.Sprintf("%d of %d points", points, most), fmt.Sprintf("%d점 / %d점", points, most))
	if best, ok := state.Best(); ok && best > points {
		score += lang.T(fmt.Sprintf(" (your best: %d points)", best), fmt.Sprintf(" (최고 기록: %d점)", best))
	}
	lines = append(lines, "", u.green(u.bold(score)))
	lines = append(lines, wrapText(lang.T(
		fmt.Sprintf("kubectl is back in the namespace default. %s clears the lab away and lets you do it again.", u.Offer("lab reset "+s.Lab.Word())),
		fmt.Sprintf("kubectl은 다시 default 네임스페이스를 가리킵니다. %s 명령으로 실습을 치우고 처음부터 다시 할 수 있습니다.", u.Offer("lab reset "+s.Lab.Word()))), width, u.faint)...)
	return u.print(append(lines, u.offerQuiz(s.Lab.ID, width)...)...)
}

// sourceLine is a source with the function, if one is named: "FILE:LINE sync: …".
func sourceLine(s *format.Source) string {
	place := s.Place()
	if s.Func != "" {
		place += " " + s.Func
	}
	return place + ": " + s.What.String()
}

// print writes lines. A pipe that nobody reads any more is the caller's affair.
func (u *UI) print(lines ...string) error {
	_, err := fmt.Fprintln(u.Out, strings.Join(u.shown(lines), "\n"))
	return err
}

// patience is how long a watch may take to end before it is told why.
const patience = 300 * time.Millisecond

// putBack waits until a watch has ended. One that is trying something out (it
// may have switched a machine off) puts that back first, and the program must
// not be gone by then.
func (u *UI) putBack(watched <-chan struct{}) {
	select {
	case <-watched:
		return
	case <-time.After(patience):
	}
	u.Say(lang.T("A moment, please: what the lab has tried out is being put back.", "잠시만 기다려 주세요. 실습이 시험해 본 것을 되돌리는 중입니다."))
	<-watched
}

// Leaving is what is said when a learner goes before the end.
func (u *UI) Leaving(s *run.Session) error {
	width, _ := u.size()
	start, look, stop := u.Offer("lab start "+s.Lab.Word()), u.Offer("lab status"), u.Offer("lab stop")
	text := lang.T(
		fmt.Sprintf("Your progress is kept. %s goes on here, %s looks how far you are. kubectl stays in the namespace %s until %s.", start, look, s.Namespace, stop),
		fmt.Sprintf("진행 상황을 저장했습니다. %s 명령으로 이어서 하고, %s 명령으로 어디까지 했는지 볼 수 있습니다. %[4]s 명령을 실행할 때까지 kubectl은 네임스페이스 %[3]s을(를) 가리킵니다.", start, look, s.Namespace, stop))
	return u.print(append([]string{""}, wrapText(text, width, nil)...)...)
}

// Offer is a command of ours in a text, on one line where it fits.
func (u *UI) Offer(command string) string { return unbroken("`" + u.Command + " " + command + "`") }

// advance opens the next step. reopened is set when a step that must hold
// until the end has to be mended first.
func advance(ctx context.Context, s *run.Session) (done, reopened bool, err error) {
	done, err = s.Advance(ctx)
	if errors.Is(err, run.ErrReopened) {
		return false, true, nil
	}
	return done, false, err
}

// Reopened says that.
func (u *UI) Reopened() { u.Say(reopenedText()) }

func reopenedText() string {
	return lang.T("Almost at the end. But what this step brought must hold until then, and now it does not: mend it, and the lab is done.",
		"거의 다 됐습니다. 다만 이 단계의 결과는 실습이 끝날 때까지 유지되어야 하는데, 지금은 그렇지 않습니다. 고치면 실습이 끝납니다.")
}
