package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/fatih/color"
	"github.com/spf13/cobra"

	"noriter.dev/noriter/internal/ambient"
	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/internal/learner"
	"noriter.dev/noriter/labs"
	"noriter.dev/noriter/labs/format"
	"noriter.dev/noriter/labs/run"
	"noriter.dev/noriter/testbed"
)

func newShellCommand(g *globals) *cobra.Command {
	return &cobra.Command{
		Use:   "shell",
		Short: lang.T("Open a shell with kubectl ready for the testbed", "테스트베드용 kubectl이 준비된 셸 열기"),
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			t, err := g.open(c.Context())
			if err != nil {
				return err
			}
			defer t.Visit(commandLine())()
			sh, who, err := g.shell(t)
			if err != nil {
				return err
			}
			if err := t.Asleep(c.Context()); err != nil {
				fmt.Fprintln(g.stderr, color.YellowString(lang.T("note:", "참고:")), err)
			}
			g.tell("A shell for testbed %s; kubectl (k) is ready, exit leads back.",
				"테스트베드 %s용 셸입니다. kubectl(k)이 준비되어 있고, exit로 나갑니다.", t.Name())
			desk, err := g.desk(t)
			if err != nil {
				return err
			}
			if lab, dir := openLabFolder(desk, t.Name()); dir != "" {
				sh.Dir = dir
				g.tell("It is in the folder of the open lab, %s: %s", "진행 중인 실습 %s의 폴더에서 시작합니다: %s", lab, dir)
			}
			return g.becomes(who, sh)
		},
	}
}

// openLabFolder is the lab that is open and the folder with its files, which its steps
// name; "" where there is none, or it can't be told. A shell is opened either way.
func openLabFolder(desk *testbed.Desk, name string) (lab, dir string) {
	env := &labs.Env{ProgressDir: desk.Dir, User: desk.User, Testbed: name, Making: desk.Making()}
	state, err := run.StoreFor(env).Load()
	if err != nil || state.Current == "" {
		return "", ""
	}
	lab = format.Forgotten(state.Current).ID
	dir = env.Work(lab)
	if fi, err := os.Stat(dir); err != nil || !fi.IsDir() {
		return "", ""
	}
	return lab, dir
}

// rc is read by bash in place of ~/.bashrc, and reads that first. A kubectl that is
// made there leads to another cluster.
const rc = `[ -r ~/.bashrc ] && . ~/.bashrc
[ -r /usr/share/bash-completion/bash_completion ] && . /usr/share/bash-completion/bash_completion
unalias kubectl nori 2>/dev/null; unset -f kubectl nori
PATH=%[1]q:$PATH
. <(kubectl completion bash)
alias k=kubectl
complete -o default -F __start_kubectl k
# What the shell of a lab knows, too
step() { nori lab step "$@"; }
hint() { nori lab hint "$@"; }
status() { nori lab status "$@"; }
PS1='(%[2]s) \W\$ '
`

// desk is the caller's place on a testbed.
func (g *globals) desk(t *testbed.Testbed) (*testbed.Desk, error) {
	who, err := t.Who()
	if err != nil {
		return nil, err
	}
	return t.Desk(who)
}

// becomes runs a program in the place of this one, with somebody's rights, and ends with
// its exit code.
func (g *globals) becomes(who *learner.User, c *exec.Cmd) error {
	who.Own(c)
	c.Stdin, c.Stdout, c.Stderr = g.stdin, g.stdout, g.stderr
	if err := c.Start(); err != nil {
		return lang.Errorf("running %s: %w", "%s 실행: %w", filepath.Base(c.Path), err)
	}
	// The terminal tells both of Ctrl-C, and only that program must obey; what others send
	// comes to this one alone.
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGHUP)
	defer signal.Stop(signals)
	ended := make(chan struct{})
	defer close(ended)
	go func() {
		for {
			select {
			case s := <-signals:
				_ = c.Process.Signal(s) // it may have ended
			case <-ended:
				return
			}
		}
	}()
	err := c.Wait()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		if status, ok := exit.Sys().(syscall.WaitStatus); ok && status.Signaled() {
			return &exitStatus{128 + int(status.Signal())}
		}
		return &exitStatus{exit.ExitCode()}
	}
	return err
}

// shell prepares bash for a testbed and whoever called: kubectl, its completion and its
// KUBECONFIG. Everything it starts finds the same testbed.
func (g *globals) shell(t *testbed.Testbed) (*exec.Cmd, *learner.User, error) {
	desk, err := g.desk(t)
	if err != nil {
		return nil, nil, err
	}
	kubeconfig, err := desk.Kubeconfig()
	if err != nil {
		return nil, nil, err
	}
	bin, err := programDir(t.Home(), desk.User)
	if err != nil {
		return nil, nil, err
	}
	file := filepath.Join(desk.Dir, "bashrc")
	if err := desk.User.WriteFile(file, fmt.Appendf(nil, rc, bin, t.Name()), 0o644); err != nil {
		return nil, nil, lang.Errorf("preparing the shell: %w", "셸 준비: %w", err)
	}
	c := exec.Command("bash", "--rcfile", file, "-i")
	c.Env = append(ambient.Shell(t.Direct()...),
		"KUBECONFIG="+kubeconfig, "KUBECACHEDIR="+desk.KubectlCache(), "NORI_TESTBED="+t.Name(), "PATH="+bin+":"+os.Getenv("PATH"))
	if !desk.User.Self() {
		c.Env = append(c.Env, "NORI_HOME="+t.Home().Dir) // theirs would be another
	}
	return c, desk.User, nil
}
