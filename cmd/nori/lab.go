package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/internal/printable"
	"noriter.dev/noriter/labs"
	"noriter.dev/noriter/labs/content"
	"noriter.dev/noriter/labs/format"
	"noriter.dev/noriter/labs/progress"
	"noriter.dev/noriter/labs/run"
	"noriter.dev/noriter/labs/screen"
)

func newLabCommand(g *globals) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "lab",
		Short: lang.T("Learn by doing, on your own cluster", "내 클러스터에서 직접 해 보며 배우기"),
	}
	g.groupOnly(cmd)
	g.trustFlag(cmd)
	cmd.AddCommand(newLabListCommand(g), newLabStartCommand(g), newLabStatusCommand(g), newLabHintCommand(g),
		newLabStepCommand(g), newLabNextCommand(g), newLabSolveCommand(g), newLabResetCommand(g), newLabStopCommand(g), newLabProveCommand(g), newLabNewCommand(g))
	return cmd
}

// labScreen opens what all lab commands need.
func (g *globals) labScreen(ctx context.Context) (*labs.Env, *screen.UI, error) {
	env, err := g.labEnv(ctx)
	if err != nil {
		return nil, nil, err
	}
	return env, screen.New(env, g.plain, g.noColor), nil
}

// screen is the screen of what needs no testbed.
func (g *globals) screen() *screen.UI {
	return screen.New(&labs.Env{Command: g.program(), In: g.stdin, Out: g.stdout, Err: g.stderr}, g.plain, g.noColor)
}

// screenWithProgress is labScreen with what the learner has done. Without a
// testbed it tells why nothing of that is shown: the two texts are the beginning.
func (g *globals) screenWithProgress(ctx context.Context, en, ko string) (*screen.UI, *progress.State, error) {
	env, ui, err := g.labScreen(ctx)
	if err != nil {
		fmt.Fprintln(g.stderr, lang.T(en, ko), g.typable(printable.Text(err.Error())))
		return g.screen(), &progress.State{}, nil
	}
	state, err := run.StoreFor(env).Load()
	return ui, state, err
}

// choose asks which one is meant, and gives its place. Where nobody can be asked,
// the usage error is what the two texts say.
func (g *globals) choose(ui *screen.UI, question string, labels []string, en, ko string) (int, error) {
	n, err := ui.Choose(question, labels)
	if errors.Is(err, screen.ErrNoAnswer) {
		return 0, g.usage(en, ko)
	}
	return n, err
}

// labelsOf are what a list shows of its entries.
func labelsOf[E interface{ Label() string }](entries []E) (labels []string) {
	for _, e := range entries {
		labels = append(labels, e.Label())
	}
	return labels
}

// allLabs reads the labs that are built in.
func allLabs() ([]*format.Lab, error) { return format.LoadAll(content.FS) }

// findLab finds a lab by its id, or by its path: ./my-lab.
func (g *globals) findLab(id string) (*format.Lab, error) {
	if strings.ContainsRune(id, filepath.Separator) {
		return labAt(id)
	}
	all, err := allLabs()
	if err != nil {
		return nil, err
	}
	var ids []string
	for _, l := range all {
		if l.ID == id {
			return l, nil
		}
		ids = append(ids, l.ID)
	}
	return nil, g.usage("there is no lab %q; there are: %s", "%q(이)라는 실습은 없습니다. 있는 실습: %s", id, strings.Join(ids, ", "))
}

// openLab is the session of the lab named, or else of the one that is open. To a lab from
// elsewhere the learner must have agreed, if it is going to do anything.
func (g *globals) openLab(ctx context.Context, args []string, does bool) (*run.Session, *screen.UI, error) {
	env, ui, err := g.labScreen(ctx)
	if err != nil {
		return nil, nil, err
	}
	id, open := "", ""
	if len(args) > 0 {
		id = args[0]
	} else {
		state, err := run.StoreFor(env).Load()
		if err != nil {
			return nil, nil, err
		}
		open, id = state.Current, state.Current
		if path := format.PathOf(open); path != "" {
			id = path
		}
		if id == "" {
			return nil, nil, lang.Errorf("no lab is open; `%s lab list` shows them, `%[1]s lab start LAB` opens one",
				"진행 중인 실습이 없습니다. `%s lab list`로 목록을 보고 `%[1]s lab start LAB`으로 시작하세요", env.Nori())
		}
	}
	lab, err := g.findLab(id)
	if err != nil && !does && open != "" { // its folder may have gone, and it is to be closed
		lab, err = format.Forgotten(open), nil
	}
	if err != nil {
		return nil, nil, err
	}
	if does {
		err = g.agree(env, ui, lab.Path, lab.Hash, lab.Effects())
	} else if lab.Path != "" {
		err = g.otherHands(env)
	}
	if err != nil {
		return nil, nil, err
	}
	s, err := run.New(env, lab)
	return s, ui, err
}

// completeLab offers the ids of the labs to shell completion.
func completeLab(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	all, err := allLabs()
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	var ids []string
	for _, l := range all {
		ids = append(ids, l.ID+"\t"+l.Summary.String())
	}
	return ids, cobra.ShellCompDirectiveNoFileComp
}

// outputFlag adds -o json.
func (g *globals) outputFlag(cmd *cobra.Command) *cobra.Command {
	cmd.Flags().StringVarP(&g.output, "output", "o", "", lang.T("json, for scripts", "출력 형식: json (스크립트용)"))
	return cmd
}

func (g *globals) printJSON(v any) error {
	data, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(g.stdout, printable.JSON(string(data)))
	return err
}

func newLabListCommand(g *globals) *cobra.Command {
	return g.outputFlag(&cobra.Command{
		Use: "list", Short: lang.T("List the labs and how far you are", "실습 목록과 진행 상황 보기"), Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return g.listLabs(c.Context()) },
	})
}

// listLabs works without a testbed, too: one may want to look before `nori up`.
func (g *globals) listLabs(ctx context.Context) error {
	all, err := allLabs()
	if err != nil {
		return err
	}
	ui, state, err := g.screenWithProgress(ctx, "Your progress isn't shown:", "진행 상황은 표시하지 않습니다:")
	if err != nil {
		return err
	}
	entries := screen.Entries(all, state)
	if g.output == "json" {
		return g.printJSON(entries)
	}
	return ui.List(entries)
}

func newLabStartCommand(g *globals) *cobra.Command {
	return &cobra.Command{
		Use: "start [LAB]", Short: lang.T("Start a lab, or go on with it", "실습을 시작하거나 이어서 하기"),
		Args: cobra.MaximumNArgs(1), ValidArgsFunction: completeLab,
		RunE: func(c *cobra.Command, args []string) error { return g.startLab(c.Context(), args) },
	}
}

func (g *globals) startLab(ctx context.Context, args []string) error {
	env, ui, err := g.labScreen(ctx)
	if err != nil {
		return err
	}
	lab, err := g.chooseLab(env, ui, args)
	if err != nil {
		return err
	}
	if err := g.agree(env, ui, lab.Path, lab.Hash, lab.Effects()); err != nil {
		return err
	}
	s, err := run.New(env, lab)
	if err != nil {
		return err
	}
	if err := sayNeeds(env, ui, lab); err != nil {
		return err
	}
	if err := s.Start(sayWaits(ctx, ui.Say), ui.Say); err != nil {
		return err
	}
	err = ui.Play(ctx, s)
	switch {
	case errors.Is(err, screen.ErrLeft):
		return nil
	case err != nil:
		return err
	}
	return offerQuiz(ctx, env, ui, lab.ID)
}

// sayNeeds tells which labs should come first; nobody is kept from going on.
func sayNeeds(env *labs.Env, ui *screen.UI, lab *format.Lab) error {
	state, err := run.StoreFor(env).Load()
	if err != nil {
		return err
	}
	for _, id := range lab.Needs {
		l := state.Labs[id]
		if l != nil {
			if _, done := l.Best(); done {
				continue
			}
		}
		ui.Say(lang.Textf("This lab builds on %[1]s, which you haven't finished: `%[2]s lab start %[1]s`.",
			"이 실습은 아직 마치지 않은 %[1]s 실습에서 이어집니다: `%[2]s lab start %[1]s`", id, ui.Command).String())
	}
	return nil
}

// chooseLab is the lab named, or the one that is chosen from the list.
func (g *globals) chooseLab(env *labs.Env, ui *screen.UI, args []string) (*format.Lab, error) {
	if len(args) > 0 {
		return g.findLab(args[0])
	}
	all, err := allLabs()
	if err != nil {
		return nil, err
	}
	state, err := run.StoreFor(env).Load()
	if err != nil {
		return nil, err
	}
	n, err := g.choose(ui, lang.T("Which lab?", "어떤 실습을 할까요?"), labelsOf(screen.Entries(all, state)),
		"name a lab: nori lab start LAB", "실습을 지정하세요: nori lab start LAB")
	if err != nil {
		return nil, err
	}
	return all[n], nil
}
