package main

import (
	"context"
	"fmt"
	"os/exec"
	"slices"
	"strings"

	"github.com/fatih/color"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/testbed"
)

// downAll removes every testbed of this home, and all that is left of others. Each is
// removed by a process of its own, since an isolated one must be entered; one that
// fails leaves the others alone.
func (g *globals) downAll(ctx context.Context, yes bool) error {
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
	names, err := g.allToRemove(ctx, home)
	if err != nil {
		return err
	}
	if len(names) == 0 {
		g.tell("there is no testbed in %s; nothing to do", "%s에 테스트베드가 없습니다. 할 일이 없습니다", home.Dir)
		return nil
	}
	if ok, err := g.mayRemoveAll(home, names, yes); err != nil || !ok {
		return err
	}
	self, err := thisProgram()
	if err != nil {
		return err
	}
	failed := eachTestbed(ctx, names, g.stderr, func(ctx context.Context, name string) *exec.Cmd {
		return exec.CommandContext(ctx, self, "--name", name, "--plain", "--lang", lang.Current(), "down", "--yes")
	})
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if len(failed) > 0 {
		fmt.Fprintln(g.stderr, color.RedString(lang.T("not removed:", "지우지 못함:")), strings.Join(failed, ", "))
		return &exitStatus{exitFailed}
	}
	g.tell("all %d are gone. Learners' progress (%s) and caches (%s) stay; `nori prune` removes caches",
		"%d개를 모두 지웠습니다. 학습자의 진행 상황(%s)과 캐시(%s)는 남습니다. 캐시는 `nori prune`으로 지웁니다", len(names), home.Learner(), home.Cache())
	return nil
}

// allToRemove are the testbeds, and those of which something is left.
func (g *globals) allToRemove(ctx context.Context, home testbed.Home) ([]string, error) {
	names, err := home.Names()
	if err != nil {
		return nil, err
	}
	lost, unseen := home.Lost(ctx)
	if unseen != nil {
		g.tell("not everything could be looked at: %v", "볼 수 없는 것이 있었습니다: %v", unseen)
	}
	names = append(names, lost...)
	slices.Sort(names)
	return slices.Compact(names), nil
}

// mayRemoveAll names all that goes, tells who has something of it open, and asks. So
// much is not removed where nobody can be asked and nobody has said yes.
func (g *globals) mayRemoveAll(home testbed.Home, names []string, yes bool) (bool, error) {
	list := strings.Join(names, ", ")
	if !yes && !g.interactive() {
		return false, g.usage("this would remove %s: add --yes", "다음을 모두 지우게 됩니다: %s. --yes를 붙이세요", list)
	}
	for _, name := range names {
		visitors, err := home.Visitors(name)
		if err != nil {
			return false, err
		}
		for _, v := range visitors {
			g.tell("testbed %s is open: %s", "테스트베드 %s이(가) 열려 있습니다: %s", name, v)
		}
	}
	return g.confirm(yes, lang.Textf("Remove %s, with all that is in them?", "%s을(를) 안에 있는 것까지 모두 지울까요?", list))
}
