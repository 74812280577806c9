package fault

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	v1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/testbed"
)

// What is remembered of an object that is broken: where in it, what was there,
// and what is there now.
const (
	undoWhere = "where"
	undoWas   = "was"
	undoIs    = "is"
)

var imageTagBroken = &Fault{
	Name: "image-tag-broken", Level: 1, workload: true,
	What: lang.Text{EN: "a Deployment's image has a tag that does not exist", KO: "디플로이먼트의 이미지 태그를 없는 것으로 바꿈"},
	Symptom: lang.Text{
		EN: "the rollout hangs; the new pod is in ErrImagePull, then ImagePullBackOff; the old ones serve on",
		KO: "롤아웃이 멈춥니다. 새 파드는 ErrImagePull에 이어 ImagePullBackOff 상태가 되고, 이전 파드는 계속 응답합니다",
	},
	targets: deployments(func(*appsv1.Deployment) bool { return true }),
	plan: func(ctx context.Context, w *world, f *testbed.Fault, chance *rand.Rand) error {
		d, err := w.deployment(ctx, *f)
		if err != nil {
			return err
		}
		containers := d.Spec.Template.Spec.Containers
		c := containers[chance.IntN(len(containers))]
		keep(f, map[string]string{undoWhere: c.Name, undoWas: c.Image, undoIs: withoutTag(c.Image) + ":" + pick(chance, "v1.O", "latset", "v9", "1.0-rc", "stabel")})
		return nil
	},
	inject: func(ctx context.Context, w *world, f testbed.Fault) error {
		return w.setImage(ctx, f, f.Undo[undoWas], f.Undo[undoIs])
	},
	recover: func(ctx context.Context, w *world, f testbed.Fault) error {
		return w.setImage(ctx, f, f.Undo[undoIs], f.Undo[undoWas])
	},
	look: func(ctx context.Context, w *world, f testbed.Fault) (Sight, error) {
		d, err := w.deployment(ctx, f)
		if err != nil {
			return gone(err)
		}
		pods, err := w.podsOf(ctx, d)
		if err != nil {
			return Sight{}, err
		}
		for _, p := range pods {
			if reason := waitsFor(p, "ErrImagePull", "ImagePullBackOff"); reason != "" {
				return w.ifCurrent(ctx, d, &p, Sight{Broken, lang.Textf("the pod %s is waiting: %s", "파드 %s 대기 중: %s", p.Name, reason)})
			}
		}
		return rolledOut(f, d), nil
	},
}

// rolledOut tells how far a Deployment is in which no pod shows a fault.
func rolledOut(f testbed.Fault, d *appsv1.Deployment) Sight {
	s := Sight{Between, lang.Textf("%d of %d pods are up to date, %d available", "파드 %[2]d개 중 %[1]d개가 최신, %[3]d개가 사용 가능",
		d.Status.UpdatedReplicas, ptr.Deref(d.Spec.Replicas, 1), d.Status.AvailableReplicas)}
	if served(f, d) {
		s.State = Whole
	}
	return s
}

// keep adds to what undoing will need.
func keep(f *testbed.Fault, what map[string]string) {
	f.Undo = maps.Clone(f.Undo)
	if f.Undo == nil {
		f.Undo = map[string]string{}
	}
	maps.Copy(f.Undo, what)
}

// waitsFor is the reason of those for which a container of a pod is waiting.
func waitsFor(p v1.Pod, reasons ...string) string {
	for _, s := range p.Status.ContainerStatuses {
		if s.State.Waiting != nil && slices.Contains(reasons, s.State.Waiting.Reason) {
			return s.State.Waiting.Reason
		}
	}
	return ""
}

func seen(state State, en, ko string) Sight { return Sight{state, lang.Text{EN: en, KO: ko}} }

// gone says that an object was removed by somebody: there is nothing to put back any
// more, and nothing is mended.
func gone(err error) (Sight, error) {
	if apierrors.IsNotFound(err) {
		return seen(Missing, "it is no longer there", "더는 없음"), nil
	}
	return Sight{}, err
}

func pick(chance *rand.Rand, words ...string) string { return words[chance.IntN(len(words))] }

// withoutTag is an image's name without tag or digest.
func withoutTag(image string) string {
	image, _, _ = strings.Cut(image, "@")
	if i := strings.LastIndexByte(image, ':'); i > strings.LastIndexByte(image, '/') {
		return image[:i]
	}
	return image
}

// served says that a Deployment is complete and that no fewer pods are available than
// were when the fault went in: scaling down is no mend.
func served(f testbed.Fault, d *appsv1.Deployment) bool {
	before, err := strconv.Atoi(f.Undo[undoReplicas])
	if err != nil {
		before = 1
	}
	return complete(d) && int(d.Status.AvailableReplicas) >= before
}

// complete says that a Deployment is as `kubectl rollout status` wants it.
func complete(d *appsv1.Deployment) bool {
	want, s := ptr.Deref(d.Spec.Replicas, 1), d.Status
	return s.ObservedGeneration >= d.Generation && s.UpdatedReplicas == want && s.Replicas == want && s.AvailableReplicas == want
}

// deployments lists the complete Deployments of the namespace that match.
func deployments(match func(*appsv1.Deployment) bool) func(context.Context, *world) ([]testbed.Fault, error) {
	return func(ctx context.Context, w *world) ([]testbed.Fault, error) {
		c, err := w.client()
		if err != nil {
			return nil, err
		}
		list, err := c.AppsV1().Deployments(w.namespace).List(ctx, metav1.ListOptions{})
		if err != nil {
			return nil, lang.Errorf("listing the Deployments of %s: %w", "%s의 디플로이먼트 목록 조회: %w", w.namespace, err)
		}
		var out []testbed.Fault
		for i := range list.Items {
			d := &list.Items[i]
			if complete(d) && d.Status.AvailableReplicas > 0 && match(d) {
				out = append(out, testbed.Fault{Namespace: d.Namespace, Object: d.Name,
					Undo: map[string]string{undoReplicas: strconv.Itoa(int(d.Status.AvailableReplicas))}})
			}
		}
		return out, nil
	}
}

func (w *world) deployment(ctx context.Context, f testbed.Fault) (*appsv1.Deployment, error) {
	c, err := w.client()
	if err != nil {
		return nil, err
	}
	d, err := c.AppsV1().Deployments(f.Namespace).Get(ctx, f.Object, metav1.GetOptions{})
	if err != nil {
		return nil, lang.Errorf("looking at the Deployment %s/%s: %w", "디플로이먼트 %s/%s 조회: %w", f.Namespace, f.Object, err)
	}
	return d, nil
}

// setImage changes the image of the container in the record, if it is still
// what it is thought to be: a learner's own repair stays.
func (w *world) setImage(ctx context.Context, f testbed.Fault, from, to string) error {
	d, err := w.deployment(ctx, f)
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return err
	}
	i := slices.IndexFunc(d.Spec.Template.Spec.Containers, func(c v1.Container) bool { return c.Name == f.Undo[undoWhere] })
	if i < 0 || d.Spec.Template.Spec.Containers[i].Image != from {
		return nil
	}
	patch := fmt.Appendf(nil, `{"spec":{"template":{"spec":{"containers":[{"name":%q,"image":%q}]}}}}`, f.Undo[undoWhere], to)
	c, err := w.client()
	if err != nil {
		return err
	}
	if _, err := c.AppsV1().Deployments(f.Namespace).Patch(ctx, f.Object, types.StrategicMergePatchType, patch, metav1.PatchOptions{}); err != nil {
		return lang.Errorf("changing the image of %s: %w", "%s의 이미지 변경: %w", TargetOf(f), err)
	}
	return nil
}

// podsOf are the pods that a Deployment selects.
func (w *world) podsOf(ctx context.Context, d *appsv1.Deployment) ([]v1.Pod, error) {
	selector, err := metav1.LabelSelectorAsSelector(d.Spec.Selector)
	if err != nil {
		return nil, lang.Errorf("reading the selector of %s: %w", "%s의 셀렉터 읽기: %w", d.Name, err)
	}
	c, err := w.client()
	if err != nil {
		return nil, err
	}
	list, err := c.CoreV1().Pods(d.Namespace).List(ctx, metav1.ListOptions{LabelSelector: selector.String()})
	if err != nil {
		return nil, lang.Errorf("listing the pods of %s: %w", "%s의 파드 목록 조회: %w", d.Name, err)
	}
	return list.Items, nil
}
