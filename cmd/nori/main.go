// Command nori is Noriter's one command for people: it makes a testbed, shows
// it, breaks it and puts it back, and leads through the labs.
//
// Called as kubectl (by a link of that name) it is kubectl for the testbed.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/fatih/color"

	"noriter.dev/noriter/internal/ambient"
	"noriter.dev/noriter/internal/format"
	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/internal/printable"
	"noriter.dev/noriter/provision/machine"
	"noriter.dev/noriter/provision/step"
	"noriter.dev/noriter/testbed"
)

// Exit codes.
const (
	exitFailed = 1
	exitUsage  = 2
	exitHost   = 3
)

func main() {
	if err := ambient.Settle(); err != nil {
		fmt.Fprintln(os.Stderr, "nori:", err)
		os.Exit(exitFailed)
	}
	g := newGlobals()
	args := os.Args[1:]
	if calledAsKubectl(os.Args[0]) {
		g.link, args = true, calledWith()
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	chooseLanguage(args)
	cmd := newRootCommand(g)
	cmd.SetArgs(args)
	err := cmd.ExecuteContext(ctx)
	interrupted := ctx.Err() != nil
	stop()
	if err != nil {
		os.Exit(g.explain(err, interrupted))
	}
}

// calledAsKubectl says that a program's name is that of the link.
func calledAsKubectl(name string) bool { return filepath.Base(name) == "kubectl" }

// explain prints an error once, at the edge, and chooses the exit code.
func (g *globals) explain(err error, interrupted bool) int {
	var exit *exitStatus
	if errors.As(err, &exit) {
		return exit.code
	}
	red := color.New(color.FgRed, color.Bold).SprintFunc()
	if interrupted && errors.Is(err, context.Canceled) {
		fmt.Fprintln(g.stderr, red("nori:"), lang.T("interrupted; the same command takes up from here", "중단했습니다. 같은 명령을 다시 실행하면 이어서 진행합니다"))
		return 130
	}
	if home, herr := testbed.FindHome(); herr == nil {
		err = home.Trouble(err)
	}
	fmt.Fprintln(g.stderr, red("nori:"), g.typable(printable.Text(lang.Particles(err.Error()))))
	lines := advice(err)
	for _, a := range append(lines, g.lastResort(err, lines)...) {
		fmt.Fprintln(g.stderr, "     ", g.typable(a))
	}
	var usage *testbed.UsageError
	var newer *format.NewerError
	var host *machine.HostError
	switch {
	case errors.As(err, &usage), errors.As(err, &newer):
		return exitUsage
	case errors.As(err, &host):
		fmt.Fprintln(g.stderr, "     ", g.typable(lang.T("`nori doctor` checks this host", "`nori doctor`가 이 호스트를 점검합니다")))
		return exitHost
	}
	return exitFailed
}

// advice is what may be done about an error, a line each.
func advice(err error) (lines []string) {
	var failed *step.Error
	var host *machine.HostError // names its own remedy
	var mendable *testbed.Mendable
	if errors.As(err, &failed) && !errors.As(err, &host) && !errors.As(err, &mendable) {
		if a := failed.Step.Advice.String(); a != "" {
			lines = append(lines, a)
		}
	}
	var ended *machine.ExitError
	if errors.As(err, &ended) && ended.Lost {
		lines = append(lines, lang.T(
			"the machine restarted, or its network broke off; the same command takes up from here, and the machine's console log says more",
			"머신이 다시 시작되었거나 네트워크가 끊겼습니다. 같은 명령을 다시 실행하면 이어서 진행합니다. 자세한 내용은 머신의 콘솔 기록에 있습니다"))
	}
	return lines
}

// lastResort is what may be done about a failed step that names no command itself, such
// as one that ended at its time limit.
func (g *globals) lastResort(err error, lines []string) []string {
	var failed *step.Error
	var host *machine.HostError
	said := strings.Join(append([]string{err.Error()}, lines...), " ")
	if !errors.As(err, &failed) || errors.As(err, &host) || strings.Contains(said, "`nori ") {
		return nil
	}
	name := ""
	if g.name != "" {
		name = " --name " + g.name
	}
	return []string{lang.Textf("`nori up%[1]s` takes up from here, `nori reset%[1]s` puts back to the start; `nori report%[1]s` collects what tells more",
		"`nori up%[1]s`로 이어서 진행하거나, `nori reset%[1]s`로 처음 상태로 되돌리세요. `nori report%[1]s`는 더 알아볼 자료를 모읍니다", name).String()}
}

// exitStatus ends the command with a code and without another word, because
// what ran (ssh, kubectl) has said what there was to say.
type exitStatus struct{ code int }

func (e *exitStatus) Error() string { return fmt.Sprintf("exit status %d", e.code) }

// chooseLanguage looks for --lang before the commands are made, since their
// help is in that language, too.
func chooseLanguage(args []string) {
	for i, a := range args {
		if l, ok := strings.CutPrefix(a, "--lang="); ok {
			lang.Set(l)
		} else if a == "--lang" && i+1 < len(args) {
			lang.Set(args[i+1])
		} else if a == "--" || a == "kubectl" {
			return
		}
	}
}
