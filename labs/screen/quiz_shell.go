package screen

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/labs/quiz"
)

// quizRC is what bash reads in the shell of a quiz.
const quizRC = `[ -r ~/.bashrc ] && . ~/.bashrc
[ -r /usr/share/bash-completion/bash_completion ] && . /usr/share/bash-completion/bash_completion
if [ -n "$NORI_BIN" ]; then PATH=$NORI_BIN:$PATH; fi
. <(kubectl completion bash 2>/dev/null)
alias k=kubectl
complete -o default -F __start_kubectl k 2>/dev/null
PS1="(quiz $NORI_QUIZ) \$ "
`

// quizShell opens a shell whose kubectl looks at the quiz's world.
func (u *UI) quizShell(_ context.Context, s *quiz.Session) (err error) {
	dir, err := os.MkdirTemp("", "nori-quiz-")
	if err != nil {
		return fmt.Errorf("preparing the shell: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	rc, kubeconfig := filepath.Join(dir, "bashrc"), filepath.Join(dir, "kubeconfig")
	if err := os.WriteFile(rc, []byte(quizRC), 0o600); err != nil {
		return fmt.Errorf("preparing the shell: %w", err)
	}
	if err := s.WriteKubeconfig(kubeconfig); err != nil {
		return err
	}
	u.Say(lang.T("A shell to look around in. kubectl (k) looks at the namespace "+s.Namespace+". `exit` leads back to the question.",
		"살펴보기 위한 셸입니다. kubectl(k)은 네임스페이스 "+s.Namespace+"를 봅니다. `exit`로 문제로 돌아갑니다."))
	cmd := exec.Command("bash", "--rcfile", rc, "-i")
	cmd.Env = append(os.Environ(), "KUBECONFIG="+kubeconfig, "NORI_BIN="+s.Env.BinDir, "NORI_QUIZ="+s.Quiz.Topic, "NORI_TESTBED="+s.Env.Testbed)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = u.In, u.Out, u.Err
	runErr := cmd.Run()
	var exit *exec.ExitError
	if runErr != nil && !errors.As(runErr, &exit) { // the status of the last command isn't ours
		return fmt.Errorf("opening the shell: %w", runErr)
	}
	return nil
}
