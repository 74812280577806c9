package main

import (
	"fmt"

	"github.com/spf13/cobra"
	"k8s.io/component-base/version"

	"noriter.dev/noriter/internal/build"
	"noriter.dev/noriter/internal/lang"
)

// versions are what `nori version` tells.
type versions struct {
	Noriter    string `json:"noriter"`
	Kubernetes string `json:"kubernetes"`
}

func newVersionCommand(g *globals) *cobra.Command {
	return g.outputFlag(&cobra.Command{
		Use:   "version",
		Short: lang.T("Show the versions of Noriter and of Kubernetes", "놀이터와 쿠버네티스의 버전 보기"),
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			v := versions{Noriter: build.Version(), Kubernetes: version.Get().GitVersion}
			return g.show(v, func() { fmt.Fprintf(g.stdout, "noriter %s\nkubernetes %s\n", v.Noriter, v.Kubernetes) })
		},
	})
}
