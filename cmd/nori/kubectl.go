package main

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/util/homedir"
	"k8s.io/component-base/cli"
	"k8s.io/kubectl/pkg/cmd"
	"k8s.io/kubectl/pkg/cmd/plugin"
	"k8s.io/kubectl/pkg/kuberc"

	"noriter.dev/noriter/internal/ambient"
	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/internal/learner"
	"noriter.dev/noriter/provision/remote"
	"noriter.dev/noriter/testbed"
)

func newKubectlCommand(g *globals) *cobra.Command {
	return &cobra.Command{
		Use:                "kubectl …",
		Short:              lang.T("Run kubectl for the testbed", "테스트베드의 클러스터에 kubectl 실행하기"),
		DisableFlagParsing: true,
		// kubectl's own flags are kubectl's; ours come before the word kubectl.
		PersistentPreRunE: func(*cobra.Command, []string) error { return nil },
		RunE:              func(c *cobra.Command, args []string) error { return g.kubectl(c.Context(), args) },
	}
}

// kubectl runs the real kubectl, which is in this program. The link of that name honours
// KUBECONFIG, as kubectl does; `nori kubectl` means the testbed whatever the environment
// says.
func (g *globals) kubectl(ctx context.Context, args []string) error {
	if err := g.settle(nil); err != nil {
		return err
	}
	named := os.Getenv("KUBECONFIG")
	if !g.link {
		named = ""
	}
	if named != "" && !g.means(named) {
		// The cluster may be anybody's. It is reached without root, and by proxies.
		if err := ambient.Restore(); err != nil {
			return err
		}
		return runKubectl(args, nil)
	}
	t, err := g.open(ctx)
	if err != nil {
		return err
	}
	if _, err := t.RESTConfig(); err != nil {
		return err
	}
	desk, err := g.desk(t)
	if err != nil {
		return err
	}
	kubeconfig, err := desk.Kubeconfig()
	if err != nil {
		return err
	}
	if named != "" { // a copy, which may have another namespace
		kubeconfig = named
	}
	// Testbeds may have the same address one after another, and side by side.
	for name, value := range map[string]string{"KUBECONFIG": kubeconfig, "KUBECACHEDIR": desk.KubectlCache()} {
		if err := os.Setenv(name, value); err != nil {
			return err
		}
	}
	if !desk.User.Self() {
		return g.kubectlOf(desk.User, t, args)
	}
	via := t.Dialer() // of a testbed on another host
	if kubeconfig == t.Kubeconfig() {
		via = t.DialAPI // which says at once that its machine is off
	}
	return runKubectl(args, via)
}

// means tells whether a kubeconfig is that of a testbed which this user has without
// becoming root: such a cluster may only be reached from its network namespace, or by way
// of another host.
func (g *globals) means(kubeconfig string) bool {
	home, err := testbed.FindHome()
	if err != nil {
		return false
	}
	name, err := g.meant(home)
	if err != nil {
		return false
	}
	t, err := testbed.Open(home, name)
	if err != nil {
		return false
	}
	ours, err := t.RESTConfig()
	if err != nil {
		return false
	}
	theirs, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	return err == nil && theirs.Host == ours.Host && bytes.Equal(theirs.CAData, ours.CAData)
}

// kubectlOf runs kubectl with a learner's rights: the files that it reads and writes, its
// editor and its plugins are theirs.
func (g *globals) kubectlOf(who *learner.User, t *testbed.Testbed, args []string) error {
	bin, err := programDir(t.Home(), who)
	if err != nil {
		return err
	}
	c := exec.Command(filepath.Join(bin, "kubectl"), args...)
	c.Env = ambient.Shell(t.Direct()...)
	return g.becomes(who, c)
}

// runKubectl becomes the real kubectl. via is how the API server is reached; nil is
// directly.
func runKubectl(args []string, via remote.Dialer) error {
	findHomeAgain()
	// From here on signals are kubectl's affair: what it does not handle must
	// end it, as it does elsewhere.
	signal.Reset(os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	os.Args = append([]string{"kubectl"}, args...)
	flags := genericclioptions.NewConfigFlags(true).WithDeprecatedPasswordFlag().WithDiscoveryBurst(300).WithDiscoveryQPS(50.0)
	flags = flags.WithWrapConfigFn(func(c *rest.Config) *rest.Config {
		if via != nil {
			c.Dial = via
		}
		return c
	})
	return cli.RunNoErrOutput(cmd.NewDefaultKubectlCommandWithArgs(cmd.KubectlOptions{
		PluginHandler: cmd.NewDefaultPluginHandler(plugin.ValidPluginFilenamePrefixes),
		Arguments:     os.Args,
		ConfigFlags:   flags,
		IOStreams:     genericiooptions.IOStreams{In: os.Stdin, Out: os.Stdout, ErrOut: os.Stderr},
	}))
}

// findHomeAgain has kubectl's libraries look for a home folder once more: they did so
// before this program's first line, when it may have been below a file, which they take
// for a failure, or relative to any folder.
func findHomeAgain() {
	clientcmd.RecommendedConfigDir = filepath.Join(homedir.HomeDir(), clientcmd.RecommendedHomeDir)
	clientcmd.RecommendedHomeFile = filepath.Join(clientcmd.RecommendedConfigDir, clientcmd.RecommendedFileName)
	kuberc.RecommendedKubeRCFile = filepath.Join(clientcmd.RecommendedConfigDir, kuberc.RecommendedKubeRCFileName)
}
