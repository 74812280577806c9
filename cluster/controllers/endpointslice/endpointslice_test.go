package endpointslice

import (
	"context"
	"fmt"
	"slices"
	"testing"

	v1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/client-go/tools/record"
	"k8s.io/utils/clock"
	"k8s.io/utils/ptr"

	"noriter.dev/noriter/cluster/component/fakeapi"
)

func TestMain(m *testing.M) { fakeapi.Main(m) }

func service(changes ...func(*v1.Service)) *v1.Service {
	s := &v1.Service{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "web", UID: "service", Labels: map[string]string{"team": "a"}},
		Spec: v1.ServiceSpec{Selector: map[string]string{"app": "web"}, ClusterIP: "10.96.0.7", IPFamilies: []v1.IPFamily{v1.IPv4Protocol},
			Ports: []v1.ServicePort{{Name: "http", Port: 80, Protocol: v1.ProtocolTCP, TargetPort: intstr.FromInt32(8080)}}},
	}
	for _, change := range changes {
		change(s)
	}
	return s
}

func pod(i int, ready bool, changes ...func(*v1.Pod)) *v1.Pod {
	status := v1.ConditionFalse
	if ready {
		status = v1.ConditionTrue
	}
	p := &v1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: fmt.Sprintf("web-%03d", i), UID: types.UID(fmt.Sprintf("pod-%d", i)), Labels: map[string]string{"app": "web"}},
		Spec:       v1.PodSpec{NodeName: "node1", Containers: []v1.Container{{Name: "c", Ports: []v1.ContainerPort{{Name: "web", ContainerPort: 9000, Protocol: v1.ProtocolTCP}}}}},
		Status: v1.PodStatus{Phase: v1.PodRunning, PodIPs: []v1.PodIP{{IP: fmt.Sprintf("10.244.1.%d", i)}},
			Conditions: []v1.PodCondition{{Type: v1.PodReady, Status: status}}},
	}
	for _, change := range changes {
		change(p)
	}
	return p
}

func start(t *testing.T, objects ...runtime.Object) *fakeapi.API {
	t.Helper()
	api := fakeapi.New(t, objects...)
	c, err := New(api.Client, api.Factory, record.NewFakeRecorder(1000), clock.RealClock{})
	if err != nil {
		t.Fatal(err)
	}
	api.Run(t, func(ctx context.Context) { c.Run(ctx, 2) })
	return api
}

func stored(t *testing.T, api *fakeapi.API) []discoveryv1.EndpointSlice {
	t.Helper()
	list, err := api.Client.DiscoveryV1().EndpointSlices("default").List(context.Background(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return list.Items
}

// eventually waits until the only slice is as check wants it.
func eventually(t *testing.T, api *fakeapi.API, check func(discoveryv1.EndpointSlice) bool) discoveryv1.EndpointSlice {
	t.Helper()
	var slice discoveryv1.EndpointSlice
	fakeapi.Eventually(t, func() string {
		all := stored(t, api)
		if len(all) != 1 || !check(all[0]) {
			return fmt.Sprintf("slices are %+v", all)
		}
		slice = all[0]
		return ""
	})
	return slice
}

func holds(ips ...string) func(discoveryv1.EndpointSlice) bool {
	return func(s discoveryv1.EndpointSlice) bool {
		var got []string
		for _, e := range s.Endpoints {
			if *e.Conditions.Ready {
				got = append(got, e.Addresses...)
			}
		}
		slices.Sort(got)
		return slices.Equal(got, ips)
	}
}

func TestReadyPodsAreListed(t *testing.T) {
	node := &v1.Node{ObjectMeta: metav1.ObjectMeta{Name: "node1", Labels: map[string]string{v1.LabelTopologyZone: "z1"}}}
	api := start(t, service(), node, pod(1, true), pod(2, false),
		pod(3, true, func(p *v1.Pod) { p.Labels = nil }), pod(4, true, func(p *v1.Pod) { p.Status.PodIPs = nil }),
		pod(5, true, func(p *v1.Pod) { p.Status.Phase = v1.PodSucceeded }))
	slice := eventually(t, api, holds("10.244.1.1"))
	if len(slice.Endpoints) != 2 {
		t.Errorf("%d endpoints, want the ready pod and the one that is not", len(slice.Endpoints))
	}
	want := map[string]string{"team": "a", discoveryv1.LabelServiceName: "web", discoveryv1.LabelManagedBy: managedBy}
	for key, value := range want {
		if slice.Labels[key] != value {
			t.Errorf("label %s is %q, want %q", key, slice.Labels[key], value)
		}
	}
	if len(slice.Labels) != len(want) {
		t.Errorf("labels %v", slice.Labels)
	}
	if p := slice.Ports; len(p) != 1 || *p[0].Name != "http" || *p[0].Port != 8080 || *p[0].Protocol != v1.ProtocolTCP {
		t.Errorf("ports %+v", slice.Ports)
	}
	e := slice.Endpoints[0]
	if *e.NodeName != "node1" || *e.Zone != "z1" || e.TargetRef.Kind != "Pod" || e.TargetRef.Name != "web-001" || e.Hints != nil {
		t.Errorf("endpoint %+v", e)
	}
	if ref := metav1.GetControllerOf(&slice); ref == nil || ref.Kind != "Service" || ref.APIVersion != "v1" || ref.Name != "web" {
		t.Errorf("owner %+v", ref)
	}
}

func TestPodsThatComeAndGo(t *testing.T) {
	api := start(t, service(), pod(1, true))
	first := eventually(t, api, holds("10.244.1.1"))
	pods := api.Client.CoreV1().Pods("default")
	if _, err := pods.Create(context.Background(), pod(2, true), metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	second := eventually(t, api, holds("10.244.1.1", "10.244.1.2"))
	if first.Name != second.Name {
		t.Error("another slice was made for one more pod")
	}
	// A pod that is deleted ends gracefully: it serves, but gets no new traffic.
	api.Graceful = true
	if err := pods.Delete(context.Background(), "web-001", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	slice := eventually(t, api, holds("10.244.1.2"))
	for _, e := range slice.Endpoints {
		if e.TargetRef.Name == "web-001" && (!*e.Conditions.Serving || !*e.Conditions.Terminating) {
			t.Errorf("conditions of a pod that ends: %+v", e.Conditions)
		}
	}
	if err := api.RemovePod("default", "web-001"); err != nil {
		t.Fatal(err)
	}
	eventually(t, api, func(s discoveryv1.EndpointSlice) bool { return len(s.Endpoints) == 1 })
	if err := api.RemovePod("default", "web-002"); err != nil {
		t.Fatal(err)
	}
	// Nobody is left, and that is said too.
	eventually(t, api, func(s discoveryv1.EndpointSlice) bool { return len(s.Endpoints) == 0 && len(s.Ports) == 0 })
}

func TestDamagedSlicesAreMended(t *testing.T) {
	api := start(t, service(), pod(1, true))
	slice := eventually(t, api, holds("10.244.1.1"))
	if err := api.Client.DiscoveryV1().EndpointSlices("default").Delete(context.Background(), slice.Name, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	slice = eventually(t, api, holds("10.244.1.1"))
	slice.Endpoints[0].Addresses[0] = "10.9.9.9"
	if _, err := api.Client.DiscoveryV1().EndpointSlices("default").Update(context.Background(), &slice, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, api, holds("10.244.1.1"))
}

func TestServicesOfOthersAreLeftAlone(t *testing.T) {
	name := func(n string) func(*v1.Service) {
		return func(s *v1.Service) { s.Name, s.UID = n, types.UID(n) }
	}
	manual := &discoveryv1.EndpointSlice{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "manual", Labels: map[string]string{discoveryv1.LabelServiceName: "web"}}}
	api := start(t, service(name("external"), func(s *v1.Service) { s.Spec.Type = v1.ServiceTypeExternalName }),
		service(name("selectorless"), func(s *v1.Service) { s.Spec.Selector = nil }), service(), manual, pod(1, true))
	fakeapi.Eventually(t, func() string {
		if n := len(stored(t, api)); n != 2 {
			return fmt.Sprintf("%d slices, want the manual one and that of web", n)
		}
		return ""
	})
}

func build(t *testing.T, s *v1.Service, existing []*discoveryv1.EndpointSlice, pods ...*v1.Pod) plan {
	t.Helper()
	api := fakeapi.New(t)
	c, err := New(api.Client, api.Factory, record.NewFakeRecorder(10), clock.RealClock{})
	if err != nil {
		t.Fatal(err)
	}
	return makePlan(s, c.endpoints(s, pods), existing)
}

func TestPortsByName(t *testing.T) {
	s := service(func(s *v1.Service) { s.Spec.Ports[0].TargetPort = intstr.FromString("web") })
	other := pod(2, true, func(p *v1.Pod) { p.Spec.Containers[0].Ports[0].ContainerPort = 9001 })
	sidecar := pod(3, true, func(p *v1.Pod) {
		p.Spec.Containers[0].Ports = nil
		p.Spec.InitContainers = []v1.Container{{Name: "s", RestartPolicy: ptr.To(v1.ContainerRestartPolicyAlways), Ports: []v1.ContainerPort{{Name: "web", ContainerPort: 9000, Protocol: v1.ProtocolTCP}}}}
	})
	without := pod(4, true, func(p *v1.Pod) { p.Spec.Containers[0].Ports = nil })
	p := build(t, s, nil, pod(1, true), other, sidecar, without)
	got := map[int32]int{}
	for _, slice := range p.create {
		number := int32(0)
		if len(slice.Ports) > 0 {
			number = *slice.Ports[0].Port
		}
		got[number] = len(slice.Endpoints)
	}
	if len(got) != 3 || got[9000] != 2 || got[9001] != 1 || got[0] != 1 {
		t.Errorf("endpoints by port: %v", got)
	}
}

func TestConditions(t *testing.T) {
	ends := func(p *v1.Pod) { p.DeletionTimestamp = &metav1.Time{} }
	for name, c := range map[string]struct {
		pod                         *v1.Pod
		publish                     bool
		ready, serving, terminating bool
	}{
		"ready":                   {pod(1, true), false, true, true, false},
		"not ready":               {pod(1, false), false, false, false, false},
		"ends":                    {pod(1, true, ends), false, false, true, true},
		"not ready and published": {pod(1, false), true, true, false, false},
		"ends and published":      {pod(1, false, ends), true, true, false, true},
	} {
		p := build(t, service(func(s *v1.Service) { s.Spec.PublishNotReadyAddresses = c.publish }), nil, c.pod)
		got := p.create[0].Endpoints[0].Conditions
		if *got.Ready != c.ready || *got.Serving != c.serving || *got.Terminating != c.terminating {
			t.Errorf("%s: ready %t, serving %t, terminating %t", name, *got.Ready, *got.Serving, *got.Terminating)
		}
	}
}

func TestHeadlessServices(t *testing.T) {
	headless := service(func(s *v1.Service) { s.Spec.ClusterIP, s.Spec.Ports = v1.ClusterIPNone, nil })
	named := pod(1, true, func(p *v1.Pod) { p.Spec.Hostname, p.Spec.Subdomain = "web-0", "web" })
	p := build(t, headless, nil, named)
	slice := p.create[0]
	if _, ok := slice.Labels[v1.IsHeadlessService]; !ok || len(slice.Endpoints) != 1 || *slice.Endpoints[0].Hostname != "web-0" {
		t.Errorf("slice of a headless service: %+v", slice)
	}
}

func TestHints(t *testing.T) {
	near := service(func(s *v1.Service) { s.Spec.TrafficDistribution = ptr.To(v1.ServiceTrafficDistributionPreferClose) })
	e := &discoveryv1.Endpoint{Zone: ptr.To("z1"), NodeName: ptr.To("n1")}
	if h := hints(near, e); h == nil || h.ForZones[0].Name != "z1" {
		t.Errorf("hints %+v", h)
	}
	near.Spec.TrafficDistribution = ptr.To(v1.ServiceTrafficDistributionPreferSameNode)
	if h := hints(near, e); h == nil || h.ForNodes[0].Name != "n1" {
		t.Errorf("hints %+v", h)
	}
}

// A change must touch as few slices as it can: each is sent to every node.
func TestEndpointsStayInTheirSlices(t *testing.T) {
	var pods []*v1.Pod
	for i := range 250 {
		pods = append(pods, pod(i, true, func(p *v1.Pod) { p.Status.PodIPs[0].IP = fmt.Sprintf("10.244.%d.%d", i/200, i%200+1) }))
	}
	first := build(t, service(), nil, pods...)
	sizes := []int{}
	for i, slice := range first.create {
		slice.Name = fmt.Sprintf("web-%d", i)
		sizes = append(sizes, len(slice.Endpoints))
	}
	if !slices.Equal(sizes, []int{100, 100, 50}) {
		t.Fatalf("slices of %v", sizes)
	}
	if again := build(t, service(), first.create, pods...); len(again.create)+len(again.update)+len(again.remove) != 0 {
		t.Errorf("nothing changed, and %d, %d and %d slices would be written", len(again.create), len(again.update), len(again.remove))
	}
	// One pod of the first slice is replaced: its place is taken, and nothing else moves.
	swapped := append([]*v1.Pod{pod(250, true)}, pods[1:]...)
	p := build(t, service(), first.create, swapped...)
	if len(p.create) != 0 || len(p.remove) != 0 || len(p.update) != 1 || p.update[0].Name != "web-0" || len(p.update[0].Endpoints) != 100 {
		t.Errorf("%d created, %d updated, %d removed", len(p.create), len(p.update), len(p.remove))
	}
	// All of the last slice go: it goes too.
	p = build(t, service(), first.create, pods[:200]...)
	if len(p.create) != 0 || len(p.update) != 0 || len(p.remove) != 1 || p.remove[0].Name != "web-2" {
		t.Errorf("%d created, %d updated, %d removed", len(p.create), len(p.update), len(p.remove))
	}
	relabelled := service(func(s *v1.Service) { s.Labels = map[string]string{"team": "b"} })
	if p = build(t, relabelled, first.create, pods...); len(p.update) != 3 {
		t.Errorf("%d slices updated after the service's labels changed, want 3", len(p.update))
	}
}

// A slice that is written anyway takes new endpoints, even if another is fuller.
func TestNewEndpointsGoWhereSomethingChangesAnyway(t *testing.T) {
	var pods []*v1.Pod
	for i := range 140 {
		pods = append(pods, pod(i+1, true))
	}
	first := build(t, service(), nil, pods[:60]...).create[0]
	second := build(t, service(), nil, pods[60:]...).create[0]
	first.Name, second.Name = "first", "second"
	now := append([]*v1.Pod{pod(200, true)}, pods[1:]...)
	p := build(t, service(), []*discoveryv1.EndpointSlice{first, second}, now...)
	if len(p.update) != 1 || p.update[0].Name != "first" || len(p.create)+len(p.remove) != 0 {
		t.Errorf("%d updated, %d created, %d removed; want only the first updated", len(p.update), len(p.create), len(p.remove))
	}
}
