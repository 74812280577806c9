package guards

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"

	"noriter.dev/noriter/cluster/apiserver/apiservertest"
)

func service(name string, external ...string) *v1.Service {
	return &v1.Service{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: v1.ServiceSpec{
		Type: v1.ServiceTypeLoadBalancer, ExternalIPs: external, Ports: []v1.ServicePort{{Port: 6443}}}}
}

func pod(name string, hostNetwork bool, port v1.ContainerPort) *v1.Pod {
	return &v1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: v1.PodSpec{
		HostNetwork: hostNetwork, Containers: []v1.Container{{Name: "c", Image: "x", Ports: []v1.ContainerPort{port}}}}}
}

// TestGuards tries to take from the machines what is theirs.
func TestGuards(t *testing.T) {
	cluster := apiservertest.StartForTest(t)
	client, err := kubernetes.NewForConfig(cluster.Admin)
	if err != nil {
		t.Fatal(err)
	}
	objects, err := dynamic.NewForConfig(cluster.Admin)
	if err != nil {
		t.Fatal(err)
	}
	services, pods := client.CoreV1().Services("default"), client.CoreV1().Pods("default")
	before, err := services.Create(t.Context(), service("before", "10.77.0.10"), metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.CoreV1().ServiceAccounts("default").Create(t.Context(), &v1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: "default"}}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	own := []netip.Prefix{netip.MustParsePrefix("10.77.0.0/24"), netip.MustParsePrefix("10.96.0.0/16"), netip.MustParsePrefix("10.244.0.0/16")}
	for range 2 {
		if err := Apply(t.Context(), objects, own); err != nil {
			t.Fatal(err)
		}
	}
	// Policies are in force a moment after they were made.
	dry := metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}}
	refused := func(err error, words string) bool { return err != nil && strings.Contains(err.Error(), words) }
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		_, service := services.Create(t.Context(), service("evil", "10.77.0.10"), dry)
		_, pod := pods.Create(t.Context(), pod("evil", false, v1.ContainerPort{ContainerPort: 1, HostPort: 22}), dry)
		if refused(service, "none of the cluster's own") && refused(pod, "the machine itself listens") {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("the policies refuse nothing: %v, %v", service, pod)
		}
	}
	for _, ip := range []string{"10.77.0.1", "10.77.0.254", "10.96.0.1", "10.244.1.2"} {
		if _, err := services.Create(t.Context(), service("evil", "192.0.2.1", ip), dry); !refused(err, "but there is "+ip) {
			t.Errorf("external address %s: %v", ip, err)
		}
	}
	fine, err := services.Create(t.Context(), service("fine", "192.0.2.1"), metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	fine.Spec.ExternalIPs = append(fine.Spec.ExternalIPs, "10.96.0.1")
	if _, err := services.Update(t.Context(), fine, metav1.UpdateOptions{}); !refused(err, "none of the cluster's own") {
		t.Errorf("added later: %v", err)
	}
	fine.Spec.ExternalIPs = nil
	fine.Status.LoadBalancer.Ingress = []v1.LoadBalancerIngress{{Hostname: "lb.example"}, {IP: "10.77.0.10"}}
	if _, err := services.UpdateStatus(t.Context(), fine, metav1.UpdateOptions{}); !refused(err, "none of the cluster's own") {
		t.Errorf("as a load balancer's: %v", err)
	}
	fine.Status.LoadBalancer.Ingress[1].IP = "203.0.113.1"
	if _, err := services.UpdateStatus(t.Context(), fine, metav1.UpdateOptions{}); err != nil {
		t.Errorf("a load balancer's own: %v", err)
	}
	before.Labels = map[string]string{"a": "b"}
	if _, err := services.Update(t.Context(), before, metav1.UpdateOptions{}); err != nil {
		t.Errorf("one that is there can't be changed: %v", err)
	}
	for _, p := range ports {
		if _, err := pods.Create(t.Context(), pod("evil", false, v1.ContainerPort{ContainerPort: 80, HostPort: int32(p), HostIP: "10.77.0.10"}), dry); !refused(err, "its own are 22") {
			t.Errorf("host port %d: %v", p, err)
		}
	}
	init := pod("evil", false, v1.ContainerPort{ContainerPort: 80})
	init.Spec.InitContainers = pod("", false, v1.ContainerPort{ContainerPort: 80, HostPort: 6443}).Spec.Containers
	init.Spec.InitContainers[0].Name = "i"
	if _, err := pods.Create(t.Context(), init, dry); !refused(err, "its own are 22") {
		t.Errorf("of an init container: %v", err)
	}
	for _, p := range []*v1.Pod{
		pod("web", false, v1.ContainerPort{ContainerPort: 80, HostPort: 8080}),
		pod("udp", false, v1.ContainerPort{ContainerPort: 80, HostPort: 22, Protocol: v1.ProtocolUDP}),
		pod("node", true, v1.ContainerPort{ContainerPort: 10250}),
		pod("none", false, v1.ContainerPort{ContainerPort: 22}),
	} {
		if _, err := pods.Create(t.Context(), p, dry); err != nil {
			t.Errorf("pod %s: %v", p.Name, err)
		}
	}
}
