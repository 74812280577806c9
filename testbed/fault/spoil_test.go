package fault

import (
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"noriter.dev/noriter/testbed"
)

// shopPod is a pod of the shop's Deployment.
func shopPod(status v1.PodStatus) *v1.Pod {
	return &v1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web-1", Labels: map[string]string{"app": "web"}}, Status: status}
}

func waiting(reason string) v1.PodStatus {
	return v1.PodStatus{ContainerStatuses: []v1.ContainerStatus{{Name: "c", State: v1.ContainerState{Waiting: &v1.ContainerStateWaiting{Reason: reason}}}}}
}

// TestTemplatesGoInAndOut: a template comes back as it was, and a learner's own mend stays.
func TestTemplatesGoInAndOut(t *testing.T) {
	pending := v1.PodStatus{Phase: v1.PodPending, Conditions: []v1.PodCondition{{Type: v1.PodScheduled, Status: v1.ConditionFalse, Reason: v1.PodReasonUnschedulable, Message: "0/3 nodes"}}}
	restarted := v1.PodStatus{ContainerStatuses: []v1.ContainerStatus{{Name: "c", RestartCount: 2}}}
	for f, shows := range map[*Fault]v1.PodStatus{
		nodeSelectorWrong: pending, requestTooLarge: pending, livenessPortWrong: restarted, hostPathMissing: {Phase: v1.PodPending},
	} {
		w := worldOf(shopDeployment())
		was := shopDeployment().Spec.Template
		r := broken(t, w, f)
		template := func() v1.PodTemplateSpec {
			d, err := w.deployment(t.Context(), r)
			if err != nil {
				t.Fatal(err)
			}
			return d.Spec.Template
		}
		if equality.Semantic.DeepEqual(template(), was) {
			t.Errorf("%s changed nothing", f.Name)
		}
		// With nobody who shows a sign the rollout is done: that is a mend, whatever it was.
		mine := template()
		if err := f.recover(t.Context(), w, r); err != nil || !equality.Semantic.DeepEqual(template(), mine) {
			t.Errorf("%s took a mend away: %v", f.Name, err)
		}
		if _, err := w.api.CoreV1().Pods("shop").Create(t.Context(), shopPod(shows), metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
		event := &v1.Event{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "e"}, Reason: "FailedMount", LastTimestamp: metav1.Now()}
		if _, err := w.api.CoreV1().Events("shop").Create(t.Context(), event, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
		if s, err := f.look(t.Context(), w, r); err != nil || s.State != Broken {
			t.Errorf("%s with a pod that shows it: %+v, %v", f.Name, s, err)
		}
		for range 2 {
			if err := f.recover(t.Context(), w, r); err != nil || !equality.Semantic.DeepEqual(template(), was) {
				t.Errorf("%s came back as %+v, %v", f.Name, template(), err)
			}
		}
	}
}

// TestOldPodsSayNothing: right after a mend the pods of before still show it.
func TestOldPodsSayNothing(t *testing.T) {
	d := shopDeployment()
	d.Annotations = map[string]string{revision: "3"}
	rs := &appsv1.ReplicaSet{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web-old", UID: "old", Annotations: map[string]string{revision: "2"}}}
	p := shopPod(v1.PodStatus{ContainerStatuses: []v1.ContainerStatus{{Name: "c", RestartCount: 1}}})
	p.OwnerReferences = []metav1.OwnerReference{*metav1.NewControllerRef(rs, appsv1.SchemeGroupVersion.WithKind("ReplicaSet"))}
	f := testbed.Fault{Namespace: "shop", Object: "web"}
	if s, err := livenessPortWrong.look(t.Context(), worldOf(d, rs, p), f); err != nil || s.State != Between {
		t.Errorf("a pod of the template of before: %+v, %v", s, err)
	}
	rs.Annotations[revision] = "3"
	if s, err := livenessPortWrong.look(t.Context(), worldOf(d, rs, p), f); err != nil || s.State != Broken {
		t.Errorf("a pod of the template of now: %+v, %v", s, err)
	}
}

func TestKeyGoesInAndOut(t *testing.T) {
	d := shopDeployment()
	d.Spec.Template.Spec.Containers[0].Env = []v1.EnvVar{{Name: "DISH", ValueFrom: &v1.EnvVarSource{
		ConfigMapKeyRef: &v1.ConfigMapKeySelector{LocalObjectReference: v1.LocalObjectReference{Name: "menu"}, Key: "dish"}}}}
	m := &v1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "menu"}, Data: map[string]string{"dish": "bibimbap", "opens": "9"}}
	w := worldOf(d, m, shopPod(v1.PodStatus{}))
	r := broken(t, w, configKeyMissing)
	get := func() map[string]string {
		m, err := w.api.CoreV1().ConfigMaps("shop").Get(t.Context(), "menu", metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		return m.Data
	}
	if _, there := get()["dish"]; there || get()["opens"] != "9" {
		t.Errorf("broken: %v", get())
	}
	if pods, err := w.podsOf(t.Context(), d); err != nil || len(pods) > 0 {
		t.Errorf("no pod had to be made anew: %d, %v", len(pods), err)
	}
	if _, err := w.api.CoreV1().Pods("shop").Create(t.Context(), shopPod(waiting("CreateContainerConfigError")), metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	if s, err := configKeyMissing.look(t.Context(), w, r); err != nil || s.State != Broken {
		t.Errorf("with a pod that waits: %+v, %v", s, err)
	}
	for range 2 {
		if err := configKeyMissing.recover(t.Context(), w, r); err != nil || get()["dish"] != "bibimbap" {
			t.Errorf("back: %v, %v", get(), err)
		}
	}
}

func TestQuotaGoesInAndOut(t *testing.T) {
	w := worldOf(shopDeployment(), shopPod(v1.PodStatus{}))
	r := broken(t, w, quotaExhausted)
	quotas := w.api.CoreV1().ResourceQuotas("shop")
	q, err := quotas.Get(t.Context(), r.Undo[undoWhere], metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if s, err := quotaExhausted.look(t.Context(), w, r); err != nil || s.State != Whole {
		t.Errorf("while all pods are there: %+v, %v", s, err)
	}
	one := v1.ResourceList{v1.ResourcePods: resource.MustParse("1")}
	q.Status = v1.ResourceQuotaStatus{Hard: one, Used: one}
	if _, err := quotas.UpdateStatus(t.Context(), q, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	setAvailable := func(n int32) {
		d := shopDeployment()
		d.Status = appsv1.DeploymentStatus{Replicas: n, UpdatedReplicas: n, AvailableReplicas: n}
		d.Spec.Replicas = &n
		if _, err := w.api.AppsV1().Deployments("shop").Update(t.Context(), d, metav1.UpdateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	setAvailable(0) // a learner scales it down to what the quota lets through
	if s, err := quotaExhausted.look(t.Context(), w, r); err != nil || s.State != Broken {
		t.Errorf("used up: %+v, %v", s, err)
	}
	for range 2 {
		if err := quotaExhausted.recover(t.Context(), w, r); err != nil {
			t.Fatal(err)
		}
	}
	if left, err := quotas.List(t.Context(), metav1.ListOptions{}); err != nil || len(left.Items) > 0 {
		t.Errorf("left: %v, %v", left.Items, err)
	}
}

func TestNodeFaultsGoInAndOut(t *testing.T) {
	own := []v1.Taint{{Key: "node.kubernetes.io/unreachable", Effect: v1.TaintEffectNoExecute}, {Key: "soft", Effect: v1.TaintEffectPreferNoSchedule}}
	for _, f := range []*Fault{nodeTainted, nodeCordoned} {
		w := worldOf(&v1.Node{ObjectMeta: metav1.ObjectMeta{Name: "node1"}, Spec: v1.NodeSpec{Taints: own}})
		r := testbed.Fault{Name: f.Name, Node: "node1", Since: time.Now()}
		if s, err := f.look(t.Context(), w, r); err != nil || s.State != Whole {
			t.Errorf("%s before: %+v, %v", f.Name, s, err)
		}
		if f.plan != nil {
			if err := f.plan(t.Context(), w, &r, chanceOf(1, f.Name)); err != nil {
				t.Fatal(err)
			}
		}
		if err := f.inject(t.Context(), w, r); err != nil {
			t.Fatal(err)
		}
		if s, err := f.look(t.Context(), w, r); err != nil || s.State != Broken {
			t.Errorf("%s in: %+v, %v", f.Name, s, err)
		}
		for range 2 {
			if err := f.recover(t.Context(), w, r); err != nil {
				t.Fatal(err)
			}
		}
		n, err := w.node(t.Context(), "node1")
		if err != nil || n.Spec.Unschedulable || !equality.Semantic.DeepEqual(n.Spec.Taints, own) {
			t.Errorf("%s came back as %+v, %v", f.Name, n.Spec, err)
		}
	}
}
