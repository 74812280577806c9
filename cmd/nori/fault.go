package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/fatih/color"
	"github.com/spf13/cobra"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/internal/printable"
	"noriter.dev/noriter/provision/step"
	"noriter.dev/noriter/testbed"
	"noriter.dev/noriter/testbed/fault"
)

func newFaultCommand(g *globals) *cobra.Command {
	c := &cobra.Command{
		Use:   "fault",
		Short: lang.T("Break the testbed on purpose, and mend it", "테스트베드에 일부러 장애를 일으키고 복구하기"),
	}
	g.groupOnly(c)
	list := &cobra.Command{
		Use: "list", Args: cobra.NoArgs,
		Short: lang.T("List the faults, and whether those that are in still show", "장애 목록과 주입한 장애의 증상 보기"),
		RunE:  func(c *cobra.Command, _ []string) error { return g.listFaults(c.Context()) },
	}
	g.outputFlag(list)
	c.AddCommand(list, newFaultInjectCommand(g), newFaultRecoverCommand(g), newFaultVerifyCommand(g),
		newFaultHintCommand(g), newFaultRevealCommand(g))
	return c
}

// faultOptions are the flags that inject and verify share.
func (g *globals) faultOptions(c *cobra.Command, o *fault.Options) {
	c.Flags().Uint64Var(&o.Seed, "seed", 0, lang.T("choose by this number; the same number chooses the same again (default: a new one)",
		"대상을 고르는 시드. 시드가 같으면 대상도 같음 (기본값: 새 시드)"))
	c.Flags().StringVarP(&o.Namespace, "namespace", "n", "", lang.T("break something in this namespace (default: a small shop that is brought along)",
		"이 네임스페이스의 오브젝트를 망가뜨림 (기본값: 연습용으로 만드는 작은 가게)"))
}

// settleFault fills in what no flag says.
func (g *globals) settleFault(c *cobra.Command, o *fault.Options) {
	if !c.Flags().Changed("seed") {
		o.Seed = rand.Uint64N(1_000_000)
	}
	o.Waiting = g.waitingFor
}

func completeFault(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	var out []string
	for _, f := range fault.All() {
		out = append(out, f.Name+"\t"+f.What.String())
	}
	return out, cobra.ShellCompDirectiveNoFileComp
}

// faultLine is one line of `nori fault list`.
type faultLine struct {
	Name    string         `json:"name"`
	Level   int            `json:"level"`
	What    string         `json:"what"`
	Symptom string         `json:"symptom"`
	In      *testbed.Fault `json:"in,omitempty"`
	// Shows and Seen are of a fault that is in.
	Shows bool   `json:"shows,omitempty"`
	Seen  string `json:"seen,omitempty"`
}

// listFaults works without a testbed, too: one may want to read before `nori up`.
func (g *globals) listFaults(ctx context.Context) error {
	t, err := g.open(ctx)
	if err != nil && !errors.Is(err, testbed.ErrNoTestbed) {
		return err
	}
	in, sights := map[string]testbed.Fault{}, map[string]fault.Sight{}
	secret := err == nil && t.Exercise().Secret()
	if err == nil && !secret {
		for _, r := range t.Faults() {
			in[r.Name] = r
		}
		sights = fault.Look(ctx, t)
	}
	var lines []faultLine
	for _, f := range fault.All() {
		l := faultLine{Name: f.Name, Level: f.Level, What: f.What.String(), Symptom: f.Symptom.String()}
		if r, ok := in[f.Name]; ok {
			r.Undo = nil // there may be a secret in it
			l.In, l.Shows, l.Seen = &r, sights[f.Name].State == fault.Broken, sights[f.Name].Seen.String()
		}
		lines = append(lines, l)
	}
	return g.show(lines, func() {
		g.printFaults(lines)
		if secret {
			g.print("\n" + surpriseIn(t))
		}
	})
}

func (g *globals) printFaults(lines []faultLine) {
	rows := [][]string{{lang.T("FAULT", "장애"), fmt.Sprintf(lang.T("LEVEL (%d-%d)", "단계(%d~%d)"), fault.MinLevel, fault.MaxLevel), lang.T("WHAT", "내용")}}
	for _, l := range lines {
		rows = append(rows, []string{l.Name, strconv.Itoa(l.Level), l.What})
	}
	printTable(g, rows)
	for _, l := range lines {
		if l.In == nil {
			continue
		}
		state := color.RedString(lang.T("it shows", "증상 있음"))
		if !l.Shows {
			state = color.GreenString(lang.T("it no longer shows", "증상 없음"))
		}
		fmt.Fprintln(g.stdout, lang.Textf("\nIn: %s, %s, for %s (seed %d). Now %s: %s", "\n주입한 장애: %s, %s, %s 전 (시드 %d). 지금 %s: %s",
			color.New(color.Bold).Sprint(l.Name), fault.TargetOf(*l.In), time.Since(l.In.Since).Round(time.Second), l.In.Seed, state, printable.Text(l.Seen)))
	}
}

func newFaultInjectCommand(g *globals) *cobra.Command {
	var o fault.Options
	var random bool
	var level int
	c := &cobra.Command{
		Use: "inject FAULT|--random", ValidArgsFunction: completeFault,
		Short: lang.T("Put a fault into the testbed, and prove that it took effect", "테스트베드에 장애를 주입하고 효과 확인하기"),
		Long: lang.T(`Looks that the testbed is steady, chooses a target by the seed, breaks it, and waits
until the effect can be seen. "nori fault recover" takes it out again; "nori reset" does, too.

With --random the seed chooses the fault as well, and nothing is said about which: find it,
mend it, and have "nori fault verify" look. "nori fault hint" helps, "nori fault reveal"
gives up. Level 3 is two faults at a time.`,
			`테스트베드가 정상인지 확인하고, 시드로 대상을 골라 망가뜨린 뒤, 효과가 나타날 때까지
기다립니다. "nori fault recover"로 복구합니다. "nori reset"을 해도 없어집니다.

--random을 붙이면 장애도 시드로 고르고, 무엇인지 알려 주지 않습니다. 찾아서 고친 다음
"nori fault verify"로 확인하세요. "nori fault hint"로 힌트를 보고, "nori fault reveal"로
포기합니다. 3단계에서는 장애 두 개가 함께 일어납니다.`),
		Args: func(c *cobra.Command, args []string) error {
			if random {
				return cobra.NoArgs(c, args)
			}
			return cobra.ExactArgs(1)(c, args)
		},
		RunE: func(c *cobra.Command, args []string) error {
			g.settleFault(c, &o)
			if random {
				return g.surprise(c, level, o)
			}
			if c.Flags().Changed("level") {
				return g.usage("--level goes with --random", "--level은 --random과 함께 씁니다")
			}
			f, err := fault.Find(args[0])
			if err != nil {
				return err
			}
			return g.injectFault(c.Context(), f, o)
		},
	}
	g.faultOptions(c, &o)
	c.Flags().StringVar(&o.Node, "node", "", lang.T("break this worker (default: the seed chooses)", "이 워커를 망가뜨림 (기본값: 시드로 고름)"))
	c.Flags().BoolVar(&random, "random", false, lang.T("break something, and don't say what", "무엇인지 알리지 않고 망가뜨림"))
	c.Flags().IntVar(&level, "level", 0, lang.T("with --random, how hard: 1 to 3 (default: the seed chooses)", "--random의 난이도: 1~3 (기본값: 시드로 고름)"))
	return c
}

func (g *globals) injectFault(ctx context.Context, f *fault.Fault, o fault.Options) error {
	t, err := g.open(ctx)
	if err != nil {
		return err
	}
	var r testbed.Fault
	err = g.showSteps(func(report step.Reporter) error {
		o.Report = report
		r, err = fault.Inject(ctx, t, f, o)
		return err
	})
	if err != nil {
		return err
	}
	g.tell("%s is in: %s (seed %d)", "%s 장애를 주입했습니다: %s (시드 %d)", color.New(color.Bold).Sprint(r.Name), fault.TargetOf(r), r.Seed)
	g.tell("What is seen: %s.", "나타나는 증상: %s.", f.Symptom)
	g.tell("To take it out: %s", "복구하려면: %s", color.CyanString(t.Command("fault recover "+r.Name)))
	return nil
}

func newFaultRecoverCommand(g *globals) *cobra.Command {
	return &cobra.Command{
		Use: "recover [FAULT]", Args: cobra.MaximumNArgs(1), ValidArgsFunction: completeFault,
		Short: lang.T("Take a fault out, or all of them", "장애를 하나 또는 모두 복구하기"),
		RunE: func(c *cobra.Command, args []string) error {
			t, err := g.open(c.Context())
			if err != nil {
				return err
			}
			name := ""
			if len(args) > 0 {
				name = args[0]
			}
			var out []testbed.Fault
			err = g.showSteps(func(report step.Reporter) error {
				out, err = fault.Recover(c.Context(), t, name, fault.Options{Report: report, Waiting: g.waitingFor})
				return err
			})
			if err != nil {
				return err
			}
			switch {
			case len(out) > 0:
			case name == "":
				g.tell("no fault is in; nothing to do", "주입한 장애가 없습니다. 할 일이 없습니다")
			default:
				g.tell("%s was not put in; wherever it could be, nothing shows it", "%s 장애는 주입한 적이 없고, 있을 만한 곳 어디에도 증상이 없습니다", name)
			}
			for _, r := range out {
				g.tell("%s is out: %s", "%s 장애를 복구했습니다: %s", r.Name, fault.TargetOf(r))
			}
			return nil
		},
	}
}
