package main

import (
	"context"

	"github.com/spf13/cobra"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/provision/netns"
	"noriter.dev/noriter/provision/step"
	"noriter.dev/noriter/testbed"
)

func newNodeCommand(g *globals) *cobra.Command {
	c := &cobra.Command{
		Use:   "node",
		Short: lang.T("Add a worker to the running cluster, or remove one", "실행 중인 클러스터에 워커를 추가하거나 제거하기"),
	}
	g.groupOnly(c)
	var force bool
	remove := &cobra.Command{
		Use: "remove NODE", Args: cobra.ExactArgs(1),
		Short: lang.T("Drain a worker, delete its node and remove its machine", "워커를 드레인(drain)하고 노드와 머신 삭제하기"),
		Long: lang.T(`Moves the pods away as "kubectl drain" does, removes the machine and deletes the
node. What is interrupted is taken up by the same command.`,
			`"kubectl drain"처럼 파드를 옮긴 다음, 머신을 지우고 노드를 삭제합니다.
중간에 멈췄다면 같은 명령을 다시 실행해 이어서 진행할 수 있습니다.`),
		ValidArgsFunction: g.completeWorker,
		RunE:              func(c *cobra.Command, args []string) error { return g.removeNode(c, args[0], force) },
	}
	remove.Flags().BoolVar(&force, "force", false, lang.T("don't wait for the pods to leave", "파드가 옮겨 가기를 기다리지 않음"))
	c.AddCommand(&cobra.Command{
		Use: "add [NODE]", Args: cobra.MaximumNArgs(1),
		Short: lang.T("Make another worker and have it join", "워커를 하나 더 만들어 클러스터에 추가하기"),
		Long: lang.T(`Makes another machine, installs the node's programs on it and waits until its node
is Ready. The name, node1 to node9, is chosen where none is given. The worker is part
of the testbed from then on: "nori reset" keeps it, "nori node remove" takes it out.`,
			`머신을 하나 더 만들어 노드 프로그램을 설치하고, 노드가 Ready가 될 때까지 기다립니다.
이름(node1~node9)을 지정하지 않으면 알아서 고릅니다. 이 워커는 그때부터 테스트베드의
일부여서 "nori reset"을 해도 남습니다. 제거하려면 "nori node remove"를 쓰세요.`),
		RunE: func(c *cobra.Command, args []string) error { return g.addNode(c, args) },
	}, remove)
	return c
}

func (g *globals) completeWorker(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if t, err := g.find(); err == nil && len(args) == 0 {
		return t.Machines()[1:], cobra.ShellCompDirectiveNoFileComp
	}
	return nil, cobra.ShellCompDirectiveNoFileComp
}

// openToInstall is open for what installs machines.
func (g *globals) openToInstall(ctx context.Context) (*testbed.Testbed, string, error) {
	t, bin, err := g.findWithPrograms()
	if err != nil {
		return nil, "", err
	}
	return t, bin, g.enterWithImages(ctx, t, bin)
}

// enterWithImages is enter, once the images are there: no package mirror is
// reached from inside an isolated testbed.
func (g *globals) enterWithImages(ctx context.Context, t *testbed.Testbed, bin string) error {
	if inside, err := netns.Inside(t.Namespace()); t.Namespace() != "" && (err != nil || !inside) {
		err := g.showSteps(func(report step.Reporter) error { return t.BuildImages(ctx, bin, report) })
		if err != nil {
			return err
		}
	}
	return g.enter(ctx, t)
}

func (g *globals) addNode(c *cobra.Command, args []string) error {
	t, bin, err := g.openToInstall(c.Context())
	if err != nil {
		return err
	}
	name := ""
	if len(args) > 0 {
		name = args[0]
	}
	err = g.showSteps(func(report step.Reporter) (err error) {
		name, err = t.AddNode(c.Context(), name, testbed.RunOptions{Programs: bin, Report: report, Waiting: g.waitingFor})
		return err
	})
	if err != nil {
		return err
	}
	g.tell("%s is a node of testbed %s", "노드 %s을(를) 테스트베드 %s에 추가했습니다", name, t.Name())
	return nil
}

func (g *globals) removeNode(c *cobra.Command, name string, force bool) error {
	t, err := g.open(c.Context())
	if err != nil {
		return err
	}
	err = g.showSteps(func(report step.Reporter) error {
		return t.RemoveNode(c.Context(), name, force, testbed.RunOptions{Report: report, Waiting: g.waitingFor})
	})
	if err != nil {
		return err
	}
	g.tell("%s is no longer part of testbed %s", "노드 %s을(를) 테스트베드 %s에서 제거했습니다", name, t.Name())
	return nil
}
