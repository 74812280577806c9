package screen_test

import (
	"flag"
	"os"
	"testing"
	"time"

	"noriter.dev/noriter/cheatsheets"
	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/labs/check"
	"noriter.dev/noriter/labs/content"
	"noriter.dev/noriter/labs/format"
	"noriter.dev/noriter/labs/labtest"
	"noriter.dev/noriter/labs/progress"
	"noriter.dev/noriter/labs/run"
	"noriter.dev/noriter/labs/screen"
)

var update = flag.Bool("update", false, "write the golden files anew")

// TestScreens draws screens in a real terminal and compares what one sees with the files
// in testdata/screens: read those to know what a learner reads.
func TestScreens(t *testing.T) {
	if labtest.Scene() != "" {
		drawScene(t)
		labtest.Drawn()
	}
	for _, scene := range []string{"step-pods", "step-imagepullbackoff", "status", "cheat"} {
		labtest.Golden(t, scene, *update, nil)
	}
	labtest.Golden(t, "question", *update, map[string]string{
		"en-120": "look first: open a shell", "ko-80": "먼저 살펴보기: 셸 열기", "en-80-plain": "a shell to look", "ko-60-plain": "셸에서 살펴보기",
	})
}

func drawScene(t *testing.T) {
	t.Helper()
	scene, view := labtest.SceneView(t)
	lang.Set(view.Language)
	env, _ := labtest.Env(t)
	env.WorkDir = "/var/lib/noriter/work"
	env.In, env.Out, env.Err = os.Stdin, os.Stdout, os.Stderr
	ui := screen.New(env, view.Plain, view.Plain)
	var err error
	switch scene {
	case "step-pods", "step-imagepullbackoff":
		all, loadErr := format.LoadAll(content.FS)
		if loadErr != nil {
			t.Fatal(loadErr)
		}
		for _, lab := range all {
			if "step-"+lab.ID == scene {
				s, _ := labtest.OpenWorld(env, lab)
				underway(t, s, &progress.Lab{Vars: run.Variables(lab, 1), Steps: map[string]*progress.Step{lab.Steps[0].ID: {Hints: 1}}})
				err = ui.Step(t.Context(), s)
			}
		}
	case "status":
		err = drawStatus(t, ui)
	case "cheat":
		pages, loadErr := cheatsheets.LoadAll(cheatsheets.FS, view.Language)
		if loadErr != nil {
			t.Fatal(loadErr)
		}
		err = ui.Sheet(pages[0])
	case "question":
		err = ui.Quiz(t.Context(), quizSession(t, env))
	}
	if err != nil {
		t.Fatal(err)
	}
}

// underway puts a lab's state on the disk, as far as a scene needs it.
func underway(t *testing.T, s *run.Session, l *progress.Lab) {
	t.Helper()
	l.Phase, l.Namespace, l.Step, l.Seed = progress.Underway, s.Namespace, s.Lab.Steps[0].ID, 1
	l.Started = time.Unix(0, 0)
	err := s.Store.Update(func(all *progress.State) error {
		all.Labs = map[string]*progress.Lab{s.Lab.Key(): l}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// drawStatus has a check of each state, damage, a free hint and one that was paid for.
func drawStatus(t *testing.T, ui *screen.UI) error {
	t.Helper()
	env, _ := labtest.Env(t)
	lab := labtest.Demo(t)
	s, _ := labtest.OpenWorld(env, lab)
	underway(t, s, &progress.Lab{Vars: map[string]string{"color": "green"}, Steps: map[string]*progress.Step{"one": {Hints: 1}}})
	text := func(en, ko string) string { return lang.T(en, ko) }
	return ui.Status(t.Context(), s, run.Update{
		Step: &lab.Steps[0],
		Results: []check.Result{
			{ID: "a", State: check.Holds, Fact: text("the pod hello runs on node2 and is Ready", "파드 hello가 node2에서 실행 중이고 준비되었습니다")},
			{ID: "b", State: check.Fails, Expected: text("the Service cart has three endpoints, and each of them is a pod of its Deployment", "서비스 cart의 엔드포인트가 세 개이고 모두 디플로이먼트의 파드임"),
				Why: text("its selector is app=carts, and no pod has that label", "셀렉터가 app=carts인데 그런 레이블의 파드가 없습니다"), Found: "0"},
			{ID: "c", State: check.Fails, Expected: text("it answers", "응답함"), Found: "connection refused"},
			{ID: "d", State: check.Later, Expected: text("and comes back", "다시 생겨남"), Why: text("once it answers", "응답한 다음에 확인합니다")},
			{ID: "e", State: check.Waiting, Expected: text("it is tried out at the end", "마지막에 실제로 시험함")},
			{ID: "f", State: check.Unknown, Expected: text("the log says so", "로그에 나옴"), Found: "i/o timeout"},
		},
		Hints: []string{"many"},
		Damage: []string{text("node1 takes no new pods any more. To let it: `kubectl uncordon node1`",
			"이제 node1에는 새 파드가 배정되지 않습니다. 다시 배정되게 하려면: `kubectl uncordon node1`")},
	})
}
