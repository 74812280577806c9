package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"noriter.dev/noriter/internal/lang"
)

func newSnapshotCommand(g *globals) *cobra.Command {
	c := &cobra.Command{
		Use:   "snapshot",
		Short: lang.T("Save, list and restore states of the testbed", "테스트베드의 상태 저장, 목록 보기, 복원"),
	}
	g.groupOnly(c)
	list := &cobra.Command{
		Use: "list", Short: lang.T("List the snapshots", "스냅샷 목록 보기"), Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return g.listSnapshots(c) },
	}
	g.outputFlag(list)
	c.AddCommand(list, &cobra.Command{
		Use: "save NAME", Short: lang.T("Save the state of all machines", "모든 머신의 상태 저장하기"), Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			t, err := g.open(c.Context())
			if err != nil {
				return err
			}
			begin := time.Now()
			if err := t.Save(g.withWaits(c.Context()), args[0], g.waitingFor); err != nil {
				return err
			}
			g.tell("saved %s in %.1f s", "%s을(를) 저장했습니다 (%.1f초)", args[0], time.Since(begin).Seconds())
			return nil
		},
	}, &cobra.Command{
		Use: "restore NAME", Short: lang.T("Go back to a snapshot", "스냅샷으로 되돌리기"), Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error { return g.reset(c, args[0], true) },
	}, &cobra.Command{
		Use: "delete NAME", Short: lang.T("Forget a snapshot", "스냅샷 지우기"), Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			t, err := g.open(c.Context())
			if err != nil {
				return err
			}
			return t.DeleteSnapshot(g.withWaits(c.Context()), args[0], g.waitingFor)
		},
	})
	return c
}

func (g *globals) listSnapshots(c *cobra.Command) error {
	t, err := g.open(c.Context())
	if err != nil {
		return err
	}
	snaps, err := t.Snapshots(c.Context())
	if err != nil {
		return err
	}
	return g.show(snaps, func() {
		rows := [][]string{{lang.T("NAME", "이름"), lang.T("CREATED", "만든 시각"), lang.T("SIZE", "크기"), lang.T("MEMORY", "메모리")}}
		for _, s := range snaps {
			memory := lang.T("no", "아니요")
			if s.Memory {
				memory = lang.T("yes", "예")
			}
			if s.Damaged {
				rows = append(rows, []string{s.Name, lang.T("damaged", "손상됨"), "-", "-"})
				continue
			}
			rows = append(rows, []string{s.Name, s.Created.Local().Format("2006-01-02 15:04:05"), fmt.Sprintf("%d MiB", s.Bytes>>20), memory})
		}
		printTable(g, rows)
	})
}
