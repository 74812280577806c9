// Command nori-control runs one component of the control plane: the store, the
// API server, the scheduler or the controllers. Each runs as a process and a
// systemd unit of its own, because stopping one and watching what stops
// happening is a lesson.
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

	"noriter.dev/noriter/cluster/apiserver"
	"noriter.dev/noriter/cluster/controllers"
	"noriter.dev/noriter/cluster/etcd"
	"noriter.dev/noriter/cluster/scheduler"
	"noriter.dev/noriter/cluster/trace"
)

// component is what every package of the control plane offers.
type component interface {
	AddFlags(*pflag.FlagSet)
	Validate() error
}

func main() {
	root := &cobra.Command{
		Use:           "nori-control",
		Short:         "One component of the control plane",
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.AddCommand(
		command("etcd", "The store: every object of the cluster, and nothing else", new(etcd.Options), etcd.Run),
		command("apiserver", "The API: the only one that talks to the store", new(apiserver.Options), apiserver.Run),
		command("scheduler", "Chooses a node for every pod that has none", new(scheduler.Options), scheduler.Run),
		command("controllers", "The loops that make what is into what was asked for", new(controllers.Options), controllers.Run),
	)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := root.ExecuteContext(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "nori-control:", err)
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
