package fault

import (
	"context"
	"encoding/json"
	"math/rand/v2"
	"strconv"

	appsv1 "k8s.io/api/apps/v1"
	v1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/testbed"
)

// keysOf are the keys of ConfigMaps that a Deployment's containers can't do without.
func keysOf(d *appsv1.Deployment) (refs []*v1.ConfigMapKeySelector) {
	for _, c := range d.Spec.Template.Spec.Containers {
		for _, e := range c.Env {
			if e.ValueFrom != nil && e.ValueFrom.ConfigMapKeyRef != nil && (e.ValueFrom.ConfigMapKeyRef.Optional == nil || !*e.ValueFrom.ConfigMapKeyRef.Optional) {
				refs = append(refs, e.ValueFrom.ConfigMapKeyRef)
			}
		}
	}
	return refs
}

// undoKey is the key of a ConfigMap that was taken out.
const undoKey = "key"

var configKeyMissing = &Fault{
	Name: "config-key-missing", Level: 1, workload: true,
	What: lang.Text{EN: "a ConfigMap lost a key that a Deployment reads", KO: "디플로이먼트가 읽는 컨피그맵의 키를 지움"},
	Symptom: lang.Text{
		EN: "a pod that is replaced stays in CreateContainerConfigError; those that run already go on",
		KO: "새로 만들어진 파드가 CreateContainerConfigError에 머뭅니다. 이미 돌던 파드는 계속 돕니다",
	},
	targets: deployments(func(d *appsv1.Deployment) bool { return len(keysOf(d)) > 0 }),
	plan: func(ctx context.Context, w *world, f *testbed.Fault, chance *rand.Rand) error {
		d, err := w.deployment(ctx, *f)
		if err != nil {
			return err
		}
		c, err := w.client()
		if err != nil {
			return err
		}
		refs := keysOf(d)
		ref := refs[chance.IntN(len(refs))]
		m, err := c.CoreV1().ConfigMaps(f.Namespace).Get(ctx, ref.Name, metav1.GetOptions{})
		if err != nil {
			return lang.Errorf("looking at the ConfigMap of %s: %w", "%s의 컨피그맵 조회: %w", TargetOf(*f), err)
		}
		keep(f, map[string]string{undoWhere: ref.Name, undoKey: ref.Key, undoWas: m.Data[ref.Key]})
		return nil
	},
	inject: func(ctx context.Context, w *world, f testbed.Fault) error {
		if err := w.setKey(ctx, f, nil); err != nil {
			return err
		}
		return w.losePod(ctx, f)
	},
	recover: func(ctx context.Context, w *world, f testbed.Fault) error {
		if f.Undo[undoWhere] == "" {
			return nil // nothing was planned, so nothing was done
		}
		if err := w.setKey(ctx, f, f.Undo[undoWas]); err != nil {
			return err
		}
		return w.renewPending(ctx, f)
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
			if reason := waitsFor(p, "CreateContainerConfigError"); reason != "" && p.DeletionTimestamp == nil {
				return Sight{Broken, lang.Textf("the pod %s is waiting: %s", "파드 %s 대기 중: %s", p.Name, reason)}, nil
			}
		}
		return rolledOut(f, d), nil
	},
}

// setKey sets the key in a record, or removes it (nil). A ConfigMap that is gone is made anew.
func (w *world) setKey(ctx context.Context, f testbed.Fault, value any) error {
	c, err := w.client()
	if err != nil {
		return err
	}
	patch, err := json.Marshal(map[string]any{"data": map[string]any{f.Undo[undoKey]: value}})
	if err != nil {
		return err
	}
	maps := c.CoreV1().ConfigMaps(f.Namespace)
	_, err = maps.Patch(ctx, f.Undo[undoWhere], types.MergePatchType, patch, metav1.PatchOptions{})
	if text, ok := value.(string); ok && apierrors.IsNotFound(err) {
		_, err = maps.Create(ctx, &v1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: f.Undo[undoWhere]}, Data: map[string]string{f.Undo[undoKey]: text}}, metav1.CreateOptions{})
	}
	if apierrors.IsNotFound(err) || apierrors.HasStatusCause(err, v1.NamespaceTerminatingCause) {
		return nil // the namespace is gone, and all that was in it
	}
	if err != nil {
		return lang.Errorf("changing the ConfigMap %s: %w", "컨피그맵 %s 변경: %w", f.Undo[undoWhere], err)
	}
	return nil
}

var quotaExhausted = &Fault{
	Name: "quota-exhausted", Level: 2, workload: true,
	What: lang.Text{EN: "a quota allows fewer pods than a Deployment wants", KO: "디플로이먼트가 원하는 것보다 적은 수의 파드만 쿼터가 허용함"},
	Symptom: lang.Text{
		EN: "a pod that went is not replaced; the ReplicaSet warns FailedCreate: exceeded quota",
		KO: "없어진 파드가 다시 생기지 않습니다. 레플리카셋에 FailedCreate 경고가 뜹니다: exceeded quota",
	},
	targets: deployments(func(*appsv1.Deployment) bool { return true }),
	plan: func(ctx context.Context, w *world, f *testbed.Fault, chance *rand.Rand) error {
		c, err := w.client()
		if err != nil {
			return err
		}
		pods, err := c.CoreV1().Pods(f.Namespace).List(ctx, metav1.ListOptions{})
		if err != nil {
			return lang.Errorf("listing the pods of %s: %w", "%s의 파드 목록 조회: %w", f.Namespace, err)
		}
		keep(f, map[string]string{undoWhere: pick(chance, "team-limits", "compute", "budget"), undoIs: strconv.Itoa(len(pods.Items) - 1)})
		return nil
	},
	inject: func(ctx context.Context, w *world, f testbed.Fault) error {
		c, err := w.client()
		if err != nil {
			return err
		}
		few, err := resource.ParseQuantity(f.Undo[undoIs])
		if err != nil {
			return err
		}
		q := &v1.ResourceQuota{ObjectMeta: metav1.ObjectMeta{Name: f.Undo[undoWhere]}, Spec: v1.ResourceQuotaSpec{Hard: v1.ResourceList{v1.ResourcePods: few}}}
		if _, err := c.CoreV1().ResourceQuotas(f.Namespace).Create(ctx, q, metav1.CreateOptions{}); err != nil {
			return lang.Errorf("making a quota: %w", "쿼터 만들기: %w", err)
		}
		return w.losePod(ctx, f)
	},
	recover: func(ctx context.Context, w *world, f testbed.Fault) error {
		c, err := w.client()
		if err != nil || f.Undo[undoWhere] == "" {
			return err
		}
		if err := c.CoreV1().ResourceQuotas(f.Namespace).Delete(ctx, f.Undo[undoWhere], metav1.DeleteOptions{}); err != nil && !apierrors.IsNotFound(err) {
			return lang.Errorf("removing a quota: %w", "쿼터 삭제: %w", err)
		}
		return nil
	},
	look: lookAtQuota,
}

func lookAtQuota(ctx context.Context, w *world, f testbed.Fault) (Sight, error) {
	d, err := w.deployment(ctx, f)
	if err != nil {
		return gone(err)
	}
	c, err := w.client()
	if err != nil {
		return Sight{}, err
	}
	quotas, err := c.CoreV1().ResourceQuotas(f.Namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return Sight{}, lang.Errorf("listing the quotas of %s: %w", "%s의 쿼터 목록 조회: %w", f.Namespace, err)
	}
	s := rolledOut(f, d)
	for _, q := range quotas.Items {
		used, hard := q.Status.Used[v1.ResourcePods], q.Status.Hard[v1.ResourcePods]
		if s.State == Whole || hard.IsZero() && used.IsZero() || used.Cmp(hard) < 0 {
			continue
		}
		return Sight{Broken, lang.Textf("the quota %s is used up: %s of %s pods; %s", "쿼터 %s을(를) 다 씀: 파드 %s/%s, %s", q.Name, used.String(), hard.String(), s.Seen)}, nil
	}
	return s, nil
}
