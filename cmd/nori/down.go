package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/testbed"
)

func newDownCommand(g *globals) *cobra.Command {
	var all, yes bool
	c := &cobra.Command{
		Use:   "down",
		Short: lang.T("Remove a testbed; caches and progress stay", "테스트베드 지우기. 캐시와 진행 상황은 남음"),
		Long: lang.T(`Removes all of a testbed, from whatever state it is in: also what is left of one whose
folder was removed or whose state is damaged. Where somebody has it open, it asks first.
Caches and learners' progress stay.`,
			`테스트베드의 모든 것을 지웁니다. 어떤 상태이든 지우며, 폴더가 지워졌거나 상태가 손상된
테스트베드에서 남은 것도 지웁니다. 누가 열어 두었으면 먼저 묻습니다. 캐시와 학습자의 진행
상황은 남습니다.`),
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if all {
				return g.downAll(c.Context(), yes)
			}
			return g.down(c.Context(), yes)
		},
	}
	c.Flags().BoolVar(&all, "all", false, lang.T("every testbed of this host's state folder, and all that is left of others", "이 상태 폴더의 모든 테스트베드와 남아 있는 모든 것"))
	c.Flags().BoolVar(&yes, "yes", false, lang.T("don't ask", "묻지 않고 실행"))
	return c
}

func (g *globals) down(ctx context.Context, yes bool) error {
	home, name, err := g.meantToRemove(ctx)
	if err != nil {
		return err
	}
	if g.entered != name { // else it was asked before
		if ok, err := g.mayRemove(home, name, yes); err != nil || !ok {
			return err
		}
	}
	t, err := testbed.Open(home, name)
	var broken *testbed.BrokenState
	switch {
	case errors.Is(err, testbed.ErrNoTestbed), errors.As(err, &broken):
		return g.sweep(ctx, home, name)
	case err != nil:
		return err
	}
	if err := g.enter(ctx, t); err != nil {
		return err
	}
	if err := t.Down(g.withWaits(ctx), g.waitingFor); err != nil {
		return err
	}
	g.tell("testbed %s is gone", "테스트베드 %s을(를) 지웠습니다", name)
	return g.tellOfLost(ctx, home)
}

// meantToRemove is the testbed that is meant: where there is none, that may be one of
// which something is left.
func (g *globals) meantToRemove(ctx context.Context) (home testbed.Home, name string, err error) {
	if home, err = testbed.FindHome(); err != nil {
		return home, "", err
	}
	if err := g.becomeRoot(home); err != nil {
		return home, "", err
	}
	if name, err = g.meant(home); err != nil || g.name != "" {
		return home, name, err
	}
	names, err := home.Names()
	if err != nil || len(names) > 0 {
		return home, name, err
	}
	lost, _ := home.Lost(ctx) // what can't be looked at is said when it is removed
	switch len(lost) {
	case 0:
		return home, name, nil
	case 1:
		return home, lost[0], nil
	}
	return home, "", g.usage("there is no testbed, but something is left of %s: say which with --name, or `nori down --all` removes it all",
		"테스트베드는 없지만 %s에서 남은 것이 있습니다. --name으로 하나를 지정하거나 `nori down --all`로 모두 지우세요", strings.Join(lost, ", "))
}

// mayRemove tells who has the testbed open and asks, if somebody has.
func (g *globals) mayRemove(home testbed.Home, name string, yes bool) (bool, error) {
	visitors, err := home.Visitors(name)
	if err != nil || len(visitors) == 0 {
		return err == nil, err
	}
	for _, v := range visitors {
		g.tell("testbed %s is open: %s", "테스트베드 %s이(가) 열려 있습니다: %s", name, v)
	}
	return g.confirm(yes, lang.Text{EN: "Remove it all the same?", KO: "그래도 지울까요?"})
}

// confirm asks a yes-or-no question. Where nobody can be asked, or yes was said
// already, the command was given on purpose.
func (g *globals) confirm(yes bool, question lang.Text) (bool, error) {
	switch {
	case yes || !g.interactive():
		return true, nil
	case !g.plain:
		return g.screen().Confirm(question.String())
	}
	fmt.Fprint(g.stderr, question, " (y/N) ")
	line, err := bufio.NewReader(g.stdin).ReadString('\n')
	if err != nil {
		return false, nil // nobody answers any more
	}
	return slices.Contains([]string{"y", "yes", "예"}, strings.ToLower(strings.TrimSpace(line))), nil
}

// sweep removes what is left of a testbed that has no state, or none that can be used.
func (g *globals) sweep(ctx context.Context, home testbed.Home, name string) error {
	left := home.Leftovers(ctx, name)
	var err error
	if left.Any() {
		left, err = home.Sweep(ctx, name, g.waitingFor)
	}
	if left.Unseen != nil {
		g.tell("not everything could be looked at: %v", "볼 수 없는 것이 있었습니다: %v", left.Unseen)
	}
	switch {
	case err != nil:
		return err
	case left.Any():
		g.tell("removed what was left of testbed %s: %s", "테스트베드 %s에서 남은 것을 지웠습니다: %s", name, left.What())
	default:
		g.tell("there is no testbed %s in %s; nothing to do", "%[2]s에 테스트베드 %[1]s이(가) 없습니다. 할 일이 없습니다", name, home.Dir)
	}
	if other := left.Elsewhere(); other != "" {
		fmt.Fprintln(g.stderr, other)
	}
	return g.tellOfLost(ctx, home)
}

// tellOfLost names what is left of other testbeds, where no one was named.
func (g *globals) tellOfLost(ctx context.Context, home testbed.Home) error {
	if g.name != "" {
		return nil
	}
	lost, _ := home.Lost(ctx) // only what was seen can be told
	for _, name := range lost {
		g.tell("something is left of testbed %s: `nori down --name %[1]s` removes it", "테스트베드 %s에서 남은 것이 있습니다. `nori down --name %[1]s`로 지우세요", name)
	}
	return nil
}
