package main

import (
	"context"
	"fmt"

	"github.com/fatih/color"
	"github.com/spf13/cobra"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/testbed"
)

func newUpCommand(g *globals) *cobra.Command {
	spec := testbed.DefaultSpec()
	var file string
	c := &cobra.Command{
		Use:   "up",
		Short: lang.T("Bring a testbed up: machines, and a cluster on them", "테스트베드 켜기: 머신과 그 위의 클러스터"),
		Long: lang.T(`Brings a testbed from whatever state it is in to a cluster that is ready.
Run it again after an interruption, after a reboot, or to add workers.`,
			`어떤 상태에 있든 테스트베드를 준비된 클러스터로 만듭니다.
중단한 뒤, 재부팅한 뒤, 또는 워커를 더할 때 다시 실행하세요.`),
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return g.up(c, spec, file) },
	}
	f := c.Flags()
	f.StringVar(&spec.Driver, "driver", spec.Driver, lang.T("auto, libvirt (virtual machines) or nspawn (container machines)", "auto, libvirt(가상 머신) 또는 nspawn(컨테이너 머신)"))
	f.IntVar(&spec.Nodes, "nodes", spec.Nodes, lang.T("number of workers, 1 to 9", "워커 수, 1~9"))
	f.BoolVar(&spec.Isolated, "isolated", false, lang.T("put all of it into a network namespace of its own", "전체를 전용 네트워크 네임스페이스에 넣기"))
	f.StringVar(&spec.Connect, "connect", "", lang.T("libvirt connection, for example qemu+ssh://HOST/system", "libvirt 연결, 예: qemu+ssh://HOST/system"))
	f.StringVar(&spec.Subnet, "subnet", "", lang.T("a private /24 for the machines (default: one that is free)", "머신에 쓸 사설 /24 (기본값: 비어 있는 것)"))
	f.IntVar(&spec.Memory.Control, "control-memory", spec.Memory.Control, lang.T("memory of the control node in MiB", "컨트롤 노드 메모리(MiB)"))
	f.IntVar(&spec.Memory.Node, "node-memory", spec.Memory.Node, lang.T("memory of each worker in MiB", "워커 메모리(MiB)"))
	f.StringVarP(&file, "file", "f", "", lang.T("testbed file; flags win over it", "테스트베드 파일. 플래그가 우선"))
	return c
}

// given says which flags were typed, or that a file spoke for all of them.
func given(c *cobra.Command, file bool) testbed.Given {
	ch := func(names ...string) bool {
		for _, n := range names {
			if c.Flags().Changed(n) {
				return true
			}
		}
		return file
	}
	return testbed.Given{
		Driver: ch("driver"), Nodes: ch("nodes"), Isolated: ch("isolated"), Connect: ch("connect"),
		Subnet: c.Flags().Changed("subnet"), Memory: ch("control-memory", "node-memory"),
	}
}

// specFrom puts flags over the file over the defaults.
func (g *globals) specFrom(c *cobra.Command, flags testbed.Spec, file string) (testbed.Spec, error) {
	spec := flags
	if file != "" {
		var err error
		if spec, err = testbed.ReadSpec(file); err != nil {
			return spec, err
		}
		set := c.Flags().Changed
		if set("driver") {
			spec.Driver = flags.Driver
		}
		if set("nodes") {
			spec.Nodes = flags.Nodes
		}
		if set("isolated") {
			spec.Isolated = flags.Isolated
		}
		if set("connect") {
			spec.Connect = flags.Connect
		}
		if set("subnet") {
			spec.Subnet = flags.Subnet
		}
		if set("control-memory") {
			spec.Memory.Control = flags.Memory.Control
		}
		if set("node-memory") {
			spec.Memory.Node = flags.Memory.Node
		}
	}
	if g.name != "" {
		spec.Name = g.name
	}
	if err := spec.Validate(); err != nil {
		return spec, &testbed.UsageError{Err: err}
	}
	return spec, nil
}

func (g *globals) up(c *cobra.Command, flags testbed.Spec, file string) error {
	home, err := testbed.FindHome()
	if err != nil {
		return err
	}
	if flags.Driver != testbed.Libvirt {
		if err := becomeRoot(home); err != nil {
			return err
		}
	}
	spec, err := g.specFrom(c, flags, file)
	if err != nil {
		return err
	}
	bin, err := binDir()
	if err != nil {
		return err
	}
	t, err := testbed.Declare(c.Context(), home, spec, given(c, file != ""), g.waitingFor)
	if err != nil {
		return err
	}
	if t.Namespace() != "" {
		p := g.newStepView()
		err := t.BuildImages(c.Context(), bin, p.report)
		p.stop()
		if err != nil {
			return err
		}
	}
	if err := enter(t); err != nil {
		return err
	}
	return g.bringUp(c.Context(), t, bin)
}

func (g *globals) bringUp(ctx context.Context, t *testbed.Testbed, bin string) error {
	s := t.State()
	fmt.Fprintln(g.stderr, color.New(color.Bold).Sprintf(lang.T("Testbed %s: %s, control and %d workers", "테스트베드 %s: %s, 컨트롤과 워커 %d대"), t.Name(), s.Spec.Driver, s.Spec.Nodes))
	if s.Why != "" && !s.Ready {
		fmt.Fprintln(g.stderr, lang.T("driver chosen: ", "드라이버 선택: ")+explainDriver(s))
	}
	p := g.newStepView()
	err := t.Up(ctx, testbed.UpOptions{BinDir: bin, Report: p.report, Waiting: g.waitingFor})
	p.stop()
	if err != nil {
		return err
	}
	fmt.Fprintf(g.stderr, lang.T("Ready in %.1f s. Next: ", "%.1f초 만에 준비했습니다. 다음: "), t.Took().Seconds())
	fmt.Fprintln(g.stderr, color.CyanString("nori lab start pods"), lang.T("or", "또는"), color.CyanString("nori shell"))
	return nil
}

// explainDriver says why auto chose as it did, and what to expect.
func explainDriver(s testbed.State) string {
	if s.Spec.Driver == testbed.Nspawn {
		return lang.T("container machines, because virtual ones would be emulated here ("+s.Why+"). They share this host's kernel and start in about a second.",
			"컨테이너 머신. 여기서는 가상 머신이 에뮬레이션되기 때문입니다 ("+s.Why+"). 호스트 커널을 함께 쓰고 약 1초 만에 켜집니다.")
	}
	return lang.T("virtual machines ("+s.Why+"). Each has a kernel of its own; booting takes some seconds.",
		"가상 머신 ("+s.Why+"). 저마다 커널이 있고 부팅에 몇 초 걸립니다.")
}
