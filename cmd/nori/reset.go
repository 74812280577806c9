package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"

	"github.com/fatih/color"
	"github.com/spf13/cobra"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/provision/step"
	"noriter.dev/noriter/testbed"
)

func newResetCommand(g *globals) *cobra.Command {
	to, all, yes := testbed.StartSnapshot, false, false
	c := &cobra.Command{
		Use:   "reset",
		Short: lang.T("Put the testbed back to the state right after `nori up`", "`nori up` 직후 상태로 되돌리기"),
		Args:  cobra.NoArgs,
		Long: lang.T(`Puts machines and cluster back. Finished labs, scores and snapshots stay. A reset that
was interrupted is completed by the next one. With --all, every testbed of this host
is put back at once.`,
			`머신과 클러스터를 되돌립니다. 마친 실습, 점수, 스냅샷은 남습니다. 중단된 초기화는 다음
초기화 때 마저 끝냅니다. --all은 이 호스트의 모든 테스트베드를 한꺼번에 되돌립니다.`),
		RunE: func(c *cobra.Command, _ []string) error {
			if all {
				return g.resetAll(c.Context(), to, yes)
			}
			return g.reset(c, to, yes)
		},
	}
	c.Flags().BoolVar(&all, "all", false, lang.T("every testbed of this host, all at once", "이 호스트의 모든 테스트베드를 한꺼번에"))
	c.Flags().BoolVar(&yes, "yes", false, lang.T("don't ask", "묻지 않고 실행"))
	c.Flags().StringVar(&to, "to", to, lang.T("another snapshot to go back to", "돌아갈 다른 스냅샷"))
	return c
}

func (g *globals) reset(c *cobra.Command, to string, yes bool) error {
	t, bin, err := g.openToReset(c.Context(), to, yes)
	if err != nil || t == nil {
		return err
	}
	begin := time.Now()
	err = g.showSteps(func(report step.Reporter) error {
		return t.Reset(c.Context(), to, testbed.RunOptions{Programs: bin, Report: report, Waiting: g.waitingFor})
	})
	if err != nil {
		return err
	}
	g.tell("testbed %s is back at %q after %.1f s", "테스트베드 %s을(를) %q 상태로 되돌렸습니다 (%.1f초)", t.Name(), to, time.Since(begin).Seconds())
	return nil
}

// openToReset is openToInstall where a worker came after the snapshot, or where the
// snapshot has another nori's programs, since they will be installed anew; else a
// reset needs nothing but what is there. It gives no testbed where the answer was no.
func (g *globals) openToReset(ctx context.Context, to string, yes bool) (*testbed.Testbed, string, error) {
	t, bin, err := g.findWithPrograms()
	if err != nil {
		return nil, "", err
	}
	old, err := t.Outdated(to, bin)
	if err != nil {
		return nil, "", err
	}
	if g.entered == "" { // else it was asked before
		ok, err := g.confirm(yes, lang.Textf("Put testbed %s back to %q? All that was made since goes.",
			"테스트베드 %s을(를) %q 상태로 되돌릴까요? 그 뒤에 만든 것은 사라집니다.", t.Name(), to))
		if err != nil || !ok {
			return nil, "", err
		}
	}
	if newer, err := t.Newer(ctx, to); old || err == nil && len(newer) > 0 {
		return t, bin, g.enterWithImages(ctx, t, bin)
	}
	return t, bin, g.enter(ctx, t)
}

// resetAll puts every testbed of this host back, all at once. Each is reset by
// a process of its own, since an isolated one must be entered.
func (g *globals) resetAll(ctx context.Context, to string, yes bool) error {
	if g.name != "" {
		return g.usage("--all means every testbed; leave --name out, or --all", "--all은 모든 테스트베드를 뜻합니다. --name과 --all 가운데 하나를 빼세요")
	}
	home, err := testbed.FindHome()
	if err != nil {
		return err
	}
	if err := g.becomeRoot(home); err != nil {
		return err
	}
	names, err := home.Names()
	if err != nil {
		return err
	}
	if len(names) == 0 {
		g.tell("there is no testbed; nothing to do", "테스트베드가 없습니다. 할 일이 없습니다")
		return nil
	}
	if ok, err := g.confirm(yes, lang.Textf("Put %s back to %q? All that was made since goes.",
		"%s을(를) %q 상태로 되돌릴까요? 그 뒤에 만든 것은 사라집니다.", strings.Join(names, ", "), to)); err != nil || !ok {
		return err
	}
	self, err := thisProgram()
	if err != nil {
		return err
	}
	begin := time.Now()
	failed := eachTestbed(ctx, names, g.stderr, func(ctx context.Context, name string) *exec.Cmd {
		return exec.CommandContext(ctx, self, "--name", name, "--plain", "--lang", lang.Current(), "reset", "--to", to)
	})
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	g.tell("%d of %d testbeds are back at %q after %.1f s", "테스트베드 %[2]d개 중 %[1]d개를 %[3]q 상태로 되돌렸습니다 (%.1[4]f초)",
		len(names)-len(failed), len(names), to, time.Since(begin).Seconds())
	if len(failed) > 0 {
		fmt.Fprintln(g.stderr, color.RedString(lang.T("not reset:", "되돌리지 못함:")), failed)
		return &exitStatus{exitFailed}
	}
	return nil
}

// eachTestbed runs a command per testbed, prints what they say line by line with
// the testbed's name before it, and gives the names of those that failed. One
// that fails leaves the others alone.
func eachTestbed(ctx context.Context, names []string, out io.Writer, command func(context.Context, string) *exec.Cmd) (failed []string) {
	var mu sync.Mutex
	var all sync.WaitGroup
	bad := make([]bool, len(names))
	for i, name := range names {
		all.Go(func() {
			say := func(line string) {
				mu.Lock()
				defer mu.Unlock()
				fmt.Fprintf(out, "%s: %s\n", name, line)
			}
			if err := runSaying(command(ctx, name), say); err != nil {
				bad[i] = true
				var exit *exec.ExitError
				if !errors.As(err, &exit) { // else it has said what was wrong
					say(err.Error())
				}
			}
		})
	}
	all.Wait()
	for i, name := range names {
		if bad[i] {
			failed = append(failed, name)
		}
	}
	return failed
}

// runSaying runs a command to its end. Where ours is interrupted, it gets the
// time to leave something behind that the next one can take up.
func runSaying(c *exec.Cmd, say func(string)) error {
	c.Cancel = func() error { return c.Process.Signal(os.Interrupt) }
	c.WaitDelay = 30 * time.Second
	r, w := io.Pipe()
	c.Stdout, c.Stderr = w, w
	read := make(chan struct{})
	go func() {
		defer close(read)
		for s := bufio.NewScanner(r); s.Scan(); {
			say(s.Text())
		}
		_, _ = io.Copy(io.Discard, r) // what has no lines must not block it
	}()
	err := c.Run()
	_ = w.Close() // never fails
	<-read
	return err
}
