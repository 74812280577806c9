package main

import (
	"context"
	"errors"
	"strings"

	"github.com/spf13/cobra"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/provision/machine"
)

func newSSHCommand(g *globals) *cobra.Command {
	var tty bool
	c := &cobra.Command{
		Use:   "ssh NODE [-- COMMAND…]",
		Short: lang.T("Open a shell on a machine, or run a command there", "머신에서 셸을 열거나 명령 실행하기"),
		Args: func(c *cobra.Command, args []string) error {
			if len(args) == 0 {
				return g.usage("which machine? control, node1, node2, …", "어느 머신인지 지정하세요: control, node1, node2, …")
			}
			return nil
		},
		ValidArgsFunction: func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			if t, err := g.find(); err == nil && len(args) == 0 {
				return t.Machines(), cobra.ShellCompDirectiveNoFileComp
			}
			return nil, cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(c *cobra.Command, args []string) error {
			// Flags end at the node's name, so the dashes behind it are still here.
			command := args[1:]
			if len(command) > 0 && command[0] == "--" {
				command = command[1:]
			}
			return g.ssh(c.Context(), args[0], command, tty)
		},
	}
	c.Flags().BoolVarP(&tty, "tty", "t", false, lang.T("give the command a terminal", "명령에 터미널(TTY) 할당"))
	c.Flags().SetInterspersed(false)
	return c
}

func (g *globals) ssh(ctx context.Context, node string, args []string, tty bool) error {
	t, err := g.open(ctx)
	if err != nil {
		return err
	}
	defer t.Visit(commandLine())()
	connect, cancel := context.WithTimeout(ctx, t.Patient(loginLimit))
	defer cancel()
	m, err := t.Dial(g.withWaits(connect), node)
	if err != nil {
		return err
	}
	defer m.Close()
	err = m.Shell(ctx, g.stdin, g.stdout, g.stderr, g.interactive() && (len(args) == 0 || tty), strings.Join(args, " "))
	var exit *machine.ExitError
	if errors.As(err, &exit) && exit.Status >= 0 {
		return &exitStatus{exit.Status}
	}
	return err
}
