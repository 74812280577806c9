package screen

import (
	"fmt"
	"strings"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/labs/progress"
	"noriter.dev/noriter/labs/quiz"
)

// QuizEntry is one topic in the list of quizzes, also for -o json.
type QuizEntry struct {
	Topic     string `json:"topic"`
	Title     string `json:"title"`
	Questions int    `json:"questions"`
	// Computed is how many answers come from the learner's own cluster.
	Computed int `json:"computed"`
	// Open is how many questions of an attempt under way are done; nil if
	// there is none.
	Open *int `json:"open"`
	// Best is the best finished attempt, nil if there is none.
	Best     *QuizScore  `json:"best"`
	Attempts []QuizScore `json:"attempts"`
}

// QuizScore is how an attempt ended.
type QuizScore struct {
	Started  string `json:"started"`
	Seed     uint64 `json:"seed"`
	Finished bool   `json:"finished"`
	Right    int    `json:"right"`
	Asked    int    `json:"asked"`
	// Missed are the questions that weren't answered rightly.
	Missed []MissedQuestion `json:"missed"`
}

// MissedQuestion is a question that wasn't answered rightly, as it was asked.
type MissedQuestion struct {
	ID  string `json:"id"`
	Ask string `json:"ask"`
}

// QuizEntries lists quizzes with what the learner has done of them.
func QuizEntries(all []*quiz.Quiz, state *progress.State) []QuizEntry {
	var out []QuizEntry
	for _, z := range all {
		e := QuizEntry{Topic: z.Topic, Title: z.Title.String(), Questions: len(z.Questions), Attempts: []QuizScore{}}
		for i := range z.Questions {
			if z.Questions[i].Computed() {
				e.Computed++
			}
		}
		if st := state.Quizzes[z.Key()]; st != nil {
			if st.Open != nil {
				n := len(st.Open.Answers)
				e.Open = &n
			}
			for i := range st.History {
				e.Attempts = append(e.Attempts, quizScore(z, &st.History[i]))
			}
			if best := st.Best(); best != nil {
				score := quizScore(z, best)
				e.Best = &score
			}
		}
		out = append(out, e)
	}
	return out
}

func quizScore(z *quiz.Quiz, a *progress.QuizAttempt) QuizScore {
	s := QuizScore{Started: a.Started.Local().Format("2006-01-02 15:04"), Seed: a.Seed, Finished: a.Finished, Missed: []MissedQuestion{}}
	s.Right, s.Asked = a.Score()
	for _, answer := range a.Answers {
		if !answer.Right && answer.Skipped == "" {
			s.Missed = append(s.Missed, MissedQuestion{answer.Question, z.Wording(answer.Question, a.Seed)})
		}
	}
	return s
}

// Label is an entry on one line, for a choice.
func (e QuizEntry) Label() string {
	label := pad(e.Topic, 17) + e.Title
	switch {
	case e.Open != nil:
		label += lang.T(fmt.Sprintf(" (open: %d of %d questions done)", *e.Open, e.Questions), fmt.Sprintf(" (진행 중: %d문제 중 %d문제 마침)", e.Questions, *e.Open))
	case e.Best != nil:
		label += lang.T(fmt.Sprintf(" (best: %d of %d right)", e.Best.Right, e.Best.Asked), fmt.Sprintf(" (최고 기록: %d문제 중 %d문제 정답)", e.Best.Asked, e.Best.Right))
	}
	return label
}

// Quizzes prints the quizzes and the scores.
func (u *UI) Quizzes(entries []QuizEntry) error {
	width, _ := u.size()
	var lines []string
	for _, e := range entries {
		lines = append(lines, u.bold(pad(e.Topic, 17)+e.Title))
		about := lang.T(fmt.Sprintf("%d questions, %d about your own cluster", e.Questions, e.Computed),
			fmt.Sprintf("%d문제, 그중 %d문제는 내 클러스터에 대한 것", e.Questions, e.Computed))
		if e.Open != nil {
			about += lang.T(fmt.Sprintf("; open: %d questions done", *e.Open), fmt.Sprintf(", 진행 중: %d문제 마침", *e.Open))
		}
		if e.Best != nil {
			about += lang.T(fmt.Sprintf("; best: %d of %d right", e.Best.Right, e.Best.Asked), fmt.Sprintf(", 최고 기록: %d문제 중 %d문제 정답", e.Best.Asked, e.Best.Right))
		}
		lines = append(lines, indent(wrapText(about, width-17, u.faint), strings.Repeat(" ", 17), strings.Repeat(" ", 17))...)
	}
	return u.print(lines...)
}

// QuizHistory prints every attempt, oldest first.
func (u *UI) QuizHistory(entries []QuizEntry) error {
	width, _ := u.size()
	var lines []string
	for _, e := range entries {
		for _, a := range e.Attempts {
			score := lang.T(fmt.Sprintf("%d of %d right", a.Right, a.Asked), fmt.Sprintf("%d/%d문제 정답", a.Right, a.Asked))
			if !a.Finished {
				score += lang.T(", given up", ", 중단")
			}
			lines = append(lines, fmt.Sprintf("%s  %s %s", a.Started, pad(e.Topic, 17), score))
			for _, q := range a.Missed {
				lines = append(lines, indent(u.markdown(q.Ask, width-6), u.red("  [x] "), "      ")...)
			}
		}
	}
	if len(lines) == 0 {
		lines = wrapText(lang.T("No quiz has been done yet: `"+u.Command+" quiz` begins one.",
			"아직 마친 퀴즈가 없습니다. `"+u.Command+" quiz`로 시작하세요."), width, nil)
	}
	return u.print(lines...)
}

// QuizOutcome prints the proof of one question.
func (u *UI) QuizOutcome(o quiz.Outcome) error {
	width, _ := u.size()
	mark := u.green("[v]")
	if !o.OK {
		mark = u.red("[x]")
	}
	detail := o.Detail
	if o.OK {
		detail = fmt.Sprintf("%d wrong; %s", o.Wrong, strings.Join(o.Right, ", "))
	}
	head := fmt.Sprintf("%s %s %s %s", mark, pad(o.Topic, 17), pad(o.Question, 16), o.Kind)
	return u.print(append([]string{head}, indent(wrapText(detail, width-6, u.faint), "      ", "      ")...)...)
}
