package main

import (
	"context"
	"fmt"

	"github.com/fatih/color"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/provision/step"
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
			`테스트베드가 어떤 상태이든 준비된 클러스터로 만듭니다.
중단했거나 재부팅한 뒤, 또는 워커를 추가할 때 다시 실행하세요.`),
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return g.up(c, spec, file) },
	}
	for _, k := range testbed.Keys() {
		addKeyFlag(c.Flags(), k, &spec)
	}
	c.Flags().StringVarP(&file, "file", "f", "", lang.T("testbed file; flags win over it", "테스트베드 파일. 플래그가 파일보다 우선함"))
	return c
}

// addKeyFlag makes the flag of a testbed's key, with its value in the spec as
// the default.
func addKeyFlag(f *pflag.FlagSet, k testbed.Key, spec *testbed.Spec) {
	switch v := k.Value(spec).(type) {
	case *string:
		f.StringVar(v, k.Flag, *v, k.Help.String())
	case *int:
		f.IntVar(v, k.Flag, *v, k.Help.String())
	case *bool:
		f.BoolVar(v, k.Flag, *v, k.Help.String())
	}
}

// specFrom puts flags over the file over the defaults, and says which keys were
// given by either.
func (g *globals) specFrom(c *cobra.Command, home testbed.Home, flags testbed.Spec, file string) (testbed.Spec, testbed.Given, error) {
	spec, given := testbed.DefaultSpec(), testbed.Given(nil)
	if file != "" {
		var err error
		if spec, given, err = testbed.ReadSpec(file); err != nil {
			return spec, given, err
		}
	}
	for _, k := range testbed.Keys() {
		if c.Flags().Changed(k.Flag) {
			k.Copy(&spec, flags)
			given = append(given, k.Name)
		}
	}
	switch {
	case g.name != "":
		spec.Name = g.name
	case file == "":
		// As for all other commands: the only one there is.
		name, err := g.meant(home)
		if err != nil {
			return spec, given, err
		}
		spec.Name = name
	}
	if err := spec.Validate(); err != nil {
		return spec, given, &testbed.UsageError{Err: err}
	}
	return spec, given, nil
}

func (g *globals) up(c *cobra.Command, flags testbed.Spec, file string) error {
	home, err := testbed.FindHome()
	if err != nil {
		return err
	}
	if testbed.NeedsRoot(flags.Driver) {
		if err := g.becomeRoot(home); err != nil {
			return err
		}
	}
	spec, given, err := g.specFrom(c, home, flags, file)
	if err != nil {
		return err
	}
	bin, err := binDir()
	if err != nil {
		return err
	}
	t, err := testbed.Declare(c.Context(), home, spec, given, testbed.DeclareOptions{Waiting: g.waitingFor, Again: g.entered == spec.Name, Cleared: func(what lang.Text) {
		g.tell("removed what was left of an earlier testbed %s: %s", "이전의 테스트베드 %s에서 남은 것을 지웠습니다: %s", spec.Name, what)
	}})
	if err != nil {
		return err
	}
	if err := g.enterWithImages(c.Context(), t, bin); err != nil {
		return err
	}
	return g.bringUp(c.Context(), t, bin)
}

func (g *globals) bringUp(ctx context.Context, t *testbed.Testbed, bin string) error {
	s := t.State()
	fmt.Fprintln(g.stderr, color.New(color.Bold).Sprint(lang.Textf("Testbed %s: %s, control and %d workers",
		"테스트베드 %s: %s, 컨트롤 플레인 노드와 워커 %d대", t.Name(), s.Spec.Driver, s.Spec.Nodes)))
	if why := t.Explain(); why != "" && !s.Ready {
		g.tell("driver chosen: %s", "드라이버 선택: %s", why)
	}
	if !s.Ready && t.Emulates(ctx) {
		g.tell("These machines are emulated in software: the first `nori up` takes 7 to 14 minutes on 2 cores, later ones about 4.",
			"이 머신들은 소프트웨어로 에뮬레이션됩니다. 첫 `nori up`은 2코어에서 7~14분, 그다음부터는 4분쯤 걸립니다.")
	}
	err := g.showSteps(func(report step.Reporter) error {
		return t.Up(ctx, testbed.RunOptions{Programs: bin, Report: report, Waiting: g.waitingFor})
	})
	if err != nil {
		return err
	}
	g.tell("Ready in %.1f s. Next: %s or %s", "%.1f초 만에 준비했습니다. 다음: %s 또는 %s",
		t.Took().Seconds(), color.CyanString(t.Command("lab start pods")), color.CyanString(t.Command("shell")))
	return nil
}
