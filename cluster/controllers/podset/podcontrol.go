package podset

import (
	"context"
	"fmt"
	"maps"
	"slices"

	v1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/record"
)

// PodControl makes and deletes pods and records an event on their owner each time.
// Reasons and messages are those of upstream's RealPodControl
// (pkg/controller/controller_utils.go).
type PodControl struct {
	Client kubernetes.Interface
	Events record.EventRecorder
	Kind   schema.GroupVersionKind // of the owners
	// Expect is what the caller has set before it calls CreateAll or DeleteAll. They tick
	// off what fails, because no watch will tell of it. It may be nil.
	Expect *Expectations
}

// create makes a pod from the template. The API server completes its name.
func (c PodControl) create(ctx context.Context, owner Owner, template *v1.PodTemplateSpec) error {
	pod := podFromTemplate(template, owner, metav1.NewControllerRef(owner, c.Kind))
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

// CreateAll makes count pods, each from its template, in growing batches (see
// slowStart). It stops at the first batch with a failure and returns one of the errors.
func (c PodControl) CreateAll(ctx context.Context, owner Owner, count int, template func(i int) *v1.PodTemplateSpec) error {
	created, err := slowStart(count, func(i int) error {
		err := c.create(ctx, owner, template(i))
		if apierrors.HasStatusCause(err, v1.NamespaceTerminatingCause) {
			return nil // nothing can be made here any more, and nothing needs to be
		}
		return err
	})
	// What was not made will not be seen either. The next sync makes these pods.
	for range count - created {
		c.Expect.CreationObserved(key(owner))
	}
	return err
}

// delete asks for the pod to end. That it is gone already is an error (NotFound),
// so that the caller expects no news of it.
func (c PodControl) delete(ctx context.Context, owner Owner, pod *v1.Pod) error {
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

// DeleteAll deletes the pods, all at once, and returns the errors. One that is gone
// already is no error.
func (c PodControl) DeleteAll(ctx context.Context, owner Owner, pods []*v1.Pod) []error {
	return inParallel(len(pods), func(i int) error {
		err := c.delete(ctx, owner, pods[i])
		if err != nil {
			c.Expect.DeletionObserved(key(owner), pods[i].UID)
		}
		if apierrors.IsNotFound(err) {
			return nil
		}
		return err
	})
}

// podFromTemplate is the pod that a template describes (upstream's GetPodFromTemplate).
func podFromTemplate(template *v1.PodTemplateSpec, owner metav1.Object, ref *metav1.OwnerReference) *v1.Pod {
	return &v1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			GenerateName:    GenerateName(owner),
			Labels:          maps.Clone(template.Labels),
			Annotations:     maps.Clone(template.Annotations),
			Finalizers:      slices.Clone(template.Finalizers),
			OwnerReferences: []metav1.OwnerReference{*ref},
		},
		Spec: *template.Spec.DeepCopy(),
	}
}

// GenerateName is what the names of an owner's dependents begin with; the API server
// adds five random characters (upstream's getPodsPrefix).
func GenerateName(owner metav1.Object) string {
	prefix := owner.GetName() + "-"
	if len(prefix) > validation.DNS1123SubdomainMaxLength {
		return owner.GetName() // the API server shortens it to fit the generated end
	}
	return prefix
}
