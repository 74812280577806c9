package screen_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"
	"testing/iotest"
	"time"

	"github.com/creack/pty"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/labs"
	"noriter.dev/noriter/labs/labtest"
	"noriter.dev/noriter/labs/quiz"
	"noriter.dev/noriter/labs/run"
	"noriter.dev/noriter/labs/screen"
)

// demoQuiz has a question of each kind, and an option that is far too long.
const demoQuiz = `topic: demo
title: {en: Demo, ko: 연습}
questions:
  - id: one
    kind: choice
    ask: {en: "Which of **these**?", ko: "이 가운데 **어느** 것인가요?"}
    right: [{text: {en: good, ko: 좋은 것}}]
    wrong:
      - {text: {en: bad, ko: 나쁜 것}, why: {en: "because it is bad", ko: "나쁘기 때문입니다"}}
    explain: {en: "It is the good one.", ko: "좋은 것이 맞습니다."}
  - id: two
    kind: multi
    ask: {en: "Which of these?", ko: "어느 것들인가요?"}
    right:
      - text: {en: first, ko: 첫째}
      - text: {en: second, ko: 둘째}
    wrong:
      - text: {en: "an option that goes on and on until it is far wider than sixty columns are", ko: "예순 칸보다 훨씬 길어서 한 줄에 다 들어가지 못하고 끝없이 이어지기만 하는 보기"}
        why: {en: too long, ko: 너무 깁니다}
    explain: {en: "Two of three.", ko: "셋 중 둘입니다."}
  - id: three
    kind: number
    ask: {en: "How many nodes?", ko: "노드는 몇 개인가요?"}
    right: [{text: {en: "42", ko: "42"}}]
    wrong: [{text: {en: "41", ko: "41"}, why: {en: "one too few", ko: "하나 모자랍니다"}}]
    explain: {en: "It is said everywhere.", ko: "어디에나 나옵니다."}
    see: kubectl get nodes -n {{ns}}
  - id: four
    kind: text
    ask: {en: "Which word?", ko: "어떤 낱말인가요?"}
    right: [{text: {en: logs, ko: logs}}]
    wrong: [{text: {en: log, ko: log}, why: {en: "nearly", ko: "거의 맞았습니다"}}]
    explain: {en: "Plural.", ko: "복수형입니다."}
`

func quizSession(t *testing.T, env *labs.Env) *quiz.Session {
	t.Helper()
	z, err := quiz.Load(fstest.MapFS{"demo/quiz.yaml": {Data: []byte(demoQuiz)}}, "demo")
	if err != nil {
		t.Fatal(err)
	}
	w := labtest.NewWorld(t.TempDir())
	return &quiz.Session{Env: env, Quiz: z, Cluster: w.Cluster, Store: run.StoreFor(env), Namespace: z.Namespace(), Seed: 1}
}

// take runs the demo quiz on a pseudo-terminal of 60 columns.
func take(t *testing.T, language string, noColor bool) (*player, *quiz.Session) {
	t.Helper()
	lang.Set(language)
	t.Cleanup(func() { lang.Set("en") })
	t.Setenv("TERM", "xterm")
	t.Setenv("NO_COLOR", "")
	env, _ := labtest.Env(t)
	master, tty, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	if err := pty.Setsize(master, &pty.Winsize{Rows: 40, Cols: 60}); err != nil {
		t.Fatal(err)
	}
	env.In, env.Out, env.Err = tty, tty, tty
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	p := &player{prompted: true, t: t, pty: master, tty: tty, cancel: cancel, ended: make(chan error, 1)}
	go p.terminal(master)
	s := quizSession(t, env)
	ui := screen.New(env, false, noColor)
	over := make(chan struct{})
	go func() {
		defer close(over)
		p.ended <- ui.Quiz(ctx, s)
	}()
	t.Cleanup(func() {
		cancel()
		_, _ = master.WriteString("\x03") // a prompt that waits ends with this
		<-over
		_ = tty.Close()    // the test is over
		_ = master.Close() // likewise
	})
	return p, s
}

// terminal collects the output and answers, as a terminal does, where the
// cursor is: survey asks for that.
func (p *player) terminal(master *os.File) {
	buf := make([]byte, 4096)
	for {
		n, err := master.Read(buf)
		p.mu.Lock()
		p.out.Write(buf[:n])
		asked := bytes.Count(p.out.Bytes(), []byte("\x1b[6n"))
		p.mu.Unlock()
		for int(p.answered.Load()) < asked {
			_, _ = master.WriteString("\x1b[40;60R")
			p.answered.Add(1)
		}
		if err != nil {
			return
		}
	}
}

// chooses moves the cursor to the option with a text, and presses a key.
func (p *player) chooses(options []string, want, key string) {
	p.t.Helper()
	for i, o := range options {
		if o == want {
			p.press(strings.Repeat("\x1b[B", i) + key + strings.Repeat("\x1b[A", i))
			return
		}
	}
	p.t.Fatalf("%q is not in %q", want, options)
}

// options are those of a question in the session's own order.
func options(t *testing.T, s *quiz.Session, id string) []string {
	t.Helper()
	a, err := s.Ask(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return a.Options
}

func TestQuizOnATerminal(t *testing.T) {
	p, s := take(t, "en", false)
	p.sees("Which of these?")
	p.sees("Answer:  [arrows, Enter]")
	down := 0
	for i, o := range options(t, s, "one") {
		if o == "bad" {
			down = i
		}
	}
	p.press(strings.Repeat("\x1b[B", down) + "\r")
	p.sees("because it is bad")
	p.sees("The answer: good")
	p.sees("It is the good one.")

	p.sees("Question 2 of 4")
	p.sees("[arrows; space marks; Enter]")
	mark := len(p.text())
	p.press("\r") // nothing is marked: that is said, and asked again
	p.seesAfter(mark, "[arrows; space marks; Enter]")
	_, after, said := strings.Cut(p.text(), "know.") // "Enter again: I don't know."
	before, _, _ := strings.Cut(after, "All that are right")
	if !said || regexp.MustCompile(`\x1b\[[0-9]*A`).MatchString(before) {
		t.Errorf("what to do isn't said, or cleared again: %q", after)
	}
	two := options(t, s, "two")
	p.chooses(two, "first", " ")
	p.chooses(two, "second", " ")
	p.press("\r")
	p.sees("Your answer: ")
	p.sees("Two of three.")

	p.sees("Question 3 of 4")
	p.sees("Answer (! opens a shell):")
	p.pressLine("many\r")
	p.sees("A whole number, please.")
	p.pressLine("41\r")
	p.sees("one too few")
	p.sees("kubectl get nodes -n quiz-demo")

	p.sees("Question 4 of 4")
	p.pressLine("LOGS\r")
	p.sees("Plural.")
	p.sees("2 of 4 right.")
	p.sees("Not right: questions 1, 3")
	if err := p.end(); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(p.text(), "\x1b[32m") {
		t.Error("no colour on a terminal")
	}
	narrow(t, p.text(), 60)
}

// TestTypedAtAChoice: what no option has in it hides none.
func TestTypedAtAChoice(t *testing.T) {
	p, s := take(t, "en", true)
	p.sees("Answer:  [arrows, Enter]")
	mark := len(p.text())
	p.press("7")
	p.seesAfter(mark, "look first")
	p.press("\x7f")
	p.chooses(options(t, s, "one"), "good", "\r")
	p.sees("Right!")
}

func TestQuizInKoreanIsLeftAndResumed(t *testing.T) {
	p, s := take(t, "ko", true)
	p.sees("퀴즈: 연습")
	p.sees("답:  [화살표 키, 엔터]")
	down := 0
	for i, o := range options(t, s, "one") {
		if o == "좋은 것" {
			down = i
		}
	}
	p.press(strings.Repeat("\x1b[B", down) + "\r")
	p.sees("맞았습니다!")
	p.sees("[화살표 키, 스페이스로 표시, 엔터]")
	p.press("\x03")
	p.sees("답한 것은 저장했습니다.")
	if err := p.end(); !errors.Is(err, screen.ErrLeft) {
		t.Fatalf("got %v", err)
	}
	state, err := s.Store.Load()
	if err != nil || state.Quizzes["demo"].Open == nil || len(state.Quizzes["demo"].Open.Answers) != 1 {
		t.Errorf("the answer wasn't kept: %+v, %v", state, err)
	}
	for _, m := range []string{"\x1b[0;32m", "\x1b[32m", "\x1b[0;36m", "\x1b[1m", "Use arrows"} {
		if strings.Contains(p.text(), m) {
			t.Errorf("%q on a screen without colour, in Korean:\n%q", m, p.text())
		}
	}
	narrow(t, p.text(), 60)
}

// pipedQuiz runs the plain quiz with everything typed beforehand.
func pipedQuiz(t *testing.T, language, typed string) (string, *quiz.Session, error) {
	t.Helper()
	lang.Set(language)
	t.Cleanup(func() { lang.Set("en") })
	t.Setenv("COLUMNS", "60")
	env, out := labtest.Env(t)
	env.In = strings.NewReader(typed)
	s := quizSession(t, env)
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	err := screen.New(env, true, false).Quiz(ctx, s)
	if strings.Contains(out.String(), "\x1b") {
		t.Errorf("escapes in plain output: %q", out)
	}
	narrow(t, out.String(), 60)
	return out.String(), s, err
}

func TestPlainQuiz(t *testing.T) {
	out, s, err := pipedQuiz(t, "en", "7\n1,2\n2\n1;9\n1 2 3\nx\n42\n\n")
	if err != nil {
		t.Fatal(err, out)
	}
	for _, want := range []string{" 1) ", "please give one of the numbers", "A whole number, please.", "No answer.", "The answer: logs", "Question 4 of 4", " of 4 right.", "Not answered: question 4"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in:\n%s", want, out)
		}
	}
	if strings.Count(out, "please give one of the numbers") != 3 {
		t.Errorf("took what is no answer:\n%s", out)
	}
	state, err := s.Store.Load()
	if err != nil || len(state.Quizzes["demo"].History) != 1 || state.Quizzes["demo"].Open != nil {
		t.Errorf("%+v, %v", state.Quizzes["demo"], err)
	}
	if ns, err := s.Cluster.Get(t.Context(), "Namespace", "v1", "", "quiz-demo"); ns != nil || err != nil {
		t.Errorf("the world is still there: %v, %v", ns, err)
	}
}

func TestPlainQuizInKoreanEndsWithItsInput(t *testing.T) {
	out, _, err := pipedQuiz(t, "ko", "1\n")
	if !errors.Is(err, screen.ErrLeft) || !strings.Contains(out, "문제 2 / 4") || !strings.Contains(out, "답한 것은 저장했습니다.") {
		t.Errorf("%v\n%s", err, out)
	}
}

// TestQuizOfTestbedGone: what fails is not the quiz's fault.
func TestQuizOfTestbedGone(t *testing.T) {
	lang.Set("en")
	env, out := labtest.Env(t)
	env.In = iotest.ErrReader(errors.New("no route to host"))
	env.Gone = func() bool { return true }
	err := screen.New(env, true, false).Quiz(t.Context(), quizSession(t, env))
	if !errors.Is(err, screen.ErrLeft) || !strings.Contains(out.String(), "Testbed test was removed meanwhile") {
		t.Errorf("%v\n%s", err, out)
	}
}

// TestMarksOutliveALook: who marks an answer, looks around, and marks the other has both.
func TestMarksOutliveALook(t *testing.T) {
	p, s := take(t, "en", true)
	p.sees("Answer:  [arrows, Enter]")
	p.chooses(options(t, s, "one"), "good", "\r")
	p.sees("[arrows; space marks; Enter]")
	two := options(t, s, "two")
	p.chooses(two, "first", " ")
	p.press(strings.Repeat("\x1b[B", len(two)) + " \r") // the line below them opens the shell
	p.sees("A shell to look around in.")
	mark := len(p.text())
	if _, err := p.pty.WriteString("exit\r"); err != nil { // a shell reads what was typed before it asked
		t.Fatal(err)
	}
	p.seesAfter(mark, "[arrows; space marks; Enter]")
	p.chooses(two, "second", " ")
	p.press("\r")
	p.seesAfter(mark, "Right!")
}

// TestQuizShell looks first: the shell's kubectl looks at the quiz's world.
func TestQuizShell(t *testing.T) {
	env, out := labtest.Env(t)
	r, w, err := os.Pipe() // which, unlike a buffer, hands the shell just its part
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if _, err := w.WriteString("!\ngrep namespace: $KUBECONFIG\necho topic=$NORI_QUIZ\nexit\n1\n"); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	env.In = r
	if err := screen.New(env, true, true).Quiz(t.Context(), quizSession(t, env)); !errors.Is(err, screen.ErrLeft) {
		t.Fatal(err)
	}
	for _, want := range []string{"A shell to look around in.", "namespace: quiz-demo", "topic=demo", "Question 2 of 4"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in:\n%s", want, out)
		}
	}
}

func TestQuizListAndHistory(t *testing.T) {
	_, s, _ := pipedQuiz(t, "en", "1\n2\n42\nlogs\n")
	state, err := s.Store.Load()
	if err != nil {
		t.Fatal(err)
	}
	list := func() []screen.QuizEntry { return screen.QuizEntries([]*quiz.Quiz{s.Quiz}, state) }
	if entries := list(); len(entries) != 1 || entries[0].Best == nil || len(entries[0].Attempts) != 1 || entries[0].Open != nil {
		t.Fatalf("%+v", entries)
	}
	for _, language := range []string{"en", "ko"} {
		lang.Set(language)
		env, out := labtest.Env(t)
		u := screen.New(env, true, true)
		if err := errors.Join(u.Quizzes(list()), u.QuizHistory(list()), u.QuizHistory(nil)); err != nil {
			t.Fatal(err)
		}
		narrow(t, out.String(), 60)
		if want := map[string]string{"en": "Which of these?", "ko": "어느 것들인가요?"}[language]; !strings.Contains(out.String(), want) {
			t.Errorf("the missed question isn't worded, %q:\n%s", want, out)
		}
	}
}
