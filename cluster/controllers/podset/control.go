package podset

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"

	v1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/record"
)

// Owner is an object that has pods.
type Owner interface {
	metav1.Object
	runtime.Object
}

// Control makes and deletes pods and records an event on their owner each time.
type Control struct {
	Client kubernetes.Interface
	Events record.EventRecorder
}

// Create makes a pod from the template. The API server completes its name.
// The events are those of upstream's RealPodControl.
func (c Control) Create(ctx context.Context, template *v1.PodTemplateSpec, owner Owner, ref *metav1.OwnerReference) error {
	pod := FromTemplate(template, owner, ref)
	created, err := c.Client.CoreV1().Pods(owner.GetNamespace()).Create(ctx, pod, metav1.CreateOptions{})
	if err != nil {
		// In a namespace that is being deleted nothing can be made, and no event either.
		if !apierrors.HasStatusCause(err, v1.NamespaceTerminatingCause) {
			c.Events.Eventf(owner, v1.EventTypeWarning, "FailedCreate", "Error creating: %v", err)
		}
		return err // as it is: it becomes the message of the owner's ReplicaFailure condition
	}
	c.Events.Eventf(owner, v1.EventTypeNormal, "SuccessfulCreate", "Created pod: %v", created.Name)
	return nil
}

// Delete asks for the pod to end. That it is gone already is an error (NotFound),
// so that the caller expects no news of it.
func (c Control) Delete(ctx context.Context, pod *v1.Pod, owner Owner) error {
	// The UID keeps us from deleting a pod of the same name that came after.
	err := c.Client.CoreV1().Pods(pod.Namespace).Delete(ctx, pod.Name, *metav1.NewPreconditionDeleteOptions(string(pod.UID)))
	if apierrors.IsNotFound(err) || apierrors.IsConflict(err) {
		return apierrors.NewNotFound(v1.Resource("pods"), pod.Name)
	}
	if err != nil {
		c.Events.Eventf(owner, v1.EventTypeWarning, "FailedDelete", "Error deleting: %v", err)
		return fmt.Errorf("unable to delete pods: %w", err)
	}
	c.Events.Eventf(owner, v1.EventTypeNormal, "SuccessfulDelete", "Deleted pod: %v", pod.Name)
	return nil
}

// Patch applies a strategic merge patch to a pod, as Claim needs it.
func (c Control) Patch(ctx context.Context, pod *v1.Pod, patch []byte) error {
	_, err := c.Client.CoreV1().Pods(pod.Namespace).Patch(ctx, pod.Name, types.StrategicMergePatchType, patch, metav1.PatchOptions{})
	return err
}

// FromTemplate is the pod that a template describes.
func FromTemplate(template *v1.PodTemplateSpec, owner metav1.Object, ref *metav1.OwnerReference) *v1.Pod {
	prefix := owner.GetName() + "-"
	if len(prefix) > validation.DNS1123SubdomainMaxLength {
		prefix = owner.GetName() // the API server shortens it to fit the generated end
	}
	return &v1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			GenerateName:    prefix,
			Labels:          maps.Clone(template.Labels),
			Annotations:     maps.Clone(template.Annotations),
			Finalizers:      slices.Clone(template.Finalizers),
			OwnerReferences: []metav1.OwnerReference{*ref},
		},
		Spec: *template.Spec.DeepCopy(),
	}
}

// SlowStart calls do count times: once, then twice at once, then four times, and so
// on as long as all of a batch succeed. Pods that can't be made usually can't for
// one reason, such as a quota; this way a ReplicaSet of a thousand finds out with a
// single request instead of a thousand. It returns how many calls succeeded.
func SlowStart(count int, do func() error) (int, error) {
	succeeded := 0
	for batch := 1; succeeded < count; batch *= 2 {
		size := min(batch, count-succeeded)
		errs := InParallel(size, func(int) error { return do() })
		failed := len(errs)
		succeeded += size - failed
		if failed > 0 {
			return succeeded, errs[0]
		}
	}
	return succeeded, nil
}

// InParallel calls do for 0 to count-1, all at once, and returns the errors.
func InParallel(count int, do func(i int) error) []error {
	results := make([]error, count)
	var running sync.WaitGroup
	for i := range count {
		running.Go(func() { results[i] = do(i) })
	}
	running.Wait()
	return slices.DeleteFunc(results, func(err error) bool { return err == nil })
}

// NamespaceEnding is true if err says that the namespace is being deleted, in which
// case there is no use in trying again.
func NamespaceEnding(err error) bool {
	var status apierrors.APIStatus
	return errors.As(err, &status) && apierrors.HasStatusCause(err, v1.NamespaceTerminatingCause)
}
