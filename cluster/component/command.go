package component

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"noriter.dev/noriter/cluster/trace"
)

// Options is what every component's options can do: define their flags, and say what is
// wrong with the values before anything is done with them.
type Options interface {
	AddFlags(*pflag.FlagSet)
	Validate() error
}

// Command wires a component's options and its Run to a sub-command. What the
// component logs and decides goes to standard error, under its name.
func Command[O any, P interface {
	*O
	Options
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

// Main is the whole of a program that runs one of several components: until
// the component ends, or an interrupt or SIGTERM ends it. It returns the exit code.
func Main(program, short string, components ...*cobra.Command) int {
	root := &cobra.Command{Use: program, Short: short, SilenceErrors: true, SilenceUsage: true}
	root.AddCommand(components...)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := root.ExecuteContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, program+":", err)
		return 1
	}
	return 0
}
