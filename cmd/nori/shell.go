package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/fatih/color"
	"github.com/spf13/cobra"

	"noriter.dev/noriter/internal/ambient"
	"noriter.dev/noriter/internal/lang"
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
			sh, err := shell(t)
			if err != nil {
				return err
			}
			if err := t.Asleep(c.Context()); err != nil {
				fmt.Fprintln(g.stderr, color.YellowString(lang.T("note:", "참고:")), err)
			}
			g.tell("A shell for testbed %s; kubectl (k) is ready, exit leads back.",
				"테스트베드 %s용 셸입니다. kubectl(k)이 준비되어 있고, exit로 나갑니다.", t.Name())
			sh.Stdin, sh.Stdout, sh.Stderr = g.stdin, g.stdout, g.stderr
			err = sh.Run()
			var exit *exec.ExitError
			if errors.As(err, &exit) {
				return &exitStatus{exit.ExitCode()}
			}
			return err
		},
	}
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
PS1='(%[2]s) \w\$ '
`

// shell prepares bash for a testbed: kubectl, its completion and its
// KUBECONFIG. Everything it starts finds the same testbed.
func shell(t *testbed.Testbed) (*exec.Cmd, error) {
	bin, err := kubectlDir(t.Dir())
	if err != nil {
		return nil, err
	}
	file := filepath.Join(t.Dir(), "bashrc")
	if err := os.WriteFile(file, fmt.Appendf(nil, rc, bin, t.Name()), 0o644); err != nil {
		return nil, lang.Errorf("preparing the shell: %w", "셸 준비: %w", err)
	}
	c := exec.Command("bash", "--rcfile", file, "-i")
	c.Env = append(ambient.Shell(t.Direct()...),
		"KUBECONFIG="+t.Kubeconfig(), "KUBECACHEDIR="+t.KubectlCache(), "NORI_TESTBED="+t.Name(), "PATH="+bin+":"+os.Getenv("PATH"))
	return c, nil
}
