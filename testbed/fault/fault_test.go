package fault

import (
	"context"
	"errors"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	v1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/client-go/kubernetes/fake"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/provision/machine"
	"noriter.dev/noriter/testbed"
)

func TestTableIsComplete(t *testing.T) {
	want := strings.Fields(`agent-stopped scheduler-stopped controllers-stopped containerd-stopped node-off node-cut dns-down
		proxy-rules-gone agent-config-wrong registry-stopped corefile-broken node-tainted node-cordoned forwarding-off
		image-tag-broken selector-broken targetport-broken pull-secret-missing
		node-selector-wrong request-too-large liveness-port-wrong hostpath-missing config-key-missing quota-exhausted`)
	if got := Names(); !slices.Equal(got, want) {
		t.Errorf("the faults are %v", got)
	}
	for _, f := range All() {
		if f.targets == nil || f.look == nil || f.inject == nil || f.recover == nil {
			t.Errorf("%s lacks a part", f.Name)
		}
		for _, s := range []string{f.What.EN, f.What.KO, f.Symptom.EN, f.Symptom.KO} {
			if s == "" {
				t.Errorf("%s lacks a text", f.Name)
			}
		}
	}
	var u *testbed.UsageError
	if _, err := Find("node-of"); !errors.As(err, &u) || !strings.Contains(err.Error(), `did you mean "node-off"?`) {
		t.Errorf("Find: %v", err)
	}
}

// TestInKorean reads what is shown while a fault goes in or out.
func TestInKorean(t *testing.T) {
	lang.Set(lang.Korean)
	t.Cleanup(func() { lang.Set(lang.English) })
	hangul := regexp.MustCompile(`\p{Hangul}`)
	_, badNode := choose(nodeOff, nodesOf([]string{"node1"}), Options{Node: "node9"})
	_, nothing := choose(nodeOff, nil, Options{})
	texts := []string{errNotSteady.Error(), badNode.Error(), nothing.Error(), judge("nori-agent", "active", true, lang.Text{EN: "yes", KO: "예"}).Seen.String()}
	texts = append(texts, wrongWith(testbed.Status{API: "refused", Machines: []testbed.MachineStatus{
		{Name: "node1", State: machine.Stopped}, {Name: "node2", State: machine.Running, SSH: "응답 없음", Units: map[string]string{"nori-agent": "inactive"}},
	}})...)
	for _, f := range All() {
		texts = append(texts, f.What.String(), f.Symptom.String())
	}
	for _, s := range texts {
		if !hangul.MatchString(s) {
			t.Errorf("not in Korean: %s", s)
		}
	}
}

// TestAwaitSaysItInWords: what is waited for is said as a person says it.
func TestAwaitSaysItInWords(t *testing.T) {
	still := &Fault{look: func(context.Context, *world, testbed.Fault) (Sight, error) {
		return seen(Between, "odd", "이상"), nil
	}}
	for state, word := range map[State]string{Whole: "whole", Broken: "broken"} {
		err := (&world{}).await(t.Context(), still, testbed.Fault{Node: "node1"}, state, time.Millisecond, nil)
		if err == nil || !strings.Contains(err.Error(), "node1 to be "+word) {
			t.Errorf("%v", err)
		}
	}
}

func TestTheSameSeedChoosesTheSame(t *testing.T) {
	targets := nodesOf([]string{"node1", "node2", "node3"})
	chosen := map[string]int{}
	for seed := range uint64(60) {
		a, err := choose(agentStopped, targets, Options{Seed: seed})
		b, _ := choose(agentStopped, targets, Options{Seed: seed})
		if err != nil || a.Node != b.Node || a.Seed != seed || a.Name != "agent-stopped" {
			t.Fatalf("seed %d chose %+v and %+v, %v", seed, a, b, err)
		}
		chosen[a.Node]++
	}
	if len(chosen) != 3 {
		t.Errorf("60 seeds chose only %v", chosen)
	}
	if r, err := choose(nodeOff, targets, Options{Node: "node2"}); err != nil || r.Node != "node2" {
		t.Errorf("--node node2 chose %+v, %v", r, err)
	}
	var u *testbed.UsageError
	if _, err := choose(nodeOff, targets, Options{Node: "node9"}); !errors.As(err, &u) {
		t.Errorf("--node node9: %v", err)
	}
	if _, err := choose(nodeOff, nil, Options{}); err == nil {
		t.Error("chose one of none")
	}
}

func TestWrongWith(t *testing.T) {
	good := testbed.MachineStatus{Name: "node1", State: machine.Running, SSH: "ok", Node: "Ready", Units: map[string]string{"nori-agent": "active"}}
	if w := wrongWith(testbed.Status{API: "ok", Machines: []testbed.MachineStatus{good}}); len(w) > 0 {
		t.Errorf("a steady testbed: %v", w)
	}
	bad := good
	bad.Units = map[string]string{"nori-agent": "inactive"}
	bad.Node = "NotReady"
	w := wrongWith(testbed.Status{API: "ok", Machines: []testbed.MachineStatus{bad}})
	if !slices.Equal(w, []string{"node1: nori-agent is inactive", "node node1 is NotReady"}) {
		t.Errorf("got %v", w)
	}
	if w := wrongWith(testbed.Status{API: "refused", Machines: []testbed.MachineStatus{good}}); len(w) != 1 {
		t.Errorf("without the API: %v", w)
	}
}

func TestWithoutTag(t *testing.T) {
	for in, want := range map[string]string{
		"nginx": "nginx", "nginx:1.27": "nginx", "a.b:5000/x/y": "a.b:5000/x/y", "a.b:5000/x/y:v1": "a.b:5000/x/y",
		"x@sha256:abc": "x", "x:v1@sha256:abc": "x",
	} {
		if got := withoutTag(in); got != want {
			t.Errorf("%s → %s, want %s", in, got, want)
		}
	}
}

func FuzzMisspell(f *testing.F) {
	for _, s := range []string{"web", "aa", "a", "my-app", "a.b_c", "zz-zz"} {
		f.Add(s, uint64(1))
	}
	f.Fuzz(func(t *testing.T, s string, seed uint64) {
		if s == "" || len(s) > 62 || len(validation.IsValidLabelValue(s)) > 0 {
			return
		}
		got := misspell(s, chanceOf(seed, "x"))
		if got == s || len(validation.IsValidLabelValue(got)) > 0 {
			t.Errorf("%q became %q", s, got)
		}
	})
}

// worldOf has a cluster without machines.
func worldOf(objects ...runtime.Object) *world {
	return &world{Testbed: &testbed.Testbed{}, namespace: "shop", api: fake.NewClientset(objects...), machines: map[string]machine.Machine{}}
}

func shopService() *v1.Service {
	return &v1.Service{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web"},
		Spec: v1.ServiceSpec{ClusterIP: "10.96.1.1", Selector: map[string]string{"app": "web"},
			Ports: []v1.ServicePort{{Port: 80, Protocol: v1.ProtocolTCP, TargetPort: intstr.FromString("http")}}},
	}
}

func shopSlice() *discoveryv1.EndpointSlice {
	return &discoveryv1.EndpointSlice{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web-1", Labels: map[string]string{discoveryv1.LabelServiceName: "web"}},
		Endpoints:  []discoveryv1.Endpoint{{Addresses: []string{"10.244.1.2"}}},
	}
}

func shopDeployment() *appsv1.Deployment {
	one := int32(1)
	d := &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web"},
		Spec:       appsv1.DeploymentSpec{Replicas: &one, Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "web"}}},
		Status:     appsv1.DeploymentStatus{Replicas: 1, UpdatedReplicas: 1, AvailableReplicas: 1},
	}
	d.Spec.Template.Spec.Containers = []v1.Container{{Name: "c", Image: "noriter/hello:v1"}}
	d.Spec.Template.Spec.ImagePullSecrets = []v1.LocalObjectReference{{Name: "login"}}
	return d
}

// broken chooses, plans and injects.
func broken(t *testing.T, w *world, f *Fault) testbed.Fault {
	t.Helper()
	targets, err := f.targets(t.Context(), w)
	if err != nil || len(targets) != 1 {
		t.Fatalf("targets: %v, %v", targets, err)
	}
	r, err := choose(f, targets, Options{Seed: 5})
	if err != nil {
		t.Fatal(err)
	}
	if err := f.plan(t.Context(), w, &r, chanceOf(5, f.Name)); err != nil {
		t.Fatal(err)
	}
	if err := f.inject(t.Context(), w, r); err != nil {
		t.Fatal(err)
	}
	return r
}

func TestServiceFaultsGoInAndOut(t *testing.T) {
	for _, f := range []*Fault{selectorBroken, targetPortBroken} {
		w := worldOf(shopService(), shopSlice())
		get := func() v1.ServiceSpec {
			s, err := w.service(t.Context(), testbed.Fault{Namespace: "shop", Object: "web"})
			if err != nil {
				t.Fatal(err)
			}
			return s.Spec
		}
		was := get()
		r := broken(t, w, f)
		is := get()
		if is.Selector["app"] == was.Selector["app"] && is.Ports[0].TargetPort == was.Ports[0].TargetPort {
			t.Errorf("%s changed nothing: %+v", f.Name, is)
		}
		for range 2 { // a second time has nothing to do
			if err := f.recover(t.Context(), w, r); err != nil {
				t.Fatal(err)
			}
		}
		if is := get(); is.Selector["app"] != "web" || is.Ports[0].TargetPort != intstr.FromString("http") || is.Ports[0].Port != 80 {
			t.Errorf("%s came back as %+v", f.Name, is)
		}
		// What a learner has chosen themselves stays.
		own := shopService()
		own.Spec.Selector["app"], own.Spec.Ports[0].TargetPort = "mine", intstr.FromInt32(8080)
		w = worldOf(own)
		if err := f.recover(t.Context(), w, r); err != nil {
			t.Fatal(err)
		}
		if is := get(); is.Selector["app"] != "mine" || is.Ports[0].TargetPort != intstr.FromInt32(8080) {
			t.Errorf("%s overwrote a learner's own repair: %+v", f.Name, is)
		}
		// What is not there needs no mending.
		if err := f.recover(t.Context(), worldOf(), r); err != nil {
			t.Errorf("%s of a Service that is gone: %v", f.Name, err)
		}
	}
}

func TestSelectorLook(t *testing.T) {
	f := testbed.Fault{Namespace: "shop", Object: "web"}
	if s, err := selectorBroken.look(t.Context(), worldOf(shopService(), shopSlice()), f); err != nil || s.State != Whole {
		t.Errorf("whole: %+v, %v", s, err)
	}
	if s, err := selectorBroken.look(t.Context(), worldOf(shopService()), f); err != nil || s.State != Broken {
		t.Errorf("without endpoints: %+v, %v", s, err)
	}
	if s, err := selectorBroken.look(t.Context(), worldOf(), f); err != nil || s.State != Missing {
		t.Errorf("gone: %+v, %v", s, err)
	}
}

func TestImageFaultGoesInAndOut(t *testing.T) {
	w := worldOf(shopDeployment())
	r := broken(t, w, imageTagBroken)
	d, err := w.deployment(t.Context(), r)
	if err != nil || !strings.HasPrefix(d.Spec.Template.Spec.Containers[0].Image, "noriter/hello:") || d.Spec.Template.Spec.Containers[0].Image == "noriter/hello:v1" {
		t.Errorf("broken: %+v, %v", d.Spec.Template.Spec.Containers, err)
	}
	if err := imageTagBroken.recover(t.Context(), w, r); err != nil {
		t.Fatal(err)
	}
	if d, err = w.deployment(t.Context(), r); err != nil || d.Spec.Template.Spec.Containers[0].Image != "noriter/hello:v1" {
		t.Errorf("back: %+v, %v", d.Spec.Template.Spec.Containers, err)
	}
}

func TestSecretFaultGoesInAndOut(t *testing.T) {
	secret := &v1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "login", Labels: map[string]string{"a": "b"}},
		Type:       v1.SecretTypeDockerConfigJson, Data: map[string][]byte{v1.DockerConfigJsonKey: []byte(`{"auths":{}}`)},
	}
	pod := &v1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web-1", Labels: map[string]string{"app": "web"}}}
	w := worldOf(shopDeployment(), secret, pod)
	r := broken(t, w, pullSecretMissing)
	if s, err := lookForSecret(t.Context(), w, r); err != nil || s.State != Between {
		t.Errorf("before a pod has missed it: %+v, %v", s, err)
	}
	event := &v1.Event{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "e"}, Reason: noSecretReason, LastTimestamp: metav1.Now()}
	if _, err := w.api.CoreV1().Events("shop").Create(t.Context(), event, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	if s, err := lookForSecret(t.Context(), w, r); err != nil || s.State != Broken {
		t.Errorf("with a warning: %+v, %v", s, err)
	}
	for range 2 {
		if err := returnSecret(t.Context(), w, r); err != nil {
			t.Fatal(err)
		}
	}
	got, err := w.api.CoreV1().Secrets("shop").Get(t.Context(), "login", metav1.GetOptions{})
	if err != nil || string(got.Data[v1.DockerConfigJsonKey]) != `{"auths":{}}` || got.Labels["a"] != "b" || got.Type != secret.Type {
		t.Errorf("back: %+v, %v", got, err)
	}
	if s, err := lookForSecret(t.Context(), w, r); err != nil || s.State != Whole {
		t.Errorf("back: %+v, %v", s, err)
	}
}
