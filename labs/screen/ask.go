package screen

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"github.com/AlecAivazis/survey/v2"
	"github.com/AlecAivazis/survey/v2/terminal"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/internal/printable"
)

// ErrNoAnswer means that nobody was there to choose.
var ErrNoAnswer = errors.New("nothing was chosen")

// Choose lets the learner pick one of several labels: with the arrow keys on
// a terminal, by number elsewhere.
func (u *UI) Choose(question string, labels []string) (int, error) {
	labels = printed(labels)
	if u.Redraw {
		u.prepareSurvey()
		var chosen int
		err := survey.AskOne(&survey.Select{Message: printable.Text(question), Options: labels, PageSize: 12}, &chosen, u.streams())
		if errors.Is(err, terminal.InterruptErr) {
			return 0, ErrNoAnswer
		}
		return chosen, err
	}
	lines := []string{question}
	for i, l := range labels {
		lines = append(lines, fmt.Sprintf("%2d) %s", i+1, l))
	}
	if err := u.print(lines...); err != nil {
		return 0, err
	}
	in := &lineReader{u.In}
	for {
		a := <-in.next()
		if errors.Is(a.err, io.EOF) {
			return 0, ErrNoAnswer
		}
		if a.err != nil {
			return 0, fmt.Errorf("reading the choice: %w", a.err)
		}
		if n, err := strconv.Atoi(strings.TrimSpace(a.line)); err == nil && n >= 1 && n <= len(labels) {
			return n - 1, nil
		}
		if err := u.print(lang.T("please give one of the numbers", "번호 중 하나를 입력하세요")); err != nil {
			return 0, err
		}
	}
}

// printed are labels as a terminal may show them.
func printed(labels []string) []string {
	out := make([]string, len(labels))
	for i, l := range labels {
		out[i] = printable.Text(l)
	}
	return out
}

// Confirm asks before something is thrown away. Where nobody can be asked the
// answer is yes: the command was given on purpose.
func (u *UI) Confirm(question string) (bool, error) {
	if !u.Redraw {
		return true, nil
	}
	u.prepareSurvey()
	yes := false
	err := survey.AskOne(&survey.Confirm{Message: printable.Text(question)}, &yes, u.streams())
	if errors.Is(err, terminal.InterruptErr) {
		return false, nil
	}
	return yes, err
}

// Agree asks a question whose answer must be given, and is no unless it is yes. Where
// nobody can be asked the error is ErrNoAnswer.
func (u *UI) Agree(question string) (bool, error) {
	switch {
	case u.Redraw:
		return u.Confirm(question)
	case !isTerminal(u.In) || !isTerminal(u.Out):
		return false, ErrNoAnswer
	}
	if err := u.print(question + lang.T(" (yes or no)", " (예/아니요)")); err != nil {
		return false, err
	}
	a := <-(&lineReader{u.In}).next()
	word := strings.ToLower(strings.TrimSpace(a.line))
	return a.err == nil && (word == "yes" || word == "y" || word == "예" || word == "네"), nil
}

// Print prints lines in full.
func (u *UI) Print(lines ...string) error { return u.print(lines...) }

// streams hands survey the terminal that is meant.
func (u *UI) streams() survey.AskOpt {
	in, _ := u.In.(*os.File)
	out, _ := u.Out.(*os.File)
	return survey.WithStdio(in, out, u.Err)
}
