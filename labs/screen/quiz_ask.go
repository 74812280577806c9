package screen

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/AlecAivazis/survey/v2"
	"github.com/AlecAivazis/survey/v2/terminal"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/internal/printable"
	"noriter.dev/noriter/labs/quiz"
)

// wantsShell is what is typed to open a shell in place of an answer.
const wantsShell = "!"

// lookError asks for the shell; what was marked until then is kept.
type lookError struct{ marked []string }

func (*lookError) Error() string { return "look first" }

// answerTo gets the learner's answer. None means "I don't know". Who comes back from a look
// around is shown the question again.
func (u *UI) answerTo(ctx context.Context, s *quiz.Session, a *quiz.Asked, question []string) ([]string, error) {
	ask := u.askPlainly
	if u.Redraw {
		ask = u.askOnTerminal
	}
	var look *lookError
	var marked []string
	for {
		given, err := ask(ctx, a, marked)
		switch {
		case errors.As(err, &look):
			marked = look.marked
			if err := u.quizShell(ctx, s); err != nil {
				return nil, err
			}
			if err := u.print(question...); err != nil {
				return nil, err
			}
		case errors.Is(err, terminal.InterruptErr), ctx.Err() != nil:
			return nil, ErrLeft
		default:
			return given, err
		}
	}
}

// askOnTerminal asks with survey's prompts.
func (u *UI) askOnTerminal(_ context.Context, a *quiz.Asked, marked []string) ([]string, error) {
	u.prepareSurvey()
	switch a.Question.Kind {
	case quiz.Choice:
		return u.selectOne(a)
	case quiz.Multi:
		return u.selectSome(a, marked)
	}
	for empty := false; ; {
		typed := ""
		prompt := &survey.Input{Message: lang.T("Answer (! opens a shell):", "답 (셸을 열려면 !):")}
		if err := survey.AskOne(prompt, &typed, u.streams()); err != nil {
			return nil, err
		}
		if strings.TrimSpace(typed) == "" && !empty { // an Enter too many is no answer
			empty = true
			u.Say(lang.T("Nothing was typed. Enter again: I don't know.", "입력한 것이 없습니다. 모르면 다시 엔터만 누르세요."))
			continue
		}
		given, ok, err := typedAnswer(a, typed)
		if ok || err != nil {
			return given, err
		}
		u.Say(askAgain(a))
	}
}

// typedAnswer is what a typed line means; ok is false if it must be asked again.
func typedAnswer(a *quiz.Asked, line string) (given []string, ok bool, err error) {
	line = strings.TrimSpace(line)
	switch {
	case line == "":
		return nil, true, nil
	case line == wantsShell:
		return nil, false, &lookError{}
	case !a.Acceptable(line):
		return nil, false, nil
	}
	return []string{line}, true, nil
}

// askAgain says what form the answer must have.
func askAgain(a *quiz.Asked) string {
	if a.Pair() {
		return lang.T("As key=value, please.", "키=값으로 입력하세요.")
	}
	return lang.T("A whole number, please.", "숫자로 입력하세요. 예: 2")
}

func lookLabel() string {
	return lang.T("(look first: open a shell)", "(먼저 살펴보기: 셸 열기)")
}

// selectOne is a choice with the arrow keys.
func (u *UI) selectOne(a *quiz.Asked) ([]string, error) {
	labels, err := u.labels(a, 2)
	if err != nil {
		return nil, err
	}
	var chosen int
	options := append(labels, lookLabel())
	prompt := &survey.Select{Message: lang.T("Answer:", "답:"), Options: options, PageSize: 12, Filter: typed(options)}
	if err := survey.AskOne(prompt, &chosen, u.streams()); err != nil {
		return nil, err
	}
	if chosen == len(labels) {
		return nil, &lookError{}
	}
	return []string{a.Options[chosen]}, nil
}

// selectSome is a choice of several.
func (u *UI) selectSome(a *quiz.Asked, marked []string) ([]string, error) {
	labels, err := u.labels(a, 7)
	if err != nil {
		return nil, err
	}
	var chosen, before []int
	for i, o := range a.Options {
		if slices.Contains(marked, o) {
			before = append(before, i)
		}
	}
	options := append(labels, lookLabel())
	for asked := 1; ; asked++ {
		// A prompt that is asked again clears the lines above it, whatever is on them by then.
		prompt := &survey.MultiSelect{Filter: typed(options), Default: before, Message: lang.T("All that are right:", "모두 고르세요:"), Options: options, PageSize: 12}
		if err := survey.AskOne(prompt, &chosen, u.streams()); err != nil {
			return nil, err
		}
		if len(chosen) > 0 || asked == 2 { // whoever marks nothing twice does not know
			break
		}
		u.Say(lang.T("The space bar marks; mark one or more, then press Enter. Enter again: I don't know.",
			"스페이스로 하나 이상 표시한 뒤 엔터를 누르세요. 모르면 다시 엔터만 누르세요."))
	}
	var given []string
	look := false
	for _, n := range chosen {
		if n == len(labels) {
			look = true
			continue
		}
		given = append(given, a.Options[n])
	}
	if look {
		return nil, &lookError{given}
	}
	return given, nil
}

// typed narrows options down to those with what is typed in them. Where none has it, as with
// a number that is typed by habit, it leaves them all: an empty list says nothing.
func typed(options []string) func(filter, option string, _ int) bool {
	has := func(option, filter string) bool {
		return strings.Contains(strings.ToLower(option), strings.ToLower(filter))
	}
	return func(filter, option string, _ int) bool {
		return has(option, filter) || !slices.ContainsFunc(options, func(o string) bool { return has(o, filter) })
	}
}

// labels are the options as survey shows them, which wraps no lines: where one
// is too long for the terminal all are printed in full before, and shortened
// to their numbers and beginnings.
func (u *UI) labels(a *quiz.Asked, prefix int) ([]string, error) {
	width, _ := u.size()
	room := width - prefix - 1
	if !slices.ContainsFunc(printed(a.Options), func(o string) bool { return cells.StringWidth(o) > room }) {
		return printed(a.Options), nil
	}
	if err := u.print(append(u.numbered(a.Options, width), "")...); err != nil {
		return nil, err
	}
	labels := make([]string, len(a.Options))
	for i, o := range a.Options {
		labels[i] = cells.Truncate(fmt.Sprintf("%d) %s", i+1, printable.Text(o)), room, "…")
	}
	return labels, nil
}

func (u *UI) numbered(options []string, width int) []string {
	var lines []string
	for i, o := range options {
		lines = append(lines, indent(wrapText(o, width-4, nil), fmt.Sprintf("%2d) ", i+1), "    ")...)
	}
	return lines
}

// askPlainly prints the options and reads a line.
func (u *UI) askPlainly(ctx context.Context, a *quiz.Asked, _ []string) ([]string, error) {
	width, _ := u.size()
	lines := u.numbered(a.Options, width)
	how := map[string]string{
		quiz.Choice: lang.T("One number.", "번호 하나를 입력하세요."),
		quiz.Multi:  lang.T("All numbers that are right, such as 1,3.", "맞는 번호를 모두 입력하세요. 예: 1,3"),
		quiz.Number: lang.T("A number.", "숫자를 입력하세요."),
		quiz.Text:   lang.T("A word.", "답을 입력하세요."),
	}[a.Question.Kind]
	how += lang.T(" Enter alone: I don't know. !: a shell to look.", " 그냥 엔터: 모름. !: 셸에서 살펴보기")
	if err := u.print(append(lines, wrapText(how, width, u.faint)...)...); err != nil {
		return nil, err
	}
	in := &lineReader{u.In}
	for {
		var got answer
		select {
		case <-ctx.Done():
			return nil, ErrLeft
		case got = <-in.next():
		}
		if errors.Is(got.err, io.EOF) {
			return nil, ErrLeft
		}
		if got.err != nil {
			return nil, fmt.Errorf("reading the answer: %w", got.err)
		}
		given, ok, err := plainAnswer(a, got.line)
		if ok || err != nil {
			return given, err
		}
		retry := askAgain(a)
		if len(a.Options) > 0 {
			retry = lang.T("please give one of the numbers", "번호 중 하나를 입력하세요")
		}
		if err := u.print(retry); err != nil {
			return nil, err
		}
	}
}

// plainAnswer is what a line means where options have numbers.
func plainAnswer(a *quiz.Asked, line string) (given []string, ok bool, err error) {
	given, ok, err = typedAnswer(a, line)
	if len(a.Options) == 0 || len(given) == 0 {
		return given, ok, err
	}
	numbers := strings.FieldsFunc(line, func(r rune) bool { return strings.ContainsRune(", ;\t\r", r) })
	given = nil
	for _, field := range numbers {
		n, err := strconv.Atoi(field)
		if err != nil || n < 1 || n > len(a.Options) {
			return nil, false, nil
		}
		if !slices.Contains(given, a.Options[n-1]) {
			given = append(given, a.Options[n-1])
		}
	}
	return given, len(given) > 0 && (a.Question.Kind == quiz.Multi || len(given) == 1), nil
}
