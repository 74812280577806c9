package screen

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/labs/quiz"
)

// quizRC is what bash reads in the shell of a quiz.
const quizRC = kubectlRC + `PS1="(quiz $NORI_QUIZ) "'\$ '
`

// quizShell opens a shell whose kubectl looks at the quiz's world.
func (u *UI) quizShell(_ context.Context, s *quiz.Session) (err error) {
	who := s.Env.User
	dir, err := who.TempDir("nori-quiz-")
	if err != nil {
		return fmt.Errorf("preparing the shell: %w", err)
	}
	defer func() { err = errors.Join(err, who.RemoveAll(dir)) }()
	kubeconfig := filepath.Join(dir, "kubeconfig")
	if err := s.WriteKubeconfig(who, kubeconfig); err != nil {
		return err
	}
	cmd, err := u.bash(who, dir, quizRC, append(os.Environ(), "KUBECONFIG="+kubeconfig, "NORI_BIN="+s.Env.BinDir,
		"NORI_QUIZ="+s.Quiz.Topic, "NORI_TESTBED="+s.Env.Testbed))
	if err != nil {
		return err
	}
	u.Say(lang.T("A shell to look around in. kubectl (k) looks at the namespace "+s.Namespace+". `exit` leads back to the question.",
		"둘러볼 수 있는 셸을 열었습니다. kubectl(k)은 네임스페이스 "+s.Namespace+"를 봅니다. `exit`를 입력하면 문제로 돌아갑니다."))
	return shellError(cmd.Run())
}
