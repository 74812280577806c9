// Command release makes what is handed out of the programs that were built: an archive,
// and the tree that becomes a Debian package. `make package` calls it.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"noriter.dev/noriter/internal/ambient"
	"noriter.dev/noriter/testbed/release"
)

func main() {
	var o release.Options
	epoch := flag.Int64("epoch", 0, "the `time` of everything in it, in seconds since 1970")
	flag.StringVar(&o.Repo, "repo", ".", "top of the source `tree`")
	flag.StringVar(&o.Programs, "programs", "", "`folder` of the programs")
	flag.StringVar(&o.Cache, "cache", "", "`folder` in which images are kept")
	flag.StringVar(&o.Tree, "tree", "", "`folder` to make")
	flag.StringVar(&o.Version, "version", "", "version of the release")
	flag.StringVar(&o.Commit, "commit", "", "commit that the programs were built from")
	flag.Usage = func() {
		fmt.Fprintf(flag.CommandLine.Output(), "usage: release [flags] stock | tree | archive FILE\n")
		flag.PrintDefaults()
	}
	flag.Parse()
	o.Epoch = time.Unix(*epoch, 0)
	o.Progress = func(s string) { fmt.Fprintln(os.Stderr, "package:", s) }
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := ambient.Settle() // what is built must not depend on who builds it
	if err == nil {
		err = run(ctx, o, flag.Args())
	}
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "package:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o release.Options, args []string) error {
	switch {
	case len(args) == 1 && args[0] == "stock":
		return release.Stock(ctx, o)
	case len(args) == 1 && args[0] == "tree":
		return release.Tree(ctx, o)
	case len(args) == 2 && args[0] == "archive":
		return release.Archive(o, args[1])
	}
	flag.Usage()
	os.Exit(2)
	return nil
}
