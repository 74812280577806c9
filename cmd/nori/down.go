package main

import (
	"errors"

	"github.com/spf13/cobra"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/testbed"
)

func newDownCommand(g *globals) *cobra.Command {
	return &cobra.Command{
		Use:   "down",
		Short: lang.T("Remove a testbed; caches and progress stay", "테스트베드 지우기. 캐시와 진행 상황은 남음"),
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			t, err := g.open()
			if errors.Is(err, testbed.ErrNoTestbed) {
				g.tell("there is no such testbed; nothing to do", "그런 테스트베드가 없습니다. 할 일이 없습니다")
				return nil
			}
			if err != nil {
				return err
			}
			if err := t.Down(c.Context(), g.waitingFor); err != nil {
				return err
			}
			g.tell("testbed %s is gone", "테스트베드 %s을(를) 지웠습니다", t.Name())
			return nil
		},
	}
}
