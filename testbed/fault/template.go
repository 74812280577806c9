package fault

import (
	"context"
	"encoding/json"
	"math/rand/v2"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/client-go/util/retry"
	"k8s.io/utils/ptr"

	"noriter.dev/noriter/cluster/conditions"
	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/testbed"
)

// spoilt completes a fault that spoils the template of a Deployment's pods: spoil changes
// it, and sign says of a pod whether the fault shows in it. Whole is what is rolled out
// and shows no sign, however that was done.
func spoilt(f *Fault, spoil func(*v1.PodSpec, *rand.Rand), sign func(context.Context, *world, testbed.Fault, *v1.Pod) (Sight, error)) *Fault {
	f.workload = true
	f.targets = deployments(func(*appsv1.Deployment) bool { return true })
	f.plan = func(ctx context.Context, w *world, r *testbed.Fault, chance *rand.Rand) error {
		d, err := w.deployment(ctx, *r)
		if err != nil {
			return err
		}
		was, err := json.Marshal(d.Spec.Template)
		if err != nil {
			return err
		}
		spoil(&d.Spec.Template.Spec, chance)
		is, err := json.Marshal(d.Spec.Template)
		keep(r, map[string]string{undoWas: string(was), undoIs: string(is)})
		return err
	}
	f.inject = func(ctx context.Context, w *world, r testbed.Fault) error { return w.setTemplate(ctx, r, undoIs) }
	f.recover = func(ctx context.Context, w *world, r testbed.Fault) error {
		if s, err := f.look(ctx, w, r); err == nil && (s.State == Whole || s.State == Missing) {
			return nil // as it was, or mended in another way
		}
		return w.setTemplate(ctx, r, undoWas)
	}
	f.look = func(ctx context.Context, w *world, r testbed.Fault) (Sight, error) {
		d, err := w.deployment(ctx, r)
		if err != nil {
			return gone(err)
		}
		pods, err := w.podsOf(ctx, d)
		if err != nil {
			return Sight{}, err
		}
		for i := range pods {
			if pods[i].DeletionTimestamp != nil {
				continue
			}
			s, err := sign(ctx, w, r, &pods[i])
			switch {
			case err != nil:
				return s, err
			case s.State != Whole:
				return w.ifCurrent(ctx, d, &pods[i], s)
			}
		}
		return rolledOut(r, d), nil
	}
	return f
}

// ifCurrent is a sight of a pod, unless the Deployment has another template by now: the pod
// goes, and says nothing of what comes.
func (w *world) ifCurrent(ctx context.Context, d *appsv1.Deployment, p *v1.Pod, s Sight) (Sight, error) {
	c, err := w.client()
	if err != nil {
		return Sight{}, err
	}
	sets, err := c.AppsV1().ReplicaSets(d.Namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return Sight{}, lang.Errorf("listing the ReplicaSets of %s: %w", "%s의 레플리카셋 목록 조회: %w", d.Name, err)
	}
	for i := range sets.Items {
		rs := &sets.Items[i]
		old := rs.Annotations[revision] != d.Annotations[revision] || d.Status.ObservedGeneration < d.Generation
		if metav1.IsControlledBy(p, rs) && old {
			return Sight{Between, lang.Textf("the pod %s of an older template is going", "이전 템플릿의 파드 %s이(가) 물러나는 중", p.Name)}, nil
		}
	}
	return s, nil
}

// revision is the annotation by which a Deployment knows its newest ReplicaSet.
const revision = "deployment.kubernetes.io/revision"

// setTemplate gives a Deployment one of the templates in a record.
func (w *world) setTemplate(ctx context.Context, f testbed.Fault, which string) error {
	var template v1.PodTemplateSpec
	if err := json.Unmarshal([]byte(f.Undo[which]), &template); err != nil {
		return nil // nothing was planned, so nothing was done
	}
	c, err := w.client()
	if err != nil {
		return err
	}
	err = retry.RetryOnConflict(retry.DefaultRetry, func() error {
		d, err := c.AppsV1().Deployments(f.Namespace).Get(ctx, f.Object, metav1.GetOptions{})
		if err != nil || equality.Semantic.DeepEqual(d.Spec.Template, template) {
			return err
		}
		d.Spec.Template = template
		_, err = c.AppsV1().Deployments(f.Namespace).Update(ctx, d, metav1.UpdateOptions{})
		return err
	})
	if err != nil && !apierrors.IsNotFound(err) {
		return lang.Errorf("changing the Deployment %s: %w", "디플로이먼트 %s 변경: %w", TargetOf(f), err)
	}
	return nil
}

var noSign = Sight{State: Whole}

// notPlaced is the sign of pods for which no node fits.
func notPlaced(_ context.Context, _ *world, _ testbed.Fault, p *v1.Pod) (Sight, error) {
	if c := conditions.Pod(&p.Status, v1.PodScheduled); c != nil && c.Status == v1.ConditionFalse && c.Reason == v1.PodReasonUnschedulable {
		return Sight{Broken, lang.Textf("no node for the pod %s: %s", "파드 %s이(가) 갈 노드가 없음: %s", p.Name, c.Message)}, nil
	}
	return noSign, nil
}

var nodeSelectorWrong = spoilt(&Fault{
	Name: "node-selector-wrong", Level: 1,
	What: lang.Text{EN: "a Deployment wants nodes with a label that none has", KO: "디플로이먼트가 어느 노드에도 없는 레이블을 요구함"},
	Symptom: lang.Text{
		EN: "the rollout hangs; the new pod is Pending: no node matches its node selector; the old ones serve on",
		KO: "롤아웃이 멈춥니다. 새 파드는 노드 셀렉터에 맞는 노드가 없어 Pending에 머물고, 이전 파드는 계속 응답합니다",
	},
}, func(s *v1.PodSpec, chance *rand.Rand) {
	s.NodeSelector = map[string]string{pick(chance, "disktype", "storage", "disk"): pick(chance, "ssd", "nvme", "fast")}
}, notPlaced)

var requestTooLarge = spoilt(&Fault{
	Name: "request-too-large", Level: 1,
	What: lang.Text{EN: "a Deployment's pods request more CPU than any node has", KO: "디플로이먼트의 파드가 어느 노드보다도 많은 CPU를 요청함"},
	Symptom: lang.Text{
		EN: "the rollout hangs; the new pod is Pending: Insufficient cpu; the old ones serve on",
		KO: "롤아웃이 멈춥니다. 새 파드는 Insufficient cpu로 Pending에 머물고, 이전 파드는 계속 응답합니다",
	},
}, func(s *v1.PodSpec, chance *rand.Rand) {
	c := &s.Containers[chance.IntN(len(s.Containers))]
	amount := v1.ResourceList{v1.ResourceCPU: *resource.NewQuantity(int64(5000+chance.IntN(5000)), resource.DecimalSI)}
	c.Resources = v1.ResourceRequirements{Requests: amount}
}, notPlaced)

// closedPort is one on which nothing listens in a pod: "discard", which nobody runs.
const closedPort = 9

// lively is how long a container must have run for its liveness probe not to end it.
const lively = 6 * time.Second

var livenessPortWrong = spoilt(&Fault{
	Name: "liveness-port-wrong", Level: 2,
	What: lang.Text{EN: "a Deployment's liveness probe asks a port on which nobody listens", KO: "디플로이먼트의 활성 프로브가 아무도 수신하지 않는 포트를 확인함"},
	Symptom: lang.Text{
		EN: "healthy containers are restarted again and again, then CrashLoopBackOff; the Service comes and goes",
		KO: "멀쩡한 컨테이너가 거듭 재시작되다가 CrashLoopBackOff가 됩니다. 서비스는 되다 말다 합니다",
	},
}, func(s *v1.PodSpec, _ *rand.Rand) {
	s.Containers[0].LivenessProbe = &v1.Probe{PeriodSeconds: 1, FailureThreshold: 2,
		ProbeHandler: v1.ProbeHandler{TCPSocket: &v1.TCPSocketAction{Port: intstr.FromInt32(closedPort)}}}
}, func(_ context.Context, w *world, _ testbed.Fault, p *v1.Pod) (Sight, error) {
	for _, s := range p.Status.ContainerStatuses {
		if s.RestartCount > 0 {
			return Sight{Broken, lang.Textf("restarts of the container %s in the pod %s: %d", "파드 %[2]s의 컨테이너 %[1]s 재시작: %[3]d번", s.Name, p.Name, s.RestartCount)}, nil
		}
		if s.State.Running == nil || time.Since(s.State.Running.StartedAt.Time) < w.Patient(lively) {
			return Sight{Between, lang.Textf("the pod %s has not run long enough to say", "파드 %s이(가) 아직 충분히 돌지 않음", p.Name)}, nil
		}
	}
	return noSign, nil
})

var hostPathMissing = spoilt(&Fault{
	Name: "hostpath-missing", Level: 2,
	What: lang.Text{EN: "a Deployment mounts a folder of the node that does not exist", KO: "디플로이먼트가 노드에 없는 디렉터리를 마운트함"},
	Symptom: lang.Text{
		EN: "the rollout hangs; the new pod stays in ContainerCreating with FailedMount; the old ones serve on",
		KO: "롤아웃이 멈춥니다. 새 파드는 FailedMount 경고와 함께 ContainerCreating에 머물고, 이전 파드는 계속 응답합니다",
	},
}, func(s *v1.PodSpec, chance *rand.Rand) {
	path := "/srv/" + pick(chance, "menu", "shop-data", "assets")
	s.Volumes = append(s.Volumes, v1.Volume{Name: "from-node", VolumeSource: v1.VolumeSource{
		HostPath: &v1.HostPathVolumeSource{Path: path, Type: ptr.To(v1.HostPathDirectory)}}})
	s.Containers[0].VolumeMounts = append(s.Containers[0].VolumeMounts, v1.VolumeMount{Name: "from-node", MountPath: path, ReadOnly: true})
}, func(ctx context.Context, w *world, f testbed.Fault, p *v1.Pod) (Sight, error) {
	if p.Status.Phase != v1.PodPending {
		return noSign, nil
	}
	warned, err := w.warned(ctx, f, "FailedMount")
	if err != nil || !warned {
		return seen(Between, "a pod is starting", "파드가 시작하는 중"), err
	}
	return Sight{Broken, lang.Textf("the pod %s waits for a volume: FailedMount", "파드 %s이(가) 볼륨을 기다림: FailedMount", p.Name)}, nil
})
