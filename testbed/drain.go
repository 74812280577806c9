package testbed

import (
	"context"
	"net/http"
	"strings"
	"time"

	v1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/kubernetes"
	"k8s.io/kubectl/pkg/drain"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/internal/wait"
)

// drainer moves the pods of a node away, as `kubectl drain --ignore-daemonsets
// --delete-emptydir-data --force` does. kubectl itself says nothing while a disruption
// budget holds a pod, nor which one it is.
type drainer struct {
	client kubernetes.Interface
	node   string
}

// drainLimit is how long the pods of a node may take to leave it; drainPause is the pause
// between two looks.
const (
	drainLimit = 40 * time.Second
	drainPause = 500 * time.Millisecond
)

// run returns when all pods have left that have to, or when one can't.
func (d *drainer) run(ctx context.Context, limit time.Duration) error {
	h := &drain.Helper{Ctx: ctx, Client: d.client, Force: true, IgnoreAllDaemonSets: true, DeleteEmptyDirData: true, GracePeriodSeconds: -1}
	list, errs := h.GetPodsForDeletion(d.node)
	if len(errs) > 0 {
		return lang.Errorf("listing the pods of %s: %w", "%s의 파드 조회: %w", d.node, errs[0])
	}
	pods := list.Pods()
	what := lang.Textf("the pods of %s to leave it", "%s에서 파드가 모두 나가기", d.node)
	return wait.For(ctx, limit, drainPause, what, func(ctx context.Context) (bool, string, error) {
		var left []v1.Pod
		var seen []string
		for _, pod := range pods {
			why, err := d.evict(ctx, &pod)
			if err != nil {
				return false, "", err
			}
			if why != "" {
				left, seen = append(left, pod), append(seen, why)
			}
		}
		pods = left
		return len(pods) == 0, strings.Join(seen, ", "), nil
	})
}

// evict asks a pod to leave, if nobody has, and tells why it is still there; empty means
// that it is gone. It is a fault if the pod can never leave.
func (d *drainer) evict(ctx context.Context, pod *v1.Pod) (why string, err error) {
	now, err := d.client.CoreV1().Pods(pod.Namespace).Get(ctx, pod.Name, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err), err == nil && now.UID != pod.UID:
		return "", nil
	case err != nil:
		return err.Error(), nil // the API server may only be busy
	case now.DeletionTimestamp != nil:
		return lang.Textf("pod %s/%s is ending", "파드 %s/%s이(가) 끝나는 중", pod.Namespace, pod.Name).String(), nil
	}
	err = d.client.PolicyV1().Evictions(pod.Namespace).Evict(ctx, &policyv1.Eviction{ObjectMeta: metav1.ObjectMeta{Namespace: pod.Namespace, Name: pod.Name}})
	switch {
	case apierrors.IsNotFound(err):
		return "", nil
	case apierrors.IsTooManyRequests(err):
		return d.held(ctx, now, err)
	case err != nil:
		return err.Error(), nil
	}
	return lang.Textf("pod %s/%s was asked to leave", "파드 %s/%s에 나가도록 요청함", pod.Namespace, pod.Name).String(), nil
}

// held tells which disruption budget keeps a pod, and whether it ever will let it go.
func (d *drainer) held(ctx context.Context, pod *v1.Pod, refused error) (string, error) {
	budget := d.budgetOf(ctx, pod)
	if budget == nil {
		return lang.Textf("pod %s/%s may not leave: %v", "파드 %s/%s이(가) 나갈 수 없음: %v", pod.Namespace, pod.Name, refused).String(), nil
	}
	s := budget.Status
	why := lang.Textf("pod %s/%s is held by the disruption budget %s: %d of its %d pods must stay, %d are healthy",
		"파드 %s/%s을(를) 중단 예산(PodDisruptionBudget) %s이(가) 붙잡고 있습니다. 파드 %[5]d개 중 %[4]d개가 남아 있어야 하고, 정상인 것은 %[6]d개입니다",
		pod.Namespace, pod.Name, budget.Name, s.DesiredHealthy, s.ExpectedPods, s.CurrentHealthy)
	if s.ObservedGeneration < budget.Generation {
		why = lang.Textf("pod %s/%s is held by the disruption budget %s, which no controller has looked at",
			"파드 %s/%s을(를) 중단 예산(PodDisruptionBudget) %s이(가) 붙잡고 있습니다. 이 예산은 아직 어떤 컨트롤러도 처리하지 않았습니다", pod.Namespace, pod.Name, budget.Name)
	} else if s.DesiredHealthy >= s.ExpectedPods {
		return "", lang.Errorf("%v: it never lets one go", "%v. 하나도 내보내지 않습니다", why)
	}
	return why.String(), nil
}

// budgetOf is the disruption budget that a pod belongs to; nil if it can't be found.
func (d *drainer) budgetOf(ctx context.Context, pod *v1.Pod) *policyv1.PodDisruptionBudget {
	list, err := d.client.PolicyV1().PodDisruptionBudgets(pod.Namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil
	}
	for i := range list.Items {
		b := &list.Items[i]
		selector, err := metav1.LabelSelectorAsSelector(b.Spec.Selector)
		if err == nil && selector.Matches(labels.Set(pod.Labels)) && b.Status.DisruptionsAllowed == 0 {
			return b
		}
	}
	return nil
}

// unhurried takes away from refusals the time after which a client tries again by itself:
// then it would wait for minutes without a word.
func unhurried(next http.RoundTripper) http.RoundTripper { return &noRetryAfter{next} }

type noRetryAfter struct{ next http.RoundTripper }

// RoundTrip makes one request.
func (t *noRetryAfter) RoundTrip(r *http.Request) (*http.Response, error) {
	res, err := t.next.RoundTrip(r)
	if err == nil && res.StatusCode == http.StatusTooManyRequests {
		res.Header.Del("Retry-After")
	}
	return res, err
}
