package main

import (
	"context"
	"os"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/labs"
)

// labEnv opens the testbed for the labs, which it must be up for.
func (g *globals) labEnv(ctx context.Context) (*labs.Env, error) {
	t, err := g.open(ctx)
	if err != nil {
		return nil, err
	}
	config, err := t.RESTConfig()
	if err != nil {
		return nil, err
	}
	if err := t.Answering(ctx); err != nil {
		return nil, err
	}
	bin, err := kubectlDir(t.Dir())
	if err != nil {
		return nil, err
	}
	// Labs on machines use `nori ssh` in their scripts, as learners do; what kubectl
	// remembers of the cluster stays with the testbed.
	for name, value := range map[string]string{"NORI_TESTBED": t.Name(), "KUBECACHEDIR": t.KubectlCache()} {
		if err := os.Setenv(name, value); err != nil {
			return nil, err
		}
	}
	t.Visit(commandLine()) // until this process ends
	return &labs.Env{
		Patience: t.Traits().Patience(),
		Testbed:  t.Name(), Gone: t.Gone, Kubeconfig: t.Kubeconfig(), Config: config, Nodes: &nodes{testbed: t},
		BinDir: bin, ProgressDir: t.Home().Learner(), Command: t.Home().Nori(t.Name()),
		Lang: lang.Current(), In: g.stdin, Out: g.stdout, Err: g.stderr,
	}, nil
}
