package main

import (
	"context"
	"os"
	"os/exec"
	"strings"
	"syscall"

	"noriter.dev/noriter/internal/ambient"
	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/provision/netns"
	"noriter.dev/noriter/testbed"
)

// enter goes into the network namespace of an isolated testbed by running this
// program again inside it: a running Go program can't move all its threads. After a
// reboot of the host it is made anew; the machines come with `nori up`.
func (g *globals) enter(ctx context.Context, t *testbed.Testbed) error {
	if t.Namespace() == "" {
		return nil
	}
	ambient.Again(enteredVariable, t.Name())
	for {
		if err := t.EnsureNamespace(ctx, g.command, g.waitingFor); err != nil {
			return err
		}
		err := netns.Enter(t.Namespace())
		if err == nil || netns.Exists(t.Namespace()) {
			return err
		} // else it was removed at this moment, and the testbed with it
	}
}

// enteredVariable tells this program, when it is run again inside a namespace, which
// testbed it was run for.
const enteredVariable = "NORI_ENTERED"

// told is what this program was told by the one that ran it again, in a variable; "" if it
// was started by somebody else. What it starts is not told.
func told(variable string) string {
	said := os.Getenv(variable)
	if err := os.Unsetenv(variable); err != nil {
		return ""
	}
	return said
}

// becomeRoot runs this program again under sudo where the testbeds of this
// host belong to root and the caller is somebody else.
func (g *globals) becomeRoot(home testbed.Home) error {
	keep := calledVariable + ",LANG,LC_ALL,LC_MESSAGES,NO_COLOR,TERM,NORI_TESTBED,NORI_CACHE,KUBECONFIG,EDITOR,VISUAL,KUBE_EDITOR," + strings.Join(ambient.ProxyVariables, ",")
	switch names, err := home.Names(); {
	case os.Geteuid() == 0:
		return nil
	case os.Getenv("NORI_HOME") != "":
		if !home.OfRoot() {
			return nil
		}
		keep += ",NORI_HOME" // a shell for a learner names it
	case err == nil && len(names) > 0:
		return nil // testbeds of one's own, through libvirt
	}
	sudo, err := exec.LookPath("sudo")
	if err != nil {
		return errNoRoot()
	}
	self, err := thisProgram()
	if err != nil {
		return err
	}
	argv := append([]string{"sudo", "--preserve-env=" + keep, "--", self}, calledWith()...)
	environ := append(ambient.Original(), calledVariable+"="+g.program())
	if err := syscall.Exec(sudo, argv, environ); err != nil {
		return lang.Errorf("becoming root: %w", "root 권한 얻기: %w", err)
	}
	return nil
}

// calledWith are the arguments of this program, with the name by which it was called
// where that is a command.
func calledWith() []string {
	if calledAsKubectl(os.Args[0]) {
		return append([]string{"kubectl"}, os.Args[1:]...)
	}
	return os.Args[1:]
}
