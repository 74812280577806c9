package pods

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	v1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/util/wait"

	"noriter.dev/noriter/cluster/agent/images"
	"noriter.dev/noriter/cluster/agent/podspec"
	"noriter.dev/noriter/cluster/agent/status"
	"noriter.dev/noriter/cluster/backoff"
)

// imageLook is how soon a first failed pull is looked at again, so that the pod's
// status goes from ErrImagePull to ImagePullBackOff. (With kubelet it is the news
// of the sandbox's start that brings that look.)
const imageLook = 2 * time.Second

// syncJitter lengthens syncRetry by up to a half: workerBackOffPeriodJitterFactor in
// pkg/kubelet/pod_workers.go. Pods that failed together don't all come back together.
const syncJitter = 0.5

// imageFailure is the waiting reason of a container whose image is not there.
// missing are the pull secrets that were not found: they are worth telling of
// where a pull has failed.
func (w *podWorker) imageFailure(pod *v1.Pod, c *v1.Container, err error, missing []string) *startFailure {
	now := w.m.Clock.Now()
	var why *images.Error
	if !errors.As(err, &why) {
		return &startFailure{status.Waiting{Reason: images.ErrImagePull, Message: err.Error()}, now.Add(syncRetry)}
	}
	w.containerEvent(pod, c, v1.EventTypeWarning, "Failed", "Error: "+why.Reason)
	if why.Reason == images.ErrImagePull && len(missing) > 0 {
		w.m.Events.Event(podspec.Ref(pod, ""), v1.EventTypeWarning, "FailedToRetrieveImagePullSecret",
			fmt.Sprintf("Unable to retrieve some image pull secrets (%s); attempting to pull the image may not succeed.", strings.Join(missing, ", ")))
	}
	// The registry is left alone until the back-off ends, but the pod is looked
	// at as often as kubelet does: each look during a back-off is an event, and
	// the first one after it pulls.
	retry := wait.Jitter(syncRetry, syncJitter)
	if why.Reason == images.ErrImagePull && why.Delay <= backoff.Initial {
		retry = imageLook
	}
	return &startFailure{status.Waiting{Reason: why.Reason, Message: why.Message}, now.Add(retry)}
}

// pullSecrets reads the secrets the pod names, and tells which are missing
// (getPullSecretsForPod in pkg/kubelet/kubelet_pods.go). Those of its service account are
// among them: admission wrote them into the pod when it was created. A missing one is no
// error, because the image may be public, or another may fit.
func (w *podWorker) pullSecrets(ctx context.Context, pod *v1.Pod) (found []*v1.Secret, missing []string) {
	for _, ref := range pod.Spec.ImagePullSecrets {
		if ref.Name == "" {
			continue // valid, if useless
		}
		secret, err := w.m.Objects.Secret(ctx, pod.Namespace, ref.Name)
		if err != nil {
			if !apierrors.IsNotFound(err) {
				slog.Warn("reading an image pull secret", "pod", podspec.FormatPod(pod), "secret", ref.Name, "error", err)
			}
			missing = append(missing, ref.Name)
			continue
		}
		found = append(found, secret)
	}
	return found, missing
}
