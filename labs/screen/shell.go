package screen

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/internal/learner"
	"noriter.dev/noriter/labs/run"
)

// kubectlRC is what bash reads in place of ~/.bashrc, and reads that first. More
// is added to it.
const kubectlRC = `[ -r ~/.bashrc ] && . ~/.bashrc
[ -r /usr/share/bash-completion/bash_completion ] && . /usr/share/bash-completion/bash_completion
if [ -n "$NORI_BIN" ]; then PATH=$NORI_BIN:$PATH; fi
. <(kubectl completion bash 2>/dev/null)
alias k=kubectl
complete -o default -F __start_kubectl k 2>/dev/null
`

// shellRC is what bash reads in the shell of a lab. The prompt prints the news
// that the lab has laid down meanwhile: what is over (*.now), and then the next step.
//
// Each time that something is laid down, bash gets a SIGWINCH: that is the signal whose
// trap it runs while it waits at a prompt, and one that harms no other program. What is
// over is then put above the line that is being typed, which stays as it is: the lines
// below are made free (IND), the line moves down, and the cursor back to where it was in it.
const shellRC = kubectlRC + `nori() { "$NORI_EXE" --lang "$NORI_LANG" "$@"; }
step() {
  local lines
  rm -f "$NORI_NEWS/next"
  mapfile -t lines <"$NORI_NEWS/.step"
  if [ -t 1 ] && ((${#lines[@]} >= ${LINES:-24})) && command -v ${PAGER-less} >/dev/null; then
    LESS=${LESS-FRX} ${PAGER-less} <"$NORI_NEWS/.step"
  else
    printf '%s\n' "${lines[@]}"
  fi
}
# A text that is longer than the terminal is shown from its beginning, with the way to the rest.
__nori_show() {
  local lines room=$((${LINES:-24} - 4))
  mapfile -t lines <"$1"
  if [ -t 1 ] && ((${#lines[@]} > room)); then
    printf '%s\n' "${lines[@]:0:room}"
    printf "$NORI_MORE\n" $((${#lines[@]} - room))
  else
    printf '%s\n' "${lines[@]}"
  fi
}
hint() { nori lab hint; }
status() { __nori_news; nori lab status "${NORI_LAB_PATH:-$NORI_LAB}"; } # also when the last step is over
__nori_news() {
  local f
  for f in "$NORI_NEWS"/*.now "$NORI_NEWS/next"; do
    [ -f "$f" ] && __nori_show "$f" && rm -f "$f"
  done
  __nori_told=
}
__nori_idle() {
  local f i n lines=() files=()
  [ -t 1 ] && [ "$TERM" != dumb ] || return
  for f in "$NORI_NEWS"/*.now; do
    [ -f "$f" ] && mapfile -t -O "${#lines[@]}" lines <"$f" && files+=("$f")
  done
  [ -f "$NORI_NEWS/next" ] && [ -z "$__nori_told" ] && lines+=("$NORI_NEXT")
  n=${#lines[@]}
  ((n > 0 && n < ${LINES:-24} - 1)) || return
  [ "${#files[@]}" -gt 0 ] && rm -f "${files[@]}"
  [ -f "$NORI_NEWS/next" ] && __nori_told=1
  for ((i = 0; i < n; i++)); do printf '\eD'; done
  printf '\e[%dA\e7\r\e[%dL' "$n" "$n"
  printf '%s\r\n' "${lines[@]}"
  printf '\e8\e[%dB' "$n"
}
trap __nori_idle WINCH
PROMPT_COMMAND="__nori_news${PROMPT_COMMAND:+; $PROMPT_COMMAND}"
PS1="(lab $NORI_LAB) "'\W\$ '
`

// Shell opens a shell in which the lab's kubectl is ready. Checks go on
// meanwhile: a step that passes is announced at once, and the step that follows is
// shown at the next prompt.
func (u *UI) Shell(ctx context.Context, s *run.Session) (err error) {
	news, err := s.Env.User.TempDir("nori-lab-")
	if err != nil {
		return fmt.Errorf("preparing the shell: %w", err)
	}
	defer func() { err = errors.Join(err, s.Env.User.RemoveAll(news)) }()
	cmd, err := u.shellCommand(s, news)
	if err != nil {
		return err
	}
	watching, stop := context.WithCancel(ctx)
	ended, watched := make(chan error, 1), make(chan struct{})
	teller := &teller{u: u, s: s, dir: news}
	if err := teller.step(ctx); err != nil {
		stop()
		return err
	}
	u.Say(lang.T(
		"A shell for the lab. `step` shows the step again, `hint` and `status` help, `exit` leads back. kubectl (k) is ready.",
		"실습용 셸입니다. `step`은 지금 단계를 다시 보여 주고, `hint`와 `status`가 도와줍니다. `exit`를 입력하면 실습으로 돌아갑니다. kubectl(k)이 준비되어 있습니다."))
	if err := cmd.Start(); err != nil {
		stop()
		return shellError(err)
	}
	teller.bash = cmd.Process
	go teller.remind(watching)
	go func() {
		defer close(watched)
		ended <- teller.follow(watching)
	}()
	runErr := cmd.Wait()
	stop()
	u.putBack(watched)
	if followErr := <-ended; followErr != nil && watching.Err() == nil {
		return followErr
	}
	return shellError(runErr)
}

// shellError is why a shell couldn't be opened. The status of the last command
// in it isn't ours.
func shellError(err error) error {
	var exit *exec.ExitError
	if err == nil || errors.As(err, &exit) {
		return nil
	}
	return fmt.Errorf("opening the shell: %w", err)
}

// bash makes the command of a shell of somebody's that begins with the lines of rc, which
// are put into a folder of theirs.
func (u *UI) bash(who *learner.User, dir, rc string, env []string) (*exec.Cmd, error) {
	file := filepath.Join(dir, ".bashrc")
	if err := who.WriteFile(file, []byte(rc), 0o600); err != nil {
		return nil, fmt.Errorf("preparing the shell: %w", err)
	}
	cmd := exec.Command("bash", "--rcfile", file, "-i")
	cmd.Env = env
	cmd.Stdin, cmd.Stdout, cmd.Stderr = u.In, u.Out, u.Err
	who.Own(cmd)
	return cmd, nil
}

func (u *UI) shellCommand(s *run.Session, news string) (*exec.Cmd, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("looking for this program: %w", err)
	}
	if s.Env.BinDir != "" { // where the learner can read it
		self = filepath.Join(s.Env.BinDir, "nori")
	}
	env, err := s.Environment()
	if err != nil {
		return nil, err
	}
	cmd, err := u.bash(s.Env.User, news, shellRC, append(env, "NORI_NEWS="+news, "NORI_EXE="+self, "NORI_LAB="+s.Lab.ID, "NORI_LAB_PATH="+s.Lab.Path,
		"NORI_LANG="+lang.Current(), "NORI_TESTBED="+s.Env.Testbed, "NORI_BIN="+s.Env.BinDir,
		"NORI_MORE="+lang.T("... %d more lines: `step` shows all of it.", "... %d줄이 더 있습니다. `step`을 입력하면 전부 볼 수 있습니다."),
		"NORI_NEXT="+lang.T("Enter shows the next step.", "엔터를 누르면 다음 단계를 보여 줍니다.")))
	if err != nil {
		return nil, err
	}
	cmd.Dir = s.Env.Work(s.Lab.Folder())
	return cmd, nil
}

// teller goes through the steps while the learner is in the shell, and lays
// down news for the prompt.
type teller struct {
	u   *UI
	s   *run.Session
	dir string
	n   int
	// bash is told of the news.
	bash *os.Process
}

// follow watches step after step until ctx is done or the lab is finished.
func (t *teller) follow(ctx context.Context) error {
	for gone := false; ; {
		var last run.Update
		err := t.s.Watch(ctx, func(up run.Update) { last = up })
		width, _ := t.u.size()
		switch {
		case errors.Is(err, run.ErrMoved): // in another terminal, or by a command in this one
			if err := t.step(ctx); err != nil {
				return err
			}
			continue
		case errors.Is(err, run.ErrWorldGone):
			if !gone {
				if err := t.tell(append([]string{""}, wrapText(t.u.worldGone(t.s), width, t.u.yellow)...)); err != nil {
					return err
				}
			}
			gone = true
			continue // Watch looks for it every few seconds; it may be built again
		case errors.Is(err, run.ErrTestbedGone):
			return t.tell(append([]string{""}, wrapText(testbedGone(t.s.Env), width, t.u.yellow)...))
		case err != nil:
			return err
		}
		gone = false
		// That comes before the next step is open: `status` must not show that one first.
		if err := t.tell(append([]string{""}, t.u.passed(last, stepPoints(t.s), width)...)); err != nil {
			return err
		}
		if done, err := t.next(ctx); err != nil || done {
			return err
		}
	}
}

// next opens the step that follows and lays it down for the next prompt.
func (t *teller) next(ctx context.Context) (done bool, err error) {
	done, reopened, err := advance(ctx, t.s)
	if err != nil {
		return false, err
	}
	if done {
		width, _ := t.u.size()
		return true, t.tell(append([]string{""}, wrapText(lang.T("That was the last step: `exit` leads to the end. kubectl is back in the namespace default.",
			"마지막 단계였습니다. `exit`를 입력하면 마무리로 갑니다. kubectl은 다시 default 네임스페이스를 가리킵니다."), width, nil)...))
	}
	if reopened {
		if err := t.tell([]string{reopenedText()}); err != nil {
			return false, err
		}
	}
	if err := t.step(ctx); err != nil {
		return false, err
	}
	width, _ := t.u.size()
	text, err := t.u.stepText(ctx, t.s, width)
	if err != nil {
		return false, err
	}
	return false, t.news("next", append([]string{""}, text...))
}

// tell lays a text down whole, under a name that keeps the order.
func (t *teller) tell(lines []string) error {
	t.n++
	return t.news(fmt.Sprintf("%06d.now", t.n), lines)
}

// news lays a text down and says so.
func (t *teller) news(name string, lines []string) error {
	if err := t.write(name, lines); err != nil {
		return err
	}
	_ = t.bash.Signal(syscall.SIGWINCH) // it may have ended
	return nil
}

// remind tells bash again while news lies about: a signal that comes just before bash
// begins to wait for a key is only seen with that key.
func (t *teller) remind(ctx context.Context) {
	ticker := time.NewTicker(patience)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			if lying, _ := filepath.Glob(filepath.Join(t.dir, "*.now")); len(lying) > 0 {
				_ = t.bash.Signal(syscall.SIGWINCH) // it may have ended
			}
		}
	}
}

// step lays down the text of the open step for `step`.
func (t *teller) step(ctx context.Context) error {
	width, _ := t.u.size()
	text, err := t.u.stepAndHints(ctx, t.s, width)
	if err != nil {
		return err
	}
	return t.write(".step", text)
}

func (t *teller) write(name string, lines []string) error {
	text := strings.Join(t.u.shown(lines), "\n") + "\n"
	if err := t.s.Env.User.WriteFile(filepath.Join(t.dir, name), []byte(text), 0o600); err != nil {
		return fmt.Errorf("laying down news for the shell: %w", err)
	}
	return nil
}
