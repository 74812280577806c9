package screen

import (
	"context"
	"fmt"
	"regexp"
	"strings"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/labs/format"
	"noriter.dev/noriter/labs/progress"
	"noriter.dev/noriter/labs/prove"
	"noriter.dev/noriter/labs/run"
)

// Entry is one line of the list of labs, also for -o json.
type Entry struct {
	ID      string   `json:"id"`
	Title   string   `json:"title"`
	Summary string   `json:"summary"`
	Minutes int      `json:"minutes"`
	Level   int      `json:"level"`
	Needs   []string `json:"needs"`
	Steps   int      `json:"steps"`
	Points  int      `json:"points"`
	// State is "new", "open" or "done"; Passed and Score are the open
	// attempt's, Best is the highest score of a finished one.
	State  string `json:"state"`
	Passed int    `json:"passed"`
	Score  int    `json:"score"`
	Best   *int   `json:"best"`
}

// Entries lists labs with what the learner has done of them.
func Entries(all []*format.Lab, state *progress.State) []Entry {
	var out []Entry
	for _, l := range all {
		e := Entry{ID: l.ID, Title: l.Title.String(), Summary: l.Summary.String(), Minutes: l.Minutes, Level: l.Level,
			Needs: append([]string{}, l.Needs...), Steps: len(l.Steps), Points: l.Points(), State: "new"}
		if st := state.Labs[l.Key()]; st != nil {
			e.State = "open"
			if st.Phase == progress.Done {
				e.State = "done"
			}
			e.Score, _ = run.Score(l, st)
			for i := range l.Steps {
				if st.Passed(l.Steps[i].ID) {
					e.Passed++
				}
			}
			if best, ok := st.Best(); ok {
				e.Best = &best
			}
		}
		out = append(out, e)
	}
	return out
}

// Label is an entry on one line, for a choice.
func (e Entry) Label() string { return fmt.Sprintf("%s: %s", e.ID, e.Summary) }

// List prints the labs.
func (u *UI) List(entries []Entry) error {
	width, _ := u.size()
	column := 0
	for _, e := range entries {
		column = max(column, len(e.ID)+1)
	}
	margin := strings.Repeat(" ", column)
	var lines []string
	for _, e := range entries {
		lines = append(lines, u.bold(pad(e.ID, column)+e.Title))
		lines = append(lines, indent(wrapText(e.Summary, width-column, nil), margin, margin)...)
		about := lang.T(fmt.Sprintf("%d steps, about %d minutes", e.Steps, e.Minutes), fmt.Sprintf("%d단계, 약 %d분", e.Steps, e.Minutes))
		switch {
		case e.State == "open":
			about += lang.T(fmt.Sprintf("; open: %d steps passed", e.Passed), fmt.Sprintf(", 진행 중: %d단계 통과", e.Passed))
		case e.State == "done":
			about += lang.T("; done", ", 마침")
		}
		if e.Best != nil {
			about += lang.T(fmt.Sprintf("; best: %d of %d points", *e.Best, e.Points), fmt.Sprintf(", 최고 기록: %d점 / %d점", *e.Best, e.Points))
		}
		lines = append(lines, indent(wrapText(about, width-column, u.faint), margin, margin)...)
	}
	return u.print(lines...)
}

// Status prints where a lab stands: the open step and its checks.
func (u *UI) Status(ctx context.Context, s *run.Session, up run.Update) error {
	state, err := s.State()
	if err != nil {
		return err
	}
	width, _ := u.size()
	lines := u.title(s, up.Step, state, width)
	for i := range s.Lab.Steps {
		step := &s.Lab.Steps[i]
		heading := s.Prose().Sections[step.ID].Heading
		switch {
		case state.Passed(step.ID):
			lines = append(lines, indent(wrapText(heading, width-4, nil), u.green("[v]")+" ", "    ")...)
		case step.ID == up.Step.ID:
			lines = append(lines, indent(wrapText(heading, width-4, u.bold), "[>] ", "    ")...)
		default:
			lines = append(lines, indent(wrapText(heading, width-4, u.faint), "[ ] ", "    ")...)
		}
	}
	lines = append(append(lines, u.picture(ctx, s)...), "")
	if up.Passed {
		lines = append(lines, u.passed(up, run.StepPoints(up.Step, state), width)...)
		lines = append(lines, lang.T("Go on with `"+u.Command+" lab next`.", "`"+u.Command+" lab next`로 계속하세요."))
		return u.print(lines...)
	}
	lines = append(lines, u.results(up, width, true)...)
	return u.print(append(lines, u.hints(ctx, s, up, width)...)...)
}

// Step prints the text of the open step.
func (u *UI) Step(ctx context.Context, s *run.Session) error {
	width, _ := u.size()
	lines, err := u.stepAndHints(ctx, s, width)
	if err != nil {
		return err
	}
	return u.page(lines)
}

// Script prints a script as it is typed.
func (u *UI) Script(text string) error {
	var lines []string
	end := "" // of the text that a command is given (<<END)
	for _, l := range strings.Split(strings.TrimRight(text, "\n"), "\n") {
		switch m := heredoc.FindStringSubmatch(l); {
		case end != "":
			lines = append(lines, u.cyan(l))
			if strings.TrimLeft(l, "\t") == end {
				end = ""
			}
			continue
		case m != nil:
			end = m[1]
		}
		lines = append(lines, u.faint("$ ")+u.cyan(l))
	}
	return u.print(lines...)
}

// heredoc begins a text within a script; its mark ends it.
var heredoc = regexp.MustCompile(`<<-?\s*['"]?([A-Za-z_]\w*)['"]?`)

// Say prints a line about what is being done.
func (u *UI) Say(text string) {
	width, _ := u.size()
	// A line about progress that can't be printed isn't worth failing for.
	_ = u.print(wrapText(text, width, u.faint)...)
}

// Outcome prints one way of a proof.
func (u *UI) Outcome(o prove.Outcome) error {
	width, _ := u.size()
	mark := u.green("[v]")
	if !o.OK {
		mark = u.red("[x]")
	}
	head := fmt.Sprintf("%s %s %s %3d %%  %5.1f s", mark, pad(o.Lab, 12), pad(o.Way, 24), o.Percent, o.Seconds)
	return u.print(append([]string{head}, indent(wrapText(o.Detail, width-6, u.faint), "      ", "      ")...)...)
}
