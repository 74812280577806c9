package apiserver

import (
	"flag"
	"io"
	"os"
	"strconv"

	"google.golang.org/grpc/grpclog"
	"k8s.io/client-go/rest"
	"k8s.io/klog/v2"
)

// quietLibraries lets Kubernetes' libraries log warnings and errors to
// standard error, and more only if asked: at start they have hundreds of lines
// to say that all is well.
func quietLibraries(verbosity int) {
	// The server's own clients needn't be warned about their own requests.
	rest.SetDefaultWarningHandler(rest.NoWarnings{})
	fs := flag.NewFlagSet("klog", flag.ContinueOnError)
	klog.InitFlags(fs)
	for name, value := range map[string]string{
		"logtostderr": "false", "alsologtostderr": "false", "stderrthreshold": "FATAL",
		"one_output": "true", "v": strconv.Itoa(verbosity),
	} {
		if err := fs.Set(name, value); err != nil {
			klog.ErrorS(err, "setting a klog flag", "flag", name)
		}
	}
	info := io.Writer(io.Discard)
	if verbosity > 0 {
		info = os.Stderr
	} else {
		// While etcd is away, each of some sixty connections would complain
		// twice a second; /readyz and every request that fails say so too.
		grpclog.SetLoggerV2(grpclog.NewLoggerV2(io.Discard, io.Discard, os.Stderr))
	}
	klog.SetOutputBySeverity("INFO", info)
	for _, severity := range []string{"WARNING", "ERROR", "FATAL"} {
		klog.SetOutputBySeverity(severity, os.Stderr)
	}
}
