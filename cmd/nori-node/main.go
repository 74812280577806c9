// Command nori-node runs one component of a node: the agent, which runs its
// pods, or the proxy, which turns Services into nftables rules.
package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"noriter.dev/noriter/cluster/agent"
	"noriter.dev/noriter/cluster/proxy"
	"noriter.dev/noriter/cluster/trace"
)

// component is what the agent and the proxy both offer.
type component interface {
	AddFlags(*pflag.FlagSet)
	Validate() error
}

func main() {
	root := &cobra.Command{
		Use:           "nori-node",
		Short:         "One component of a node",
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.AddCommand(
		command("agent", "Runs the pods that are bound to this node", new(agent.Options), agent.Run),
		command("proxy", "Turns Services into nftables rules", new(proxy.Options), proxy.Run),
	)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := root.ExecuteContext(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "nori-node:", err)
		os.Exit(1)
	}
}

// command wires a component's options and its Run to a sub-command.
func command[O any, P interface {
	*O
	component
}](name, short string, o P, run func(context.Context, O) error) *cobra.Command {
	c := &cobra.Command{
		Use:   name,
		Short: short,
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			trace.Setup(name, os.Stderr, slog.LevelInfo)
			if err := o.Validate(); err != nil {
				return err
			}
			return run(c.Context(), *o)
		},
	}
	o.AddFlags(c.Flags())
	return c
}
