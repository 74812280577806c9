// Package component is what every process of the control plane does besides its
// own job: reach the API server, answer health checks, tell systemd that it is up,
// and lead only while it holds the lease.
package component

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

const (
	// queriesPerSecond and burst are what one component may ask of the API server.
	// Upstream's defaults (20 to 50) protect clusters of thousands of nodes; here
	// they would only make a ReplicaSet of 60 wait for its own controller.
	queriesPerSecond = 500
	burst            = 1000

	// readyPoll is how often a starting component looks whether the API server is
	// ready. Control planes start all at once, and nothing happens before it is.
	readyPoll = 50 * time.Millisecond
)

// ClientConfig reads the kubeconfig at path for typed clients. They speak protobuf,
// which costs the server and the client about a third of JSON; clients of
// custom resources and metadata need JSONConfig.
func ClientConfig(path, userAgent string) (*rest.Config, error) {
	config, err := JSONConfig(path, userAgent)
	if err != nil {
		return nil, err
	}
	config.ContentType = runtime.ContentTypeProtobuf
	config.AcceptContentTypes = runtime.ContentTypeProtobuf + "," + runtime.ContentTypeJSON
	return config, nil
}

// JSONConfig is ClientConfig without protobuf.
func JSONConfig(path, userAgent string) (*rest.Config, error) {
	config, err := clientcmd.BuildConfigFromFlags("", path)
	if err != nil {
		return nil, fmt.Errorf("reading kubeconfig %q (set --kubeconfig to the component's own): %w", path, err)
	}
	config.UserAgent = userAgent
	config.QPS, config.Burst = queriesPerSecond, burst
	return config, nil
}

// WaitForAPI returns once the API server says that it is ready, which includes
// that its default roles exist. Asking first, and often, is quicker than letting
// the first real request fail and wait for its back-off.
func WaitForAPI(ctx context.Context, client discovery.DiscoveryInterface, limit time.Duration) error {
	var last error
	began := time.Now()
	err := wait.PollUntilContextTimeout(ctx, readyPoll, limit, true, func(ctx context.Context) (bool, error) {
		_, last = client.RESTClient().Get().AbsPath("/readyz").DoRaw(ctx)
		return last == nil, nil
	})
	switch {
	case err == nil:
		slog.Info("API server is ready", "waited", time.Since(began).Round(time.Millisecond).String())
		return nil
	case ctx.Err() != nil:
		return fmt.Errorf("waiting for the API server's /readyz: %w", ctx.Err())
	default:
		return fmt.Errorf("the API server did not become ready in %v (last answer: %v); is nori-apiserver running, and is the kubeconfig's server right?", limit, last)
	}
}
