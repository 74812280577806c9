package fault

import (
	"context"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/utils/ptr"

	"noriter.dev/noriter/cluster/images"
	"noriter.dev/noriter/internal/lang"
)

// A canary is an object of no use but to see whether somebody looks at it. It
// lives in kube-system, where everything that it needs is there for certain,
// runs nothing, and is gone when the look is over.

const (
	canaryLabel = "noriter.dev/canary"
	// canaryLimit is how long a component that works may take to react.
	canaryLimit = 4 * time.Second
)

var canarySet = map[string]string{canaryLabel: ""}

func canaryMeta() metav1.ObjectMeta {
	return metav1.ObjectMeta{GenerateName: "nori-canary-", Labels: canarySet}
}

func canaryPod() v1.PodSpec {
	return v1.PodSpec{
		// No node has this label: the scheduler will look, say so, and place nothing.
		NodeSelector:                  canarySet,
		TerminationGracePeriodSeconds: ptr.To[int64](0),
		Containers:                    []v1.Container{{Name: "none", Image: images.PauseRef}},
	}
}

// shoo removes canaries that an interrupted look left.
func shoo(ctx context.Context, c kubernetes.Interface) error {
	all := metav1.ListOptions{LabelSelector: canaryLabel}
	now := metav1.DeleteOptions{GracePeriodSeconds: ptr.To[int64](0)}
	if err := c.CoreV1().Pods(metav1.NamespaceSystem).DeleteCollection(ctx, now, all); err != nil {
		return lang.Errorf("removing canaries: %w", "카나리 지우기: %w", err)
	}
	background := metav1.DeleteOptions{PropagationPolicy: ptr.To(metav1.DeletePropagationBackground)}
	if err := c.AppsV1().Deployments(metav1.NamespaceSystem).DeleteCollection(ctx, background, all); err != nil {
		return lang.Errorf("removing canaries: %w", "카나리 지우기: %w", err)
	}
	return nil
}

// reacts asks again and again whether somebody has reacted, and removes the
// canary afterwards.
func (w *world) reacts(ctx context.Context, c kubernetes.Interface, ask func(context.Context) (bool, error)) (bool, error) {
	defer func() {
		clean, cancel := context.WithTimeout(context.WithoutCancel(ctx), w.Patient(dialLimit))
		defer cancel()
		_ = shoo(clean, c) // the next look tries again
	}()
	limited, cancel := context.WithTimeout(ctx, w.Patient(canaryLimit))
	defer cancel()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		done, err := ask(ctx)
		if done || err != nil {
			return done, err
		}
		select {
		case <-limited.Done():
			return false, ctx.Err()
		case <-tick.C:
		}
	}
}

// schedules says whether a scheduler looks at a new pod.
func (w *world) schedules(ctx context.Context) (bool, error) {
	c, err := w.client()
	if err != nil {
		return false, err
	}
	pods := c.CoreV1().Pods(metav1.NamespaceSystem)
	pod, err := pods.Create(ctx, &v1.Pod{ObjectMeta: canaryMeta(), Spec: canaryPod()}, metav1.CreateOptions{})
	if err != nil {
		return false, lang.Errorf("making a pod to see whether it is scheduled: %w", "스케줄되는지 볼 파드 만들기: %w", err)
	}
	return w.reacts(ctx, c, func(ctx context.Context) (bool, error) {
		p, err := pods.Get(ctx, pod.Name, metav1.GetOptions{})
		if err != nil {
			return false, lang.Errorf("looking at the pod: %w", "파드 조회: %w", err)
		}
		return len(p.Status.Conditions) > 0, nil
	})
}

// controls says whether a controller looks at a new Deployment, of no pods.
func (w *world) controls(ctx context.Context) (bool, error) {
	c, err := w.client()
	if err != nil {
		return false, err
	}
	deployments := c.AppsV1().Deployments(metav1.NamespaceSystem)
	d, err := deployments.Create(ctx, &appsv1.Deployment{
		ObjectMeta: canaryMeta(),
		Spec: appsv1.DeploymentSpec{
			Replicas: ptr.To[int32](0), Selector: &metav1.LabelSelector{MatchLabels: canarySet},
			Template: v1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: canarySet}, Spec: canaryPod()},
		},
	}, metav1.CreateOptions{})
	if err != nil {
		return false, lang.Errorf("making a Deployment to see whether it is acted upon: %w", "컨트롤러가 처리하는지 볼 디플로이먼트 만들기: %w", err)
	}
	return w.reacts(ctx, c, func(ctx context.Context) (bool, error) {
		got, err := deployments.Get(ctx, d.Name, metav1.GetOptions{})
		if err != nil {
			return false, lang.Errorf("looking at the Deployment: %w", "디플로이먼트 조회: %w", err)
		}
		return got.Status.ObservedGeneration > 0, nil
	})
}
