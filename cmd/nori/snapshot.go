package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/testbed"
)

func newSnapshotCommand(g *globals) *cobra.Command {
	c := &cobra.Command{
		Use:   "snapshot",
		Short: lang.T("Save, list and restore states of the testbed", "테스트베드 상태를 저장, 나열, 복원"),
	}
	g.groupOnly(c)
	list := &cobra.Command{
		Use: "list", Short: lang.T("List the snapshots", "스냅샷 나열"), Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return g.listSnapshots(c) },
	}
	g.outputFlag(list)
	c.AddCommand(list, &cobra.Command{
		Use: "save NAME", Short: lang.T("Save the state of all machines", "모든 머신의 상태 저장"), Args: g.exactly(1),
		RunE: func(c *cobra.Command, args []string) error {
			t, err := g.open()
			if err != nil {
				return err
			}
			begin := time.Now()
			if err := t.Save(c.Context(), args[0], g.waitingFor); err != nil {
				return err
			}
			fmt.Fprintf(g.stderr, lang.T("saved %s in %.1f s\n", "%s 저장, %.1f초\n"), args[0], time.Since(begin).Seconds())
			return nil
		},
	}, &cobra.Command{
		Use: "restore NAME", Short: lang.T("Go back to a snapshot", "스냅샷으로 돌아가기"), Args: g.exactly(1),
		RunE: func(c *cobra.Command, args []string) error { return g.reset(c, args[0]) },
	}, &cobra.Command{
		Use: "delete NAME", Short: lang.T("Forget a snapshot", "스냅샷 지우기"), Args: g.exactly(1),
		RunE: func(c *cobra.Command, args []string) error {
			t, err := g.open()
			if err != nil {
				return err
			}
			return t.DeleteSnapshot(c.Context(), args[0], g.waitingFor)
		},
	})
	return c
}

func newResetCommand(g *globals) *cobra.Command {
	to, all := testbed.StartSnapshot, false
	c := &cobra.Command{
		Use:   "reset",
		Short: lang.T("Put the testbed back to the state right after `nori up`", "`nori up` 직후 상태로 되돌리기"),
		Args:  cobra.NoArgs,
		Long: lang.T(`Puts machines and cluster back. Finished labs, scores and snapshots stay. A reset that
was interrupted is completed by the next one. With --all, every testbed of this host
is put back at once.`,
			`머신과 클러스터를 되돌립니다. 마친 실습, 점수, 스냅샷은 남습니다. 중단한 초기화는 다음
초기화가 마저 끝냅니다. --all은 이 호스트의 모든 테스트베드를 한꺼번에 되돌립니다.`),
		RunE: func(c *cobra.Command, _ []string) error {
			if all {
				return g.resetAll(c.Context(), to)
			}
			return g.reset(c, to)
		},
	}
	c.Flags().BoolVar(&all, "all", false, lang.T("every testbed of this host, all at once", "이 호스트의 모든 테스트베드를 한꺼번에"))
	c.Flags().StringVar(&to, "to", to, lang.T("another snapshot to go back to", "돌아갈 다른 스냅샷"))
	return c
}

func (g *globals) reset(c *cobra.Command, to string) error {
	t, bin, err := g.openToReset(c.Context(), to)
	if err != nil {
		return err
	}
	begin := time.Now()
	p := g.newStepView()
	err = t.Reset(c.Context(), to, testbed.RunOptions{Programs: bin, Report: p.report, Waiting: g.waitingFor})
	p.stop()
	if err != nil {
		return err
	}
	g.tell(lang.T("testbed %s is back at %q after %.1f s\n", "테스트베드 %s을(를) %q 상태로 되돌렸습니다, %.1f초\n"), t.Name(), to, time.Since(begin).Seconds())
	return nil
}

// openToReset is openToInstall where a worker came after the snapshot, since it
// will be installed anew; else a reset needs nothing but what is there.
func (g *globals) openToReset(ctx context.Context, to string) (*testbed.Testbed, string, error) {
	t, err := g.find()
	if err != nil {
		return nil, "", err
	}
	if newer, err := t.Newer(ctx, to); err == nil && len(newer) > 0 {
		return g.openToInstall(ctx)
	}
	bin, err := binDir()
	if err != nil {
		return nil, "", err
	}
	return t, bin, enter(t)
}

func (g *globals) listSnapshots(c *cobra.Command) error {
	t, err := g.open()
	if err != nil {
		return err
	}
	snaps, err := t.Snapshots(c.Context())
	if err != nil {
		return err
	}
	return g.show(snaps, func() {
		rows := [][]string{{lang.T("NAME", "이름"), lang.T("CREATED", "만든 때"), lang.T("SIZE", "크기"), lang.T("MEMORY", "메모리")}}
		for _, s := range snaps {
			memory := lang.T("no", "아니요")
			if s.Memory {
				memory = lang.T("yes", "예")
			}
			rows = append(rows, []string{s.Name, s.Created.Local().Format("2006-01-02 15:04:05"), fmt.Sprintf("%d MiB", s.Bytes>>20), memory})
		}
		printTable(g, rows)
	})
}

// exactly is cobra.ExactArgs with an exit code of its own.
func (g *globals) exactly(n int) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) != n {
			return g.usage("%s takes %d argument(s), not %d; see `%s --help`", c.CommandPath(), n, len(args), c.CommandPath())
		}
		return nil
	}
}
