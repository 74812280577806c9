package main

import (
	"context"
	"os"
	"strings"

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
	desk, err := g.desk(t)
	if err != nil {
		return nil, err
	}
	kubeconfig, err := desk.Kubeconfig()
	if err != nil {
		return nil, err
	}
	bin, err := programDir(t.Home(), desk.User)
	if err != nil {
		return nil, err
	}
	// Labs on machines use `nori ssh` in their scripts, as learners do; what kubectl
	// remembers of the cluster stays with the learner.
	surroundings := map[string]string{"NORI_TESTBED": t.Name(), "KUBECACHEDIR": desk.KubectlCache()}
	if !desk.User.Self() {
		surroundings["NORI_HOME"] = t.Home().Dir // theirs would be another
	}
	for name, value := range surroundings {
		if err := os.Setenv(name, value); err != nil {
			return nil, err
		}
	}
	g.bed = t
	t.Visit(commandLine()) // until this process ends
	program := g.programAnywhere()
	return &labs.Env{
		Patience: t.Traits().Patience(),
		Testbed:  t.Name(), Gone: t.Gone, Kubeconfig: kubeconfig, Config: config, Nodes: &nodes{testbed: t},
		BinDir: bin, User: desk.User, ProgressDir: desk.Dir, Making: desk.Making(), Agreed: desk.Agreed(), Command: program + strings.TrimPrefix(t.Home().Nori(t.Name()), "nori"), Program: program,
		Lang: lang.Current(), In: g.stdin, Out: g.stdout, Err: g.stderr,
	}, nil
}
