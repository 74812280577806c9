package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/labs/screen"
	"noriter.dev/noriter/testbed"
)

func newPruneCommand(g *globals) *cobra.Command {
	var all, yes bool
	c := &cobra.Command{
		Use:   "prune",
		Short: lang.T("Remove what the cache keeps and nobody needs", "캐시에서 아무도 쓰지 않는 것 지우기"),
		Long: lang.T(`Lists what the cache keeps although no testbed needs it and this nori would not use it:
images of other versions, and what interrupted builds left. Then it asks, and removes
them. What is in use by another nori or by a machine stays, and so do testbeds and
learners' progress. With -o json nothing is removed unless --yes is given.`,
			`테스트베드에도 필요 없고 이 nori도 쓰지 않는, 캐시에 남은 것(다른 버전의 이미지, 중단된
빌드가 남긴 것)을 보여 주고, 물어본 뒤 지웁니다. 다른 nori나 머신이 쓰고 있는 것은 남으며,
테스트베드와 학습자의 진행 상황도 남습니다. -o json은 --yes가 없으면 아무것도 지우지 않습니다.`),
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return g.prune(c.Context(), all, yes) },
	}
	c.Flags().BoolVar(&all, "all", false, lang.T("also what this nori would use, and would have to make again", "이 nori가 쓸, 다시 만들어야 할 것도 지움"))
	c.Flags().BoolVarP(&yes, "yes", "y", false, lang.T("don't ask", "묻지 않음"))
	return g.outputFlag(c)
}

// pruned is what `nori prune -o json` prints.
type pruned struct {
	Entries []testbed.Prunable `json:"entries"`
	// Frees is for all of them together.
	Frees   int64 `json:"frees"`
	Removed bool  `json:"removed"`
}

func (g *globals) prune(ctx context.Context, all, yes bool) error {
	home, err := testbed.FindHome()
	if err != nil {
		return err
	}
	if err := g.becomeRoot(home); err != nil {
		return err
	}
	bin, err := binDir()
	if err != nil {
		return err // or what this nori would use would be taken for nobody's
	}
	list, frees, err := home.Prunable(ctx, bin, all)
	if err != nil {
		return err
	}
	result := pruned{Entries: list, Frees: frees, Removed: yes}
	people := g.output != "json"
	if people {
		g.printPrunable(list)
	}
	if len(list) > 0 && people && !yes {
		if yes, err = g.mayPrune(frees); err != nil {
			return err
		}
	}
	if yes {
		if err := home.Prune(list); err != nil {
			return err
		}
	}
	return g.show(result, func() { g.printPruned(list, frees, yes) })
}

// mayPrune asks. Where nobody answers, nothing may be taken for a yes: it is an error.
func (g *globals) mayPrune(frees int64) (bool, error) {
	ui := g.screen()
	question := lang.Textf("Remove all of this? It frees %s.", "모두 지울까요? 비게 되는 공간: %s", sizeText(frees)).String()
	if ui.Redraw {
		return ui.Confirm(question)
	}
	n, err := ui.Choose(question, []string{lang.T("remove it", "지우기"), lang.T("leave it", "그대로 두기")})
	if errors.Is(err, screen.ErrNoAnswer) {
		return false, g.usage("nobody answers here: --yes removes all of this, -o json lists it",
			"여기서는 물어볼 수 없습니다. 모두 지우려면 --yes를, 목록만 보려면 -o json을 쓰세요")
	}
	return n == 0, err
}

func (g *globals) printPrunable(list []testbed.Prunable) {
	if len(list) == 0 {
		return
	}
	var entries []testbed.Entry
	for _, p := range list {
		entries = append(entries, p.Entry)
	}
	rows := entryRows(entries)
	for i := range rows { // nobody needs any of them
		rows[i] = rows[i][:len(rows[i])-1]
	}
	printTable(g, rows)
}

func (g *globals) printPruned(list []testbed.Prunable, frees int64, yes bool) {
	switch {
	case len(list) == 0:
		g.tell("nothing to remove: all that the cache keeps is needed", "지울 것이 없습니다. 캐시에 있는 것은 모두 필요합니다")
		return
	case !yes:
		g.tell("nothing was removed", "아무것도 지우지 않았습니다")
		return
	}
	for _, p := range list {
		if p.Kept != "" {
			frees -= p.Frees
			fmt.Fprintf(g.stdout, "%s: %s\n", p.Name, lang.Textf("kept, %s", "남겨 둠, %s", p.Kept))
		}
	}
	g.tell("freed %s", "비운 공간: %s", sizeText(max(frees, 0)))
}
