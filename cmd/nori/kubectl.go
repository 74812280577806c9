package main

import (
	"context"
	"os"
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

// kubectl becomes the real kubectl, which is in this program.
func (g *globals) kubectl(ctx context.Context, args []string) error {
	if err := g.settle(nil); err != nil {
		return err
	}
	// The link named kubectl honours KUBECONFIG, as kubectl does; `nori
	// kubectl` means the testbed whatever the environment says.
	t, err := g.open(ctx)
	if err != nil && (!g.link || os.Getenv("KUBECONFIG") == "") {
		return err
	}
	if g.link && os.Getenv("KUBECONFIG") != "" {
		if err := ambient.Restore(); err != nil { // the cluster may be anybody's
			return err
		}
	} else {
		if _, err := t.RESTConfig(); err != nil {
			return err
		}
		if err := os.Setenv("KUBECONFIG", t.Kubeconfig()); err != nil {
			return err
		}
		// Testbeds may have the same address one after another, and side by side.
		if err := os.Setenv("KUBECACHEDIR", t.KubectlCache()); err != nil {
			return err
		}
	}
	findHomeAgain()
	// From here on signals are kubectl's affair: what it does not handle must
	// end it, as it does elsewhere.
	signal.Reset(os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	os.Args = append([]string{"kubectl"}, args...)
	flags := genericclioptions.NewConfigFlags(true).WithDeprecatedPasswordFlag().WithDiscoveryBurst(300).WithDiscoveryQPS(50.0)
	flags = flags.WithWrapConfigFn(func(c *rest.Config) *rest.Config {
		if t != nil {
			c.Dial = t.Dialer() // of a testbed on another host
			if os.Getenv("KUBECONFIG") == t.Kubeconfig() {
				c.Dial = t.DialAPI // which says at once that its machine is off
			}
		}
		return c
	})
	command := cmd.NewDefaultKubectlCommandWithArgs(cmd.KubectlOptions{
		PluginHandler: cmd.NewDefaultPluginHandler(plugin.ValidPluginFilenamePrefixes),
		Arguments:     os.Args,
		ConfigFlags:   flags,
		IOStreams:     genericiooptions.IOStreams{In: os.Stdin, Out: os.Stdout, ErrOut: os.Stderr},
	})
	if err := cli.RunNoErrOutput(command); err != nil {
		return err
	}
	return nil
}

// findHomeAgain has kubectl's libraries look for a home folder once more: they did so
// before this program's first line, when it may have been below a file, which they take
// for a failure, or relative to any folder.
func findHomeAgain() {
	clientcmd.RecommendedConfigDir = filepath.Join(homedir.HomeDir(), clientcmd.RecommendedHomeDir)
	clientcmd.RecommendedHomeFile = filepath.Join(clientcmd.RecommendedConfigDir, clientcmd.RecommendedFileName)
	kuberc.RecommendedKubeRCFile = filepath.Join(clientcmd.RecommendedConfigDir, kuberc.RecommendedKubeRCFileName)
}

// kubectlDir makes, and names, a folder with nothing in it but this program,
// under its own name and that of kubectl.
func kubectlDir(dir string) (string, error) {
	self, err := thisProgram()
	if err != nil {
		return "", err
	}
	bin := filepath.Join(dir, "bin")
	if err := os.MkdirAll(bin, 0o755); err != nil {
		return "", lang.Errorf("preparing kubectl: %w", "kubectl 준비: %w", err)
	}
	for _, name := range []string{"kubectl", "nori"} {
		if err := linkTo(self, filepath.Join(bin, name)); err != nil {
			return "", lang.Errorf("preparing kubectl: %w", "kubectl 준비: %w", err)
		}
	}
	return bin, nil
}

// linkTo makes a link, in the place of one that leads elsewhere: at no moment is
// there none.
func linkTo(target, link string) error {
	if have, err := os.Readlink(link); err == nil && have == target {
		return nil
	}
	tmp := link + ".new"
	os.Remove(tmp)
	if err := os.Symlink(target, tmp); err != nil {
		return err
	}
	return os.Rename(tmp, link)
}
